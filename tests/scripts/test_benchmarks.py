"""What is measured runs: a benchmark that stops at a breaker or a limit measures nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

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
