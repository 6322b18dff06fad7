"""`python -m services` is the `chipwire` command."""

from services.cli import main

main()
