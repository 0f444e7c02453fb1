"""What is measured runs: a benchmark that stops at a breaker or a limit measures nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_BENCH = _ROOT / "scripts/bench"
_SYMBOLS, _SESSIONS = 50, 2


def test_the_benchmark_of_a_replay_trades_and_complains_of_nothing(tmp_path: Path) -> None:
    bars, scratch = tmp_path / "bars", tmp_path / "scratch"
    scratch.mkdir()
    _run("make_bars.py", "--symbols", str(_SYMBOLS), "--sessions", str(_SESSIONS), str(bars))
    figures = json.loads(_run("our_replay.py", str(bars), "--scratch", str(scratch)))
    assert (figures["symbols"], figures["sessions"]) == (_SYMBOLS, _SESSIONS)
    assert figures["fills"] >= 2 * _SYMBOLS


@pytest.mark.parametrize(
    ("script", "options", "measured"),
    [
        ("burst.py", ("--rounds", "1"), "2,000 symbols, one signal each: settled"),
        ("ibkr.py", ("--rounds", "1"), "IB: execution received to committed"),
        ("startup.py", ("--trades", "2000", "4000"), "start, 4,000 trades and 500 positions"),
        ("audit.py", ("--trades", "2000"), "audit, 2,000 trades: everything, in scans"),
    ],
)
def test_every_benchmark_does_what_it_measures(script: str, options: tuple[str, ...], measured: str) -> None:
    """Each stops by itself where a signal has led to nothing, or a book was not recovered."""
    assert measured in _run(script, *options)


def _run(script: str, *options: str) -> str:
    ran = subprocess.run(
        [sys.executable, str(_BENCH / script), *options],
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    return ran.stdout
