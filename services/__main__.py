"""`python -m services` is the `chipwire` command."""
