"""The store: tables, engine and one module of queries per noun. It keeps and finds; it decides nothing."""
