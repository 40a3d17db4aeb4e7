"""What a user can do, one module each: a transaction, no XML, no HTTP, no SQL."""
