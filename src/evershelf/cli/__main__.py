"""`python -m evershelf.cli` is `evershelf`."""

from evershelf.cli.main import main

main()
