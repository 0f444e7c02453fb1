"""`python scripts/crash_rig`: finds the rig beside itself and the book's invariants among the tests."""

import sys
from pathlib import Path

_SCRIPTS = Path(__file__).resolve().parents[1]


def main() -> int:
    """Run from a checkout, installed or not."""
    sys.path[:0] = [str(_SCRIPTS), str(_SCRIPTS.parent / "tests"), str(_SCRIPTS.parent)]
    from crash_rig.command import main as command

    return command(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
