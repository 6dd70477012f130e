"""`python -m freerun` is the command `freerun`."""

from freerun.cli import main

main()
