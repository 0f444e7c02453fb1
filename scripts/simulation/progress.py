"""How far it has come: a line that stays on a terminal, else one every ten seconds."""

import sys
import time
from collections import Counter
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from simulation.faults import Fault
from simulation.runs import Ran

_EVERY_S = 10.0


class Totals:
    """What has come together so far."""

    def __init__(self, days: int) -> None:
        self.days_wanted = days
        self.days = 0
        self.lives = 0
        self.events = 0
        self.struck: Counter[Fault] = Counter()
        self.failures: list[Ran] = []
        self._begun_s = time.monotonic()

    def add(self, ran: Ran) -> None:
        """One more run is over."""
        self.days += ran.days
        self.lives += ran.outcome.lives
        self.events += ran.outcome.events
        self.struck.update(ran.outcome.struck)
        if ran.violation is not None:
            self.failures.append(ran)

    def __str__(self) -> str:
        seconds = time.monotonic() - self._begun_s
        return (
            f"{self.days:,} of {self.days_wanted:,} days, {self.days / max(seconds, 0.001) * 60:,.0f} a minute, "
            f"{self.struck.total():,} faults of {len(self.struck)} kinds, {len(self.failures)} violations"
        )


class Display(Protocol):
    """Shows totals while they grow."""

    def __enter__(self) -> "Display": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None: ...

    def tick(self) -> None:
        """Some time has gone by."""


class Bar:
    """On a terminal. It is drawn when it is told to: a thread that draws would be copied into every run's process."""

    def __init__(self, totals: Totals) -> None:
        self._totals = totals
        columns = (BarColumn(20), TextColumn("{task.description}"), TimeRemainingColumn())
        console = Console(stderr=True)
        self._progress = Progress(*columns, console=console, auto_refresh=False, transient=True)
        self._task: TaskID = self._progress.add_task("", total=totals.days_wanted)

    def __enter__(self) -> "Bar":
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._progress.stop()

    def tick(self) -> None:
        """Draw it."""
        self._progress.update(self._task, completed=self._totals.days, description=str(self._totals), refresh=True)


class Lines:
    """In a pipe."""

    def __init__(self, totals: Totals) -> None:
        self._totals = totals
        self._next_s = time.monotonic() + _EVERY_S

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        return None

    def tick(self) -> None:
        """Say it, every ten seconds."""
        if time.monotonic() >= self._next_s:
            self._next_s += _EVERY_S
            print(self._totals, file=sys.stderr, flush=True)


def display(totals: Totals) -> Display:
    """What fits where it is read."""
    return Bar(totals) if sys.stderr.isatty() else Lines(totals)
