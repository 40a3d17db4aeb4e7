"""The rules of the voucher business in pure Python: no wire, no store, no clock of its own."""
