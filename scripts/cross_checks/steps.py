"""What each client has to get done, and how its program reports it: one line of JSON a step, standard library only."""

import json
import sys
from collections.abc import Sequence

STEPS = (
    "connect",
    "sync",
    "contract details",
    "market order filled",
    "commission",
    "limit works",
    "modify",
    "cancel",
    "what-if",
    "bracket",
    "bars",
    "history",
    "reconnect",
)

ACCOUNT = "DU1000001"
SHARES = 100
REFERENCE = "cross-check"
RESTING_USD, CHANGED_USD = 490.0, 495.0


class Failed(AssertionError):
    """A step has not come out as it should."""


def report(step: str, is_right: bool, saw: object) -> None:
    """Say how a step went. Failed, and the end, when it went wrong."""
    sys.stdout.write(json.dumps({"step": step, "ok": is_right, "saw": str(saw)}) + "\n")
    sys.stdout.flush()
    if not is_right:
        raise Failed(f"{step}: saw {saw}")


def passed(lines: Sequence[str]) -> set[str]:
    """The steps that a program has reported as right."""
    reports = (json.loads(line) for line in lines if line.startswith('{"step"'))
    return {report["step"] for report in reports if report["ok"]}
