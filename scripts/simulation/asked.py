"""What can be typed after `scripts/simulate`, and what is said of what cannot."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from simulation.configuration import Broker
from simulation.runs import Run

LEDGER = Path(".simulation/ledger.jsonl")

_MOST_DAYS = 1_000_000
"""Four times the thousand years that a release wants; a year on two cores."""
_LONGEST_RUN = 250
"""Days; a longer one would be given up as one that does not end."""
_LONGEST_SEED = 64

_MORE = """
A run is some consecutive days; run I of the base seed S has the seed S:I, and follows from it and the commit alone.
Files of runs in which something was violated are kept beside the ledger, in failures. Ctrl-C lets the runs end that
have begun (some seconds); again, it gives them up. What was done is in the ledger. Exit codes: 0 nothing was violated,
1 something was, 2 asked wrongly, or the ledger could not be written.
"""


class Asked(argparse.Namespace):
    """What was typed."""

    days: int
    seed: str
    days_per_run: int
    broker: Broker
    jobs: int
    run: int | None
    limit: int | None
    resume: bool
    ledger: Path
    traces: Path | None
    summary: bool

    def runs(self, first: int) -> list[Run]:
        """The runs that it takes, from a number on, or the one that was named."""
        if self.run is not None:
            return [Run(self.seed, self.run, self.days_per_run, self.limit, self.broker)]
        number = -(-self.days // self.days_per_run)
        return [Run(self.seed, first + more, self.days_per_run, None, self.broker) for more in range(number)]


def asked(arguments: Sequence[str]) -> Asked:
    """Read it. Exits with 2 and a sentence where it makes no sense."""
    parser = argparse.ArgumentParser(
        prog="scripts/simulate",
        description="Whole trading days of the whole daemon in virtual time, against a world that misbehaves.",
        epilog=_MORE,
    )
    cores = len(os.sched_getaffinity(0))
    add = parser.add_argument
    add(
        "--days",
        type=_number(1, _MOST_DAYS),
        default=100,
        metavar="N",
        help="trading days in all, rounded up to whole runs (100)",
    )
    add("--seed", type=_seed, default="1", metavar="S", help="base seed of all runs (1)")
    add("--resume", action="store_true", help="go on after the last run of this seed and commit in the ledger")
    add(
        "--days-per-run",
        type=_number(1, _LONGEST_RUN),
        default=5,
        metavar="N",
        help="the last one is healed, but for N = 1 (5: four on which anything may happen, and one to put it right)",
    )
    add(
        "--broker",
        type=Broker,
        choices=list(Broker),
        default=Broker.PAPER,
        help="the paper broker on the embedded market; the gateway of the tests, by Interactive Brokers' protocol, "
        "whose days are shorter and take some ten seconds each; or shared: three accounts on one book (paper)",
    )
    add("--jobs", type=_number(1), default=cores, metavar="N", help=f"runs at a time (all cores: {cores})")
    add("--run", type=_number(0), metavar="I", help="only this run, to see it again; adds nothing to the ledger")
    add("--limit", type=_number(0), metavar="K", help="with --run: only the first K faults strike")
    add("--ledger", type=Path, default=LEDGER, metavar="FILE", help=f"where it is kept what was run ({LEDGER})")
    add("--traces", type=Path, metavar="FILE", help="write each run's seed and trace there, to compare two machines")
    add("--summary", action="store_true", help="run nothing: add the ledger up, as Markdown")
    parsed = parser.parse_args(arguments, Asked())
    if parsed.limit is not None and parsed.run is None:
        parser.error("--limit is for one run; name it with --run")
    if parsed.run is not None and parsed.resume:
        parser.error("--run is one run and --resume those after the last; leave one of them out")
    return parsed


def _number(least: int, most: int = sys.maxsize) -> Callable[[str], int]:
    wanted = f"{least} or more" if most == sys.maxsize else f"{least} to {most:,}"

    def number(text: str) -> int:
        is_one = text.isascii() and text.isdigit() and len(text) <= len(str(most))
        if not is_one or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"give a whole number, {wanted}, not {text[:40]!r}")
        return int(text)

    return number


def _seed(text: str) -> str:
    if not text[:1].isalnum() or not all(character.isalnum() or character in "-_." for character in text):
        raise argparse.ArgumentTypeError(
            f"give a word of letters, digits, '-', '_' and '.' that begins with one of the first two, not {text!r}"
        )
    if len(text) > _LONGEST_SEED:
        raise argparse.ArgumentTypeError(f"give a word of at most {_LONGEST_SEED} letters: folders are named by it")
    return text
