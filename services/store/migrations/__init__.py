"""Revisions of the store's tables, in order: expand in one release, contract in a later one."""
