"""A day of trading on the real engine and the real book, with every operation of its disk written down.

Beside the operations stand, by how many of them had been done at that moment: what the book held at each commit that
was acknowledged, every order that was handed to the broker, and what the broker had.
"""

import hashlib
import random
import sqlite3
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, TypeVar

import builders
import pytest
from builders import OFTEN, Market, session_of
from simulation.lost_power import Image
from simulation.seen_disk import Operation, listening

from trader.adapters.paper.broker import PaperBroker, Treatment
from trader.adapters.paper.working import Working
from trader.adapters.sqlite import log_size
from trader.adapters.sqlite.database import InlineWriter
from trader.domain.market import BarTime
from trader.domain.order import Order

_Result = TypeVar("_Result")

DRIVERS = ("QQQ", "AAPL", "MSFT", "JD")
SETTINGS = {"limits": {**OFTEN, "day_loss_pct": 100, "orders_per_minute": 10_000}}
_RESTARTS = (130, 260)


class Commit(NamedTuple):
    """A commit that was acknowledged, after so many operations, and all that the book held then."""

    operations: int
    content: str


class Sent(NamedTuple):
    """An order that was handed to the broker after so many operations."""

    operations: int
    ref: str


class AtBroker(NamedTuple):
    """What the broker had after so many operations."""

    operations: int
    at: datetime
    positions: Mapping[str, int]
    working: Mapping[str, Working]


class Day:
    """What happened, in order."""

    def __init__(self) -> None:
        self.before: Image = {}
        """The files at the first operation."""
        self.operations: list[Operation] = []
        self.commits: list[Commit] = []
        self.sent: list[Sent] = []
        self.at_broker: list[AtBroker] = []

    def see(self, operation: Operation) -> int:
        """Write an operation down and let it be done."""
        self.operations.append(operation)
        return 0

    def may_hold(self, point: int) -> list[str]:
        """What the book may hold after so many operations: its newest acknowledged commit, or the one on its way."""
        newest = bisect_right(self.commits, point, key=lambda commit: commit.operations)
        return [commit.content for commit in self.commits[newest - 1 : newest + 1]]

    def refs_sent(self, point: int) -> set[str]:
        """Every order that the broker had been handed."""
        return {sent.ref for sent in self.sent if sent.operations <= point}

    def broker(self, point: int) -> AtBroker:
        """What the broker had."""
        return self.at_broker[bisect_right(self.at_broker, point, key=lambda known: known.operations) - 1]


_PAGES_OF_THE_LOG = 60
"""Few enough that a life's commits write over all of them, and go on behind them."""


class _AcknowledgingWriter(InlineWriter):
    """The real one, with a log that has its size as the daemon's has; what it has acknowledged is written down."""

    def __init__(self, connection: sqlite3.Connection, path: Path, day: Day) -> None:
        super().__init__(connection)
        self._day = day
        day.commits.append(Commit(len(day.operations), content(connection)))  # of an earlier life, or of the making
        log_size.grow_log(connection, path)

    async def transact(self, job: Callable[[sqlite3.Connection], _Result]) -> _Result:
        result = await super().transact(job)
        self._day.commits.append(Commit(len(self._day.operations), content(self._connection)))
        return result


def content(connection: sqlite3.Connection) -> str:
    """A digest of every row of every table."""
    digest = hashlib.sha256()
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    for (table,) in tables:
        digest.update(repr([tuple(row) for row in connection.execute(f"SELECT * FROM {table}")]).encode())  # noqa: S608
    return digest.hexdigest()


async def a_recorded_day(path: Path, monkeypatch: pytest.MonkeyPatch, *, minutes: int, synchronous: str = "") -> Day:
    """Trade so many minutes, with two restarts in between. `synchronous` sets less than the product does."""
    day = Day()
    market = Market(path, SETTINGS, session_of().opens_at, threaded=False)
    await market.start()  # the book is made before; making it is one link, which is synced
    await market.stop()
    day.before = {path.name: path.read_bytes()}  # noqa: ASYNC240  (nobody waits)
    with monkeypatch.context() as watched, listening(day.see):
        watched.setattr(log_size, "_PAGES", _PAGES_OF_THE_LOG)
        watched.setattr(builders, "InlineWriter", lambda connection: _AcknowledgingWriter(connection, path, day))
        await _begin(market, day, synchronous)
        chance = random.Random(7)
        market.script = lambda _: chance.choice(_TREATMENTS)
        for minute in range(minutes):
            await _a_minute(market, chance)
            if minute in _RESTARTS:
                broker = market.broker
                await market.stop()
                await _begin(market, day, synchronous, broker)
        market.check()
        await market.stop()
    return day


_TREATMENTS = [
    Treatment(),
    Treatment(delay_bars=2),
    Treatment(parts=(3, 0, 10**9)),
    Treatment(parts=(2,)),
    Treatment(reject="not today"),
    Treatment(repeat_reports=2),
]


async def _begin(market: Market, day: Day, synchronous: str, broker: PaperBroker | None = None) -> None:
    await market.start(broker=broker)
    if synchronous:
        market.writer._connection.execute(f"PRAGMA synchronous = {synchronous}")  # type: ignore[attr-defined]
    _watch(market.broker, market, day)


async def _a_minute(market: Market, chance: random.Random) -> None:
    words = {symbol: chance.choice((0.0, 0.3, 0.5, 0.8, 0.95)) for symbol in DRIVERS if chance.random() < 0.08}
    closes = {
        symbol: round(price * (1 + chance.choice((-0.012, -0.004, 0, 0, 0.004, 0.012))), 2)
        for symbol, price in market.prices.items()
    }
    await market.bar(words, closes)


def _watch(broker: PaperBroker, market: Market, day: Day) -> None:
    """Write down what the broker has whenever that changes."""
    place, cancel, match = broker.place, broker.cancel, broker.match

    def note() -> None:
        working = deepcopy(broker._working)
        known = AtBroker(len(day.operations), market.now, dict(broker._positions), working)
        day.at_broker.append(known)

    def placing(order: Order, protection: Sequence[Order] = ()) -> None:
        day.sent.append(Sent(len(day.operations), order.ref))
        place(order, protection)
        note()

    def cancelling(order_ref: str) -> None:
        cancel(order_ref)
        note()

    def matching(bar_time: BarTime) -> None:
        match(bar_time)
        note()

    broker.place, broker.cancel, broker.match = placing, cancelling, matching  # type: ignore[method-assign]
    note()
