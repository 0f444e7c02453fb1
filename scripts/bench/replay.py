"""Our replay beside NautilusTrader's BacktestEngine: the same bars, the same rule, in turn, each in its own process.

What is compared, and what is not the same. Ours is the daemon's engine with everything on (see `our_replay.py`), its
time includes making the book and reading the summary back; theirs is `engine.run()` alone, which keeps nothing on
disk. Ours is flat at each close and fills at the next bar's open, with costs; theirs holds overnight and fills at the
close of the bar that signalled, without. Both make about a hundred fills a symbol. Start-up is the time from the start
of the process to an engine without data. Figures are medians of the rounds; ratios are taken within a round.

Ours waits for the disk some five thousand times, once a commit, theirs never: on a disk that takes 0.15 ms for it that
is a fifth of our time, on one that takes 3 ms most of it. The table tells how much, so that a ratio can be read.
"""

import argparse
import compileall
import json
import os
import subprocess
import sys
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path
from statistics import median

from figures import SCRATCH, Figure, show
from make_bars import make_bars

SYMBOLS, SESSIONS = 50, 20

Run = dict[str, float]

_HERE = Path(__file__).parent


def nautilus_python() -> Path:
    """The interpreter of the yardstick's environment."""
    venv = os.environ.get("BENCH_NAUTILUS_VENV", _HERE.parents[1] / ".venv-nautilus")
    python = Path(venv) / "bin/python"
    if not python.exists():
        raise SystemExit(f"{python} is missing; run scripts/bench/nautilus_environment first")
    return python


def run_ours(folder: Path, *options: str) -> Run:
    """One measured replay of ours."""
    return _run(Path(sys.executable), "our_replay.py", folder, "--scratch", str(SCRATCH), *options)


def run_nautilus(folder: Path, *options: str) -> Run:
    """One measured run of theirs."""
    return _run(nautilus_python(), "nautilus_replay.py", folder, *options)


def _run(python: Path, script: str, folder: Path, *options: str) -> Run:
    """Run one side as it is installed: with its byte code kept, whatever this shell says of that."""
    command = [str(python), str(_HERE / script), str(folder), *options]
    plain = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("TRADER_") and name != "PYTHONDONTWRITEBYTECODE"
    }
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=SCRATCH, env=plain)
    if done.returncode:
        raise SystemExit(f"{script} failed:\n{done.stderr[-2000:]}")
    figures: Run = json.loads(done.stdout)
    return figures


def measure(rounds: int = 5) -> list[Figure]:
    """Alternate, and compare."""
    SCRATCH.mkdir(exist_ok=True)
    compileall.compile_dir(_HERE.parents[1] / "trader", quiet=1)  # theirs was when it was installed
    folder = make_bars(SCRATCH / f"bars-{SYMBOLS}x{SESSIONS}", SYMBOLS, SESSIONS)
    ours, theirs, best = [], [], []
    for number in range(rounds):
        ours.append(run_ours(folder))
        theirs.append(run_nautilus(folder))
        best.append(run_nautilus(folder, "--best"))
        told = ", ".join(f"{_rate(runs[-1]):,.0f}" for runs in (ours, theirs, best))
        print(f"round {number + 1} of {rounds}: {told} bars a second", file=sys.stderr)

    def middle(runs: list[Run], value: Callable[[Run], float]) -> float:
        return median(value(run) for run in runs)

    def ratio(value: Callable[[Run], float], others: list[Run]) -> float:
        return median(value(our) / value(their) for our, their in zip(ours, others, strict=True))

    def beside(name: str, key: str, unit: str) -> list[Figure]:
        return [
            Figure(name=name, measured=middle(ours, itemgetter(key)), unit=unit),
            Figure(name="  NautilusTrader", measured=middle(theirs, itemgetter(key)), unit=unit),
            Figure(name="  ratio", measured=ratio(itemgetter(key), theirs), at_most=0.5),
        ]

    return [
        Figure(name="replay: bars a second", measured=middle(ours, _rate), unit="bars/s"),
        Figure(name="  of it waiting: the disk, or a busy machine", measured=middle(ours, _waiting), unit="%"),
        Figure(name="  NautilusTrader", measured=middle(theirs, _rate), unit="bars/s"),
        Figure(name="  NautilusTrader at its best", measured=middle(best, _rate), unit="bars/s"),
        Figure(name="  ratio to NautilusTrader", measured=ratio(_rate, theirs), at_least=2),
        Figure(name="  ratio to its best", measured=ratio(_rate, best)),
        Figure(name="replay with loading: bars a second", measured=middle(ours, _rate_loading), unit="bars/s"),
        Figure(name="  NautilusTrader", measured=middle(theirs, _rate_loading), unit="bars/s"),
        Figure(name="  ratio to NautilusTrader", measured=ratio(_rate_loading, theirs)),
        Figure(name="fills a symbol", measured=middle(ours, _fills)),
        Figure(name="  NautilusTrader", measured=middle(theirs, _fills)),
        *beside("start-up", "start_s", "s"),
        *beside("memory after start-up", "start_mb", "MB"),
        *beside("peak memory of the replay", "peak_mb", "MB"),
    ]


def _rate(run: Run) -> float:
    return run["bars"] / run["run_s"]


def _waiting(run: Run) -> float:
    return 100 * (1 - run["cpu_s"] / run["run_s"])


def _rate_loading(run: Run) -> float:
    return run["bars"] / (run["load_s"] + run["run_s"])


def _fills(run: Run) -> float:
    return run["fills"] / run["symbols"]


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description="Compare our replay with NautilusTrader's.")
    parser.add_argument("--rounds", type=int, default=5)
    show(measure(parser.parse_args().rounds))


if __name__ == "__main__":
    main()
