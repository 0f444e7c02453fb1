"""`python -m trader`."""

from trader.app.cli import main

main()
