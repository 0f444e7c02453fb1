"""The disk fails at operation N of a short day, for N = 1, 2, ... until a day passes in which it is not reached.

Whatever fails, and whether once or from then on: no entry is handed to the broker that is not in the book, no exit that
is neither in the book nor in the spill file; exits go on; and when the fault has healed, or the process has died and
the next one starts on what the disk then holds, book and broker agree and everything sent is booked once.
HYPOTHESIS_PROFILE=deep tries every N in every way; else every N with each error, and every seventh N with each death.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import builders
import pytest
from failing import (
    ERRORS,
    STEPS,
    FailingDisk,
    Witness,
    a_market,
    dies_and_starts,
    disagreements,
    found_by_the_next,
    until_settled,
)
from needs import needs_seen_disk
from simulation.seen_disk import listening

from trader.adapters.sqlite.database import InlineWriter
from trader.domain.errors import BookError

_Result = TypeVar("_Result")

pytestmark = needs_seen_disk

_MEMORY = Path("/dev/shm")  # noqa: S108  (each folder in it has a name of its own)
_DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
_UNWRITTEN = frozenset({"MSFT is closed by a signal", "its fill, and an entry of QQQ"})
_EVERY = 1 if _DEEP else 7


@pytest.fixture
def folders() -> Iterator[Callable[[], Path]]:
    """Makes folders, in memory where that can be: what fails here is told to, and does not need a real disk."""
    with TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as above:
        numbers = iter(range(1_000_000))

        def folder() -> Path:
            made = Path(above) / str(next(numbers))
            made.mkdir()
            return made

        yield folder


async def heals(folder: Path, disk: "FailingDisk | Locker") -> list[str]:
    """The day with the fault; then it heals."""
    witness = Witness()
    with listening(disk) if isinstance(disk, FailingDisk) else nullcontext():
        market = a_market(folder / "trading_data.db", witness)
        await market.start()
        try:
            await market.bar()
            disk.works = False
            for step in STEPS.values():
                await step(market)
            disk.works = True
            await until_settled(market)
            return [*disagreements(market, witness), *_left(market.held())]
        finally:
            disk.works = True
            await market.stop()


async def dies(folder: Path, disk: FailingDisk, steps_later: int) -> list[str]:
    """The day with the fault, and so many steps after it the process dies; the disk that the next one finds works."""
    witness = Witness()
    with listening(disk):
        market = a_market(folder / "trading_data.db", witness)
        await market.start()
        await market.bar()
        disk.works = False
        for step in STEPS.values():
            await step(market)
            steps_later -= disk.fired
            if steps_later < 0:
                break
        disk.works = True
        next_ = await dies_and_starts(market, witness, folder / "next")
        try:
            faults = disagreements(next_, witness)
            await until_settled(next_)
            return [*faults, *disagreements(next_, witness), *_left(next_.held())]
        finally:
            await market.stop()
            await next_.stop()


async def starts_badly(folder: Path, disk: FailingDisk) -> list[str]:
    """The book cannot be written when a process dies; the disk fails the next one too, and works for the one after.

    What ends half-way has handed its orders to the broker all the same: the broker is one and the same.
    """
    witness, unwritable = Witness(), FailingDisk("the disk is full", 1, lasts=True)
    with listening(unwritable):
        first = a_market(folder / "trading_data.db", witness)
        await first.start()
        await first.bar()
        for name, step in list(STEPS.items())[:6]:
            unwritable.works = name not in _UNWRITTEN
            await step(first)
        second = found_by_the_next(first, witness, folder / "second")
        unwritable.works = True
        await first.stop()
    with listening(disk):
        disk.works = False
        with suppress(BookError):
            await second.start(broker=first.broker)
        disk.works = True
        third = found_by_the_next(second, witness, folder / "third")
        await third.start(broker=first.broker)
        try:
            faults = disagreements(third, witness)
            await until_settled(third)
            return [*faults, *disagreements(third, witness), *_left(third.held())]
        finally:
            await third.stop()
            if hasattr(second, "spill"):
                await second.stop()


def _left(held: dict[str, int]) -> list[str]:
    return [f"after everything was closed the book holds {held}"] if held else []


@pytest.mark.parametrize("lasts", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("error", ERRORS)
def test_a_failing_write_loses_nothing_and_sends_nothing_that_is_not_written_down(
    folders: Callable[[], Path], error: str, lasts: bool
) -> None:
    number = 0
    fired = True
    while fired:
        number += 1
        disk = FailingDisk(error, number, lasts=lasts)
        assert asyncio.run(heals(folders(), disk)) == [], f"operation {number}"
        fired = disk.fired
    assert number > (9 if error == "a sync fails" else 100)


@pytest.mark.parametrize("steps_later", [0, 1, 2, 4])
@pytest.mark.parametrize("lasts", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("error", ERRORS)
def test_a_process_that_dies_on_a_failing_disk_is_followed_by_one_that_knows_what_was_sent(
    folders: Callable[[], Path], error: str, lasts: bool, steps_later: int
) -> None:
    """What has failed may be on the disk all the same: a sync that failed says nothing about what was written."""
    number = 1
    fired = True
    while fired:
        disk = FailingDisk(error, number, lasts=lasts)
        assert asyncio.run(dies(folders(), disk, steps_later)) == [], f"operation {number}"
        fired = disk.fired
        number += 1 if error == "a sync fails" else _EVERY
    assert number > 9


@pytest.mark.parametrize("lasts", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("error", ERRORS)
def test_a_start_on_a_failing_disk_ends_or_goes_on_and_the_next_one_has_everything(
    folders: Callable[[], Path], error: str, lasts: bool
) -> None:
    number = 0
    fired = True
    while fired:
        number += 1
        disk = FailingDisk(error, number, lasts=lasts)
        assert asyncio.run(starts_badly(folders(), disk)) == [], f"operation {number}"
        fired = disk.fired
    assert number > (2 if error == "a sync fails" else 20)


class Locker:
    """Somebody else, who holds the book's write lock at transaction N, and from then on where it lasts."""

    def __init__(self, number: int, *, lasts: bool) -> None:
        self._number = number
        self._lasts = lasts
        self._done = 0
        self.works = True

    @property
    def fired(self) -> bool:
        """Whether the day came so far."""
        return self._done >= self._number

    def holds(self) -> bool:
        """Whether the lock is held in the transaction that begins now."""
        if self.works:
            return False
        self._done += 1
        return self._done == self._number or (self._lasts and self.fired)


class _LockedOut(InlineWriter):
    """The real writer, beside the locker."""

    def __init__(self, connection: sqlite3.Connection, locker: Locker) -> None:
        super().__init__(connection)
        self._locker = locker
        connection.execute("PRAGMA busy_timeout = 0")

    async def transact(self, job: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Run a transaction, while somebody may hold the lock."""
        if not self._locker.holds():
            return await super().transact(job)
        _, _, path = self._connection.execute("PRAGMA database_list").fetchone()
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            return await super().transact(job)


@pytest.mark.parametrize("lasts", [False, True], ids=["once", "from then on"])
def test_a_book_that_somebody_has_locked_loses_nothing(
    folders: Callable[[], Path], monkeypatch: pytest.MonkeyPatch, lasts: bool
) -> None:
    number = 0
    fired = True
    while fired:
        number += 1
        locker = Locker(number, lasts=lasts)
        monkeypatch.setattr(builders, "InlineWriter", partial(_LockedOut, locker=locker))
        assert asyncio.run(heals(folders(), locker)) == [], f"transaction {number}"
        fired = locker.fired
    assert number > 5
