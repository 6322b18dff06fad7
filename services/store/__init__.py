"""The store: the only room that knows SQL. One module for each owner; SQLite by default, PostgreSQL by URL."""
