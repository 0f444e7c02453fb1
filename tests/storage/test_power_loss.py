"""The power fails at any moment of a day of trading, and the disk has lost or torn what was not synced.

Whatever the disk then holds, the book opens as at a start and holds exactly what it held at its newest acknowledged
commit, or at the commit that was on its way; so no order that the broker was handed is missing from it. Every moment of
the day and more states of each are tried with HYPOTHESIS_PROFILE=deep; else a sample that is always the same.
"""

import asyncio
import hashlib
import os
import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from copy import deepcopy
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
from builders import Market
from invariants import violations
from needs import needs_seen_disk
from recorded_day import SETTINGS, AtBroker, Day, a_recorded_day, content
from simulation.lost_power import Disk, Image, put
from simulation.seen_disk import Operation

from trader.adapters.paper.broker import PaperBroker
from trader.adapters.sqlite.database import connect
from trader.domain.errors import BookError
from trader.domain.rules import Costs

pytestmark = needs_seen_disk

_MEMORY = Path("/dev/shm")  # noqa: S108  (each folder in it has a name of its own)
_DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
_POINTS = 1_000_000 if _DEEP else 500
"""Moments of writing to the log; those of writing to the book itself are few and always all tried."""
_SAMPLES = 8 if _DEEP else 2
"""Of each kind of damage, at each moment."""
_STARTED = 1 if _DEEP else 20
"""Every so many states the whole engine is started on one."""


class State(NamedTuple):
    """What the disk may hold when the power fails after so many operations."""

    point: int
    how: str
    image: Image


def states(day: Day, points: int) -> Iterator[State]:
    """At so many moments, and whenever the book itself is written: what the disk may hold, each state once."""
    chance, disk, seen = random.Random(11), Disk(day.before), set()
    chosen = _points(day.operations, points, chance)
    for point, operation in enumerate(day.operations, start=1):
        disk.do(operation)
        if point not in chosen:
            continue
        images = [("nothing unsynced", disk.nothing_unsynced()), ("everything", disk.everything())]
        for _ in range(_SAMPLES):
            images += [("some sectors", disk.some_sectors(chance)), ("torn", disk.torn(chance))]
        for how, image in images:
            state = (tuple(day.may_hold(point)), _digest(image))
            if state not in seen:
                seen.add(state)
                yield State(point, how, image)


def _points(operations: list[Operation], points: int, chance: random.Random) -> set[int]:
    to_log = [point for point, done in enumerate(operations, start=1) if done.path.name.endswith("-wal")]
    to_book = [point for point, done in enumerate(operations, start=1) if not done.path.name.endswith("-wal")]
    return {*chance.sample(to_log, min(points, len(to_log))), *to_book}


def _digest(image: Image) -> bytes:
    digest = hashlib.blake2b()
    for name in sorted(image):
        digest.update(f"{name} {len(image[name])} ".encode() + image[name])
    return digest.digest()


class Looked(NamedTuple):
    """What was found in the states."""

    points: int
    by_kind: Counter[str]
    on_its_way: int
    """States that hold the commit that was not acknowledged yet."""
    faults: list[str]


def look_at(day: Day, folder: Path, points: int) -> Looked:
    """Open the book of every state as a start does, and compare it with what was acknowledged."""
    faults: list[str] = []
    by_kind: Counter[str] = Counter()
    sound: dict[str, bool] = {}
    looked, on_its_way = set(), 0
    for number, state in enumerate(states(day, points)):
        looked.add(state.point)
        by_kind[state.how] += 1
        place = folder / str(number)
        place.mkdir()
        put(state.image, place)
        acknowledged, *later = day.may_hold(state.point)
        try:
            found = _opened(place / "trading_data.db", day.refs_sent(state.point), sound)
        except (BookError, AssertionError) as error:
            faults.append(f"{state.how} after {state.point} operations: {error}")
            continue
        on_its_way += found in later
        if found not in (acknowledged, *later):
            faults.append(f"{state.how} after {state.point} operations: it holds something else than was acknowledged")
        for file in place.iterdir():
            file.unlink()
    return Looked(len(looked), by_kind, on_its_way, faults)


def _opened(path: Path, refs_sent: set[str], sound: dict[str, bool]) -> str:
    """What the book holds once it is open; every invariant of it is looked at once."""
    with closing(connect(path)) as book:
        found = content(book)
        if found not in sound:
            book.row_factory = sqlite3.Row
            assert violations(book) == {}
            sound[found] = True
        missing = refs_sent - {row[0] for row in book.execute("SELECT order_ref FROM book_orders")}
    assert missing == set(), f"the broker was handed {missing}"
    return found


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory where that can be: what a disk would hold is computed, so nothing has to wait for a real one."""
    with _in_memory() as folder:
        yield folder


@pytest.fixture(scope="module")
def day() -> Day:
    """A whole session, with two restarts in it."""
    with _in_memory() as folder:
        return recorded(folder, minutes=390)


@contextmanager
def _in_memory() -> Iterator[Path]:
    with TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
        yield Path(folder)


def recorded(folder: Path, *, minutes: int, synchronous: str = "") -> Day:
    """Record a day and give it."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        path = folder / "trading_data.db"
        return asyncio.run(a_recorded_day(path, monkeypatch, minutes=minutes, synchronous=synchronous))


def test_no_acknowledged_commit_is_lost_or_torn(day: Day, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    looked = look_at(day, folder, _POINTS)
    said = (
        f"{len(day.operations)} operations, {len(day.commits)} commits, {len(day.sent)} orders: "
        f"{looked.points} moments, {looked.by_kind.total()} states {dict(looked.by_kind)}, "
        f"{looked.on_its_way} with the commit on its way"
    )
    with capsys.disabled():
        print(f"\npower loss: {said}")  # noqa: T201
    assert looked.faults == [], said
    assert min(len(day.sent), looked.on_its_way, looked.points) > 50, said


def test_a_commit_that_does_not_wait_for_the_disk_is_found_missing(folder: Path) -> None:
    """The product's `synchronous = FULL` taken away: that these tests can fail."""
    hasty = recorded(folder, minutes=40, synchronous="NORMAL")
    looked = look_at(hasty, folder, 100)
    assert any("something else than was acknowledged" in fault for fault in looked.faults), looked


async def test_the_next_start_goes_on_and_never_on_something_else_than_the_broker_has(day: Day, folder: Path) -> None:
    """The broker outlives the power: what it holds is what the book holds, or that is said and entries are stopped."""
    started = drifted = 0
    for number, state in enumerate(islice(states(day, 100), 0, None, _STARTED)):
        place = folder / str(number)
        place.mkdir()
        put(state.image, place)
        had = day.broker(state.point)
        market = Market(place / "trading_data.db", SETTINGS, had.at, threaded=False)
        try:
            await market.start(broker=_a_broker(had))
            drifts = market.at_broker() != market.held()
            started, drifted = started + 1, drifted + drifts
            assert drifts == bool(market.log.said("DRIFT ")), state.how
            assert drifts == bool(market.sql("SELECT * FROM book_drift")), state.how
            assert market.log.said("CONTRADICTION") == []
            await market.bars(2, {"AAPL": 0.95})
            market.check()
        finally:
            await market.stop()
    assert started > 20
    assert drifted < started // 2


def _a_broker(had: AtBroker) -> PaperBroker:
    broker = PaperBroker(lambda _: None, Costs(), had.positions)
    broker._working = deepcopy(dict(had.working))
    return broker
