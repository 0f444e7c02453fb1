"""All benchmarks, one table, and the same figures in `results.json` beside this file."""

import json
import platform
import sys
from pathlib import Path

import audit
import burst
import dashboard
import growth
import ibkr
import latency
import replay
import startup
from figures import SCRATCH, show

_RESULTS = Path(__file__).with_name("results.json")


def main() -> int:
    """Measure, tell and keep. The exit code says whether every target was met."""
    SCRATCH.mkdir(exist_ok=True)
    figures = []
    for name, measure in (
        ("latency", latency.measure),
        ("bursts", burst.measure),
        ("replay", replay.measure),
        ("growth", growth.measure),
        ("start", startup.measure),
        ("audit", audit.measure),
        ("Interactive Brokers", ibkr.measure),
        ("dashboard", dashboard.measure),
    ):
        print(f"measuring {name} ...", file=sys.stderr)
        figures += measure()
    show(figures)
    kept = {
        "python": platform.python_version(),
        "machine": platform.platform(),
        "figures": [
            {
                "name": figure.name,
                "measured": figure.measured,
                "unit": figure.unit,
                "target": figure.target,
                "ok": figure.ok,
            }
            for figure in figures
        ],
    }
    _RESULTS.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    return int(any(figure.ok is False for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
