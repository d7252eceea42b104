"""`python -m dropslot` is the command line."""

from dropslot.cli import main

main()
