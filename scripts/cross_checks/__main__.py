"""Run the cross-check."""

import asyncio
import sys

from cross_checks.command import main

if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
