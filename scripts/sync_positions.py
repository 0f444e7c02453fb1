#!/usr/bin/env python3
"""Each account's broker against its database, by instrument and quantity: what `trader reconcile --all-accounts` says.

    python3 scripts/sync_positions.py [--config FILE] [--db BOOK] [--json]

It changes nothing. Exit codes: 0 all match, 4 something differs, 2 a book or the configuration cannot be read, 3 a
broker does not answer.
"""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = ROOT / ".venv" / "bin" / "python"
"""What START_TRADER.sh makes, with everything that the trader needs."""


def main() -> None:
    """Hand over to the trader's command."""
    if find_spec("typer") is None and ENVIRONMENT.exists() and Path(sys.executable) != ENVIRONMENT:
        os.execv(ENVIRONMENT, [str(ENVIRONMENT), __file__, *sys.argv[1:]])  # noqa: S606  (our own)
    sys.path.insert(0, str(ROOT))
    from trader.app.cli import main as trader

    sys.argv[1:1] = ["reconcile", "--all-accounts"]
    trader()


if __name__ == "__main__":
    main()
