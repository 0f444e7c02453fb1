"""What the benchmarks share: an engine on a real file, and the same rows written by bare sqlite3 beside it."""

import shutil
import sqlite3
import statistics
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from figures import SCRATCH

from trader.adapters.calendar import load_calendar
from trader.adapters.clock import SteppedClock
from trader.adapters.sqlite.database import ThreadWriter, Writer, connect
from trader.adapters.sqlite.one_account import AccountWriter
from trader.adapters.sqlite.store import SqliteStore
from trader.app.replay import NoSpill
from trader.domain.breaker import DEFAULT_BREAKERS, Breaker
from trader.domain.events import Event, Evidence
from trader.domain.family import Families
from trader.domain.market import Bar, BarTime
from trader.domain.money import MICROS_PER_DOLLAR
from trader.domain.order import Order
from trader.domain.rules import Costs, Limits, Rules
from trader.pipeline.decide import Chain
from trader.services.engine import Engine, Ports
from trader.services.inbox import Inbox
from trader.services.ports import Broker
from trader.services.recovery import recover
from trader.services.strategy_host import StrategyHost

_Result = TypeVar("_Result")

NOON = datetime(2025, 6, 24, 16, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ACCOUNT = "bench"

WIDE = Limits(
    position_ppm=400,
    open_positions=100_000,
    openings_per_day=1_000_000,
    creations_per_hour=1_000_000,
    regular_creations=1_000_000,
    orders_per_minute=1_000_000,
    daily_notional_ppm=1_000_000_000,
    minimum_notional_micros=MICROS_PER_DOLLAR,
)
"""Limits that let a burst through."""

_COUNTING = (Breaker.ORDER_RATE, Breaker.TRADES, Breaker.LOSSES_IN_A_ROW, Breaker.REPEATED_EXECUTION)
_WIDE_BREAKERS = {**DEFAULT_BREAKERS, **{name: DEFAULT_BREAKERS[name]._replace(limit=1e9) for name in _COUNTING}}

Statement = tuple[str, object, bool]


class Silence:
    """No log, no record."""

    def info(self, *messages: str) -> None:
        """Not said."""

    warning = error = info

    def record(self, events: Sequence[Event], at: datetime, *, mattered: bool) -> None:
        """Not kept."""

    def asked(self, question: int, at: datetime) -> None:
        """Not kept."""


class NoStrategy:
    """Signals come from outside."""

    def on_bar(self, bar: Bar) -> tuple[()]:
        """Nothing to say."""
        return ()


class Desk:
    """A broker that notes when it was handed an order."""

    def __init__(self) -> None:
        self.orders: list[Order] = []
        self.on_place: Callable[[], None] = lambda: None

    def place(self, order: Order, protection: Sequence[Order] = ()) -> None:
        """Note it."""
        self.on_place()
        self.orders += (order, *protection)

    def protect(self, pair: Sequence[Order]) -> None:
        """Note it."""
        self.orders += pair

    def cancel(self, order_ref: str) -> None:
        """Not needed."""

    async def evidence(self, order_refs: object) -> Evidence:
        """Nothing is working."""
        return Evidence((), frozenset(), {}, {})


class Recording:
    """A connection that notes every statement, so that bare sqlite3 can write the same rows."""

    def __init__(self, connection: sqlite3.Connection, notes: list[Statement]) -> None:
        self._connection = connection
        self._notes = notes

    def execute(self, statement: str, row: object = ()) -> sqlite3.Cursor:
        """Run and note one statement."""
        self._notes.append((statement, row, False))
        return self._connection.execute(statement, row)  # type: ignore[arg-type]

    def executemany(self, statement: str, rows: object) -> sqlite3.Cursor:
        """Run and note one statement over many rows."""
        self._notes.append((statement, rows, True))
        return self._connection.executemany(statement, rows)  # type: ignore[arg-type]

    @property
    def in_transaction(self) -> bool:
        """As the connection says."""
        return self._connection.in_transaction


class RecordingWriter:
    """A writer whose jobs can be recorded; otherwise the daemon's own."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self.notes: list[Statement] | None = None

    async def transact(self, job: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Run a job, noting its statements while `notes` is set."""
        notes = self.notes
        if notes is None:
            return await self._writer.transact(job)
        return await self._writer.transact(lambda connection: job(Recording(connection, notes)))  # type: ignore[arg-type]

    async def close(self) -> None:
        """Close it."""
        await self._writer.close()


async def an_engine(
    store: SqliteStore, broker: Broker, clock: SteppedClock, inbox: Inbox, limits: Limits = WIDE
) -> Engine:
    """An engine on a new book with a lot of cash, not recovered yet."""
    await store.stamp("simulated", "bench", 1, NOON)
    await store.ensure_account(1_000_000_000 * MICROS_PER_DOLLAR, NOON)
    silence, rules = Silence(), Rules(limits=limits, breakers=_WIDE_BREAKERS)
    return Engine(
        await store.load(),
        await store.history(NOON),
        Ports(store=store, broker=broker, clock=clock, log=silence, recorder=silence, spill=NoSpill()),
        Chain(Families.of({}), rules, Costs()),
        load_calendar(),
        StrategyHost(NoStrategy(), "none", rules),
        inbox,
        MINUTE,
    )


class Rig:
    """One engine, its file, and a twin file for bare sqlite3."""

    def __init__(self, folder: Path, engine: Engine, writer: RecordingWriter, desk: Desk, clock: SteppedClock) -> None:
        self.folder = folder
        self.engine = engine
        self.writer = writer
        self.desk = desk
        self.clock = clock

    @classmethod
    async def make(cls, symbols: Sequence[str], limits: Limits = WIDE) -> "Rig":
        """An engine with prices for these symbols, on a file on the program's own disk."""
        SCRATCH.mkdir(exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="rig-", dir=SCRATCH))
        writer = RecordingWriter(await ThreadWriter.open(folder / "book.db"))
        store = SqliteStore(await AccountWriter.bind(writer, ACCOUNT), folder / "book.db")
        clock, desk = SteppedClock(NOON), Desk()
        engine = await an_engine(store, desk, clock, Inbox(), limits)
        await recover(engine, desk, Silence())
        bars = tuple(Bar.in_dollars(symbol, NOON - MINUTE, 100, 101, 99, 100, 1000) for symbol in symbols)
        await engine.handle([BarTime(NOON, MINUTE, bars)])
        return cls(folder, engine, writer, desk, clock)

    def twin(self, name: str) -> sqlite3.Connection:
        """A copy of the book as it is now, opened by bare sqlite3 with the same pragmas."""
        path = self.folder / f"{name}.db"
        source = sqlite3.connect(self.folder / "book.db")
        copy = sqlite3.connect(path)
        source.backup(copy)
        copy.close()
        source.close()
        return connect(path)

    async def close(self) -> None:
        """Close the book and remove the folder."""
        await self.writer.close()
        shutil.rmtree(self.folder)


def write_raw(connection: sqlite3.Connection, statements: Sequence[Statement]) -> None:
    """The same rows, in one bare transaction."""
    connection.execute("BEGIN IMMEDIATE")
    for statement, row, many in statements:
        if many:
            connection.executemany(statement, row)  # type: ignore[arg-type]
        else:
            connection.execute(statement, row)  # type: ignore[arg-type]
    connection.execute("COMMIT")


def quantile(values: Sequence[float], share: float) -> float:
    """A quantile of measured values."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def median(values: Sequence[float]) -> float:
    """The middle value."""
    return statistics.median(values)
