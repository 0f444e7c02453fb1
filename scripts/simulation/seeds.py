"""Seeds that were run: a line of JSON for some runs at a time, so that days add up over many evenings.

Rule 1: a line is about consecutive runs, and is written once all of them are over; an end at any moment loses the runs
of one line.
Rule 2: what was run again counts once, as it came out the last time.
"""

import errno
import hashlib
import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from simulation.life import End
from simulation.runs import Ran

BATCH = 50
"""Runs to a line."""
_CRASHES = (End.KILLED, End.FAILED, End.STUCK)
_CHECKOUT = Path(__file__).resolve().parents[2]
_MADE_OF = ("trader", "scripts", "tests", "config")
"""Folders: with the daemon, the simulation, the checks that both share with the tests, and the families."""


@dataclass(frozen=True, slots=True)
class Line:
    """Some consecutive runs of one commit."""

    commit: str
    seed: str
    days_per_run: int
    first: int
    last: int
    """Numbers of runs, both included."""
    days: int
    lives: int
    crashes: int
    events: int
    callbacks: int
    orders: int
    fills: int
    faults: dict[str, int]
    trace: str
    """A hash over those of the runs, in order: two machines with the same one have done the same."""
    violations: list[str]
    seconds: float
    """Of the wall, since the line before or the beginning."""


class Ledger:
    """A file of lines."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def begin(self) -> None:
        """Make sure that it can be written, before anything is run for it. Raises OSError."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab"):
            pass

    def append(self, line: Line) -> None:
        """Write it in one piece, and not onto one that was torn. Raises OSError."""
        text = f"{json.dumps(asdict(line))}\n".encode()
        with self._path.open("ab+", buffering=0) as file:
            if file.seek(0, os.SEEK_END) and file.seek(-1, os.SEEK_END) >= 0 and file.read(1) != b"\n":
                text = b"\n" + text
            if file.write(text) != len(text):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
            os.fsync(file.fileno())

    def lines(self) -> list[Line]:
        """Every one. Raises ValueError for one that cannot be read."""
        if not self._path.exists():
            return []
        return [self._read(number, text) for number, text in enumerate(self._path.read_text().splitlines(), start=1)]

    def counting(self) -> list[Line]:
        """Those that count: of runs that were run again only the newest."""
        taken: dict[tuple[str, str, int], list[Line]] = {}
        counting = []
        for line in reversed(self.lines()):
            newer = taken.setdefault((line.commit, line.seed, line.days_per_run), [])
            if all(line.last < other.first or other.last < line.first for other in newer):
                newer.append(line)
                counting.append(line)
        return counting[::-1]

    def next_run(self, commit: str, seed: str, days_per_run: int) -> int:
        """The number after the last one that was run of this commit and seed."""
        same = [
            line for line in self.lines() if (line.commit, line.seed, line.days_per_run) == (commit, seed, days_per_run)
        ]
        return max((line.last + 1 for line in same), default=0)

    def _read(self, number: int, text: str) -> Line:
        try:
            return Line(**json.loads(text))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{self._path}:{number} is no line of this ledger ({error}): remove the line") from error


class Batches:
    """Runs that end in any order, as lines in theirs."""

    def __init__(self, commit: str, first: int, begun_s: float) -> None:
        self._commit = commit
        self._next = first
        self._since_s = begun_s
        self._over: dict[int, Ran] = {}

    def add(self, ran: Ran) -> None:
        """One more is over."""
        self._over[ran.run.number] = ran

    def whole(self, now_s: float, least: int = BATCH) -> Iterator[Line]:
        """Take lines of at least so many runs, none of which is missing."""
        while True:
            batch: list[Ran] = []
            while len(batch) < BATCH and self._next + len(batch) in self._over:
                batch.append(self._over[self._next + len(batch)])
            if len(batch) < max(least, 1):
                return
            for ran in batch:
                del self._over[ran.run.number]  # a night has too many to keep
            yield _line(self._commit, batch, now_s - self._since_s)
            self._next += len(batch)
            self._since_s = now_s


def _line(commit: str, batch: Sequence[Ran], seconds: float) -> Line:
    outcomes = [ran.outcome for ran in batch]
    faults: Counter[str] = Counter()
    for outcome in outcomes:
        faults.update({str(fault): count for fault, count in outcome.struck.items()})
    first, last = batch[0].run, batch[-1].run
    return Line(
        commit=commit,
        seed=first.base,
        days_per_run=first.days,
        first=first.number,
        last=last.number,
        days=sum(ran.days for ran in batch),
        lives=sum(outcome.lives for outcome in outcomes),
        crashes=sum(outcome.ends[end] for outcome in outcomes for end in _CRASHES),
        events=sum(outcome.events for outcome in outcomes),
        callbacks=sum(outcome.callbacks for outcome in outcomes),
        orders=sum(outcome.orders for outcome in outcomes),
        fills=sum(outcome.fills for outcome in outcomes),
        faults=dict(sorted(faults.items())),
        trace=hashlib.blake2b("".join(outcome.trace for outcome in outcomes).encode(), digest_size=16).hexdigest(),
        violations=[_in_a_line(ran) for ran in batch if ran.violation is not None],
        seconds=round(seconds, 1),
    )


def _in_a_line(ran: Ran) -> str:
    assert ran.violation is not None  # noqa: S101
    return f"run {ran.run.number}, invariant {ran.violation.number}: {ran.violation.fault}"[:300]


def commit_here(checkout: Path = _CHECKOUT) -> str:
    """The commit of a checkout; with `-dirty-HASH` where files differ from it, by how they do.

    Of files that git does not follow only those count that a run may be made of.
    """
    try:
        head = _git(checkout, "rev-parse", "HEAD").decode().strip()
        changed = _git(checkout, "diff", "HEAD", "--binary")
        new = _git(checkout, "ls-files", "--others", "--exclude-standard", "-z", "--", *_MADE_OF).split(b"\0")[:-1]
        differs = hashlib.blake2b(changed, digest_size=4)
        for name in new:
            differs.update(b"%b\0%b\0" % (name, (checkout / os.fsdecode(name)).read_bytes()))
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head}-dirty-{differs.hexdigest()}" if changed or new else head


def _git(checkout: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=checkout, check=True, capture_output=True).stdout
