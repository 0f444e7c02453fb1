"""How a replay's time grows with sessions, symbols and open positions: three sizes each, linear or better.

Processor time is counted, and of each size the quickest of the rounds, as whatever else the machine does only ever
adds. The figure is the cost of one unit at the largest size over the same at the smallest: 1 is linear, below 1 better.
"""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from figures import SCRATCH, Figure, show
from make_bars import make_bars
from replay import Run, run_ours

_LINEAR = 1.25
"""What counts as linear, with room for caches that overflow and a noisy machine."""

_HELD = ("--strategy", "ema_cross:Hold", "--param")


def measure(rounds: int = 3) -> list[Figure]:
    """All three."""
    return [*_sessions(rounds), *_symbols(rounds), *_positions(rounds)]


def _bars(symbols: int, sessions: int) -> Path:
    return make_bars(SCRATCH / f"bars-{symbols}x{sessions}", symbols, sessions)


def _quickest(rounds: int, runs: Sequence[Callable[[], Run]]) -> list[Run]:
    """Each run as often as the others, in turn."""
    done = [[run() for run in runs] for _ in range(rounds)]
    return [min((turn[place] for turn in done), key=lambda run: run["cpu_s"]) for place in range(len(runs))]


def _sessions(rounds: int) -> list[Figure]:
    sizes = (10, 20, 40)
    runs = _quickest(rounds, [partial(run_ours, _bars(50, size)) for size in sizes])
    return _figures("sessions", sizes, [run["cpu_s"] / run["bars"] * 1e6 for run in runs], "us a bar")


def _symbols(rounds: int) -> list[Figure]:
    sizes = (50, 100, 200)
    runs = _quickest(rounds, [partial(run_ours, _bars(size, 5)) for size in sizes])
    return _figures("symbols", sizes, [run["cpu_s"] / run["bars"] * 1e6 for run in runs], "us a bar")


def _positions(rounds: int) -> list[Figure]:
    """What holding costs: the time above that of the same bars with nothing held."""
    sizes, folder = (50, 100, 200), _bars(200, 5)
    nothing, *runs = _quickest(rounds, [partial(run_ours, folder, *_HELD, f"positions={size}") for size in (0, *sizes)])
    bar_times = nothing["bars"] / nothing["symbols"]
    costs = [(run["cpu_s"] - nothing["cpu_s"]) / size / bar_times * 1e6 for size, run in zip(sizes, runs, strict=True)]
    return _figures("open positions", sizes, costs, "us a position and bar")


def _figures(name: str, sizes: Sequence[int], costs: Sequence[float], unit: str) -> list[Figure]:
    told = [Figure(name=f"{size} {name}", measured=cost, unit=unit) for size, cost in zip(sizes, costs, strict=True)]
    return [*told, Figure(name=f"growth with {name}", measured=costs[-1] / costs[0], at_most=_LINEAR)]


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description="Measure how a replay's time grows.")
    parser.add_argument("--rounds", type=int, default=3)
    show(measure(parser.parse_args().rounds))


if __name__ == "__main__":
    main()
