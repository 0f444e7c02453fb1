"""`python scripts/simulation`: finds itself, the invariants among the tests, and the product, installed or not."""

import sys
from pathlib import Path

_SCRIPTS = Path(__file__).resolve().parents[1]


def main() -> int:
    """Run from a checkout."""
    sys.path[:1] = [str(_SCRIPTS), str(_SCRIPTS.parent / "tests"), str(_SCRIPTS.parent)]
    from simulation.command import main as command

    return command(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
