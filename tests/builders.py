"""Makers of things for tests: their defaults say nothing but what the test is about.

`a_machine` is the real engine on a real book with the real paper broker, calendar and families; the `Market` it gives
is driven by hand, so that a test reads like the script of a day:

    async with a_machine(tmp_path) as market:
        await market.bar(says={"QQQ": 0.8})   # a minute passes; the strategy says 0.8 on its bar
        await market.bar()                    # the entry is filled at the open of the next one
        assert market.held() == {"QQQ": 29}
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from invariants import violations

from trader.adapters.calendar import load_calendar
from trader.adapters.clock import SteppedClock
from trader.adapters.feeds.inbox_file import InboxFile
from trader.adapters.paper.broker import PaperBroker, Script, Treatment
from trader.adapters.spill_file import SpillFile, spill_path
from trader.adapters.sqlite import transaction
from trader.adapters.sqlite.database import InlineWriter, ThreadWriter, Writer, connect, read_only
from trader.adapters.sqlite.one_account import show_only
from trader.adapters.sqlite.projections import compare
from trader.app.replay import NoInputs
from trader.app.settings import load_settings
from trader.app.wiring import OpenBook, Parts, make_machine, make_parts, open_book
from trader.domain.cash import CashKind
from trader.domain.decision import Decision, Purpose, Side, Signal, Ticket
from trader.domain.errors import BookUnwritable
from trader.domain.events import Command, CommandName, Event, FillReported, JournalType, Tick
from trader.domain.exit_plan import ExitPlan
from trader.domain.family import Families
from trader.domain.ledger import Position, PositionState
from trader.domain.market import Bar, BarTime, Prices
from trader.domain.money import micros
from trader.domain.order import Fill, Order, OrderState, PendingLock
from trader.domain.portfolio import Day, Portfolio
from trader.domain.session import NEW_YORK, SessionDay
from trader.services.engine import Engine
from trader.services.ports import History
from trader.services.recovery import recover
from trader.services.strategy_host import StrategyHost

REPOSITORY = Path(__file__).parents[1]
CONFIGURATION = REPOSITORY / "config" / "default.toml"
CALENDAR = load_calendar()
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)

MONDAY = date(2025, 6, 23)
"""An ordinary session, as are the four days after it."""
HALF_DAY = date(2025, 7, 3)
SPRING, AUTUMN = date(2025, 3, 10), date(2025, 11, 3)
"""The first sessions after a change of clocks."""

FAMILIES = Families.of({"QQQ": {"QQQ": 1, "TQQQ": 3, "PSQ": -1, "SQQQ": -3}})
OFTEN = {"openings_per_day": 10_000, "creations_per_hour": 10_000, "regular_creations": 10_000}
"""Limits of a day that trades more often than one should."""


def off(*breakers: str) -> dict[str, dict[str, bool]]:
    """The section `breakers`, with these switched off: for what would trip them, and is about something else."""
    return {breaker: {"enabled": False} for breaker in breakers}


CHURN = ("trades", "costs", "losses_in_a_row", "repeated_execution")
"""Breakers of what trades more often than it should."""
OPENING_PRICES = {"QQQ": 500.0, "TQQQ": 80.0, "PSQ": 40.0, "SQQQ": 30.0, "AAPL": 200.0, "MSFT": 400.0, "JD": 30.0}


def new_york(clock: str, day: date = MONDAY) -> datetime:
    """`10:30` or `10:30:15` of a New York day, aware UTC."""
    parts = [int(part) for part in clock.split(":")]
    hour, minute, second = (*parts, 0)[:3]
    return datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=NEW_YORK).astimezone(UTC)


NOON = new_york("12:00")


def session_of(day: date = MONDAY) -> SessionDay:
    """The session of a day that has one."""
    session = CALENDAR.session(day)
    assert session is not None
    return session


# -- values -------------------------------------------------------------------------------------------------------


def a_bar(
    symbol: str = "AAPL",
    close: float = 100.0,
    *,
    start: datetime = NOON - MINUTE,
    opens: float | None = None,
    high: float | None = None,
    low: float | None = None,
    volume: int = 1000,
) -> Bar:
    """A minute in which nothing happened, unless said otherwise."""
    first = close if opens is None else opens
    top = max(first, close) if high is None else high
    bottom = min(first, close) if low is None else low
    return Bar.in_dollars(symbol, start, first, top, bottom, close, volume)


def bar_time(*bars: Bar, interval: timedelta = MINUTE) -> BarTime:
    """Bars of one instant."""
    return BarTime(bars[0].timestamp + interval, interval, bars)


def some_prices(**closes: float) -> Prices:
    """Prices that have seen one bar of each symbol."""
    prices = Prices()
    if closes:
        prices.observe(bar_time(*(a_bar(symbol, close) for symbol, close in closes.items())))
    return prices


def a_signal(symbol: str = "QQQ", probability: float = 0.8, *, at: datetime = NOON, id_: str = "") -> Signal:
    """A signal of this moment."""
    return Signal(symbol, probability, at, id_, "test")


_executions = iter(range(1, 10**9))


def a_fill(
    symbol: str = "AAPL",
    quantity: int = 10,
    price: float = 100.0,
    *,
    side: Side = Side.BUY,
    commission: float = 1.0,
    order_ref: str = "paper-1-0001",
    execution_id: str = "",
    at: datetime = NOON,
    account: str = "paper",
) -> Fill:
    """An execution with an id of its own."""
    identity = execution_id or f"execution-{next(_executions)}"
    return Fill(identity, order_ref, account, symbol, side, quantity, micros(price), micros(commission), at)


def a_ticket(
    symbol: str = "AAPL",
    quantity: int = 10,
    limit: float = 100.0,
    *,
    family: str = "",
    direction: int = 1,
    reserved: float | None = None,
    signal: Signal | None = None,
) -> Ticket:
    """A ticket; it reserves its price and a dollar, unless said otherwise."""
    worst = quantity * limit + 1 if reserved is None else reserved
    return Ticket(
        signal=signal or a_signal(symbol),
        family=family or FAMILIES.instrument(symbol).family,
        symbol=symbol,
        direction=direction,
        quantity=quantity,
        limit_micros=micros(limit),
        reserved_micros=micros(worst),
        reference_micros=micros(limit),
        takes_slot=True,
    )


def an_order(
    symbol: str = "AAPL",
    quantity: int = 10,
    *,
    side: Side = Side.BUY,
    state: OrderState = OrderState.WORKING,
    filled: int = 0,
    ref: str = "paper-1-0001",
    limit: float | None = 100.0,
    purpose: Purpose | None = None,
    at: datetime = NOON,
) -> Order:
    """A working entry, or whatever the test is about."""
    return Order(
        ref=ref,
        account="paper",
        symbol=symbol,
        side=side,
        quantity=quantity,
        limit_micros=micros(limit) if limit is not None and side is Side.BUY else None,
        purpose=purpose or (Purpose.ENTRY if side is Side.BUY else Purpose.EXIT),
        reason="signal",
        signal_id="S-0001",
        state=state,
        filled=filled,
        created_at=at,
        updated_at=at,
    )


def a_lock(symbol: str = "AAPL", reserved: float = 1000.0, *, ref: str = "paper-1-0001") -> PendingLock:
    """The lock of a working entry."""
    instrument = FAMILIES.instrument(symbol)
    return PendingLock(
        ref,
        "paper",
        symbol,
        instrument.family,
        instrument.direction,
        micros(reserved),
        takes_slot=True,
        acquired_at=NOON,
    )


def a_position(
    symbol: str = "AAPL",
    quantity: int = 10,
    cost: float = 100.0,
    *,
    state: PositionState = PositionState.OPEN,
    stop: float = 50.0,
    take_profit: float = 1000.0,
    opened_at: datetime = NOON - 30 * MINUTE,
) -> Position:
    """A held position with exits far away; `cost` is dollars a share."""
    instrument = FAMILIES.instrument(symbol)
    closing = state is PositionState.CLOSING
    return Position(
        account="paper",
        symbol=symbol,
        family=instrument.family,
        direction=instrument.direction,
        quantity=quantity,
        cost_micros=quantity * micros(cost),
        exit_plan=ExitPlan.around(micros(cost), micros(stop), micros(take_profit)),
        state=state,
        closing_purpose=Purpose.EXIT if closing else None,
        closing_reason="signal" if closing else "",
        opened_at=opened_at,
        updated_at=opened_at,
        bought=quantity,
        bought_micros=quantity * micros(cost),
        sold_micros=0,
        realized_micros=0,
    )


def a_portfolio(
    *positions: Position,
    locks: Sequence[PendingLock] = (),
    cash: float = 100_000.0,
    equity: float | None = None,
    opening_equity: float = 100_000.0,
) -> Portfolio:
    """What a decision sees: positions at cost, working entries at their worst case."""
    by_family: dict[str, int] = {}
    for family, value in (
        *((position.family, position.cost_micros) for position in positions),
        *((lock.family, lock.reserved_micros) for lock in locks),
    ):
        by_family[family] = by_family.get(family, 0) + value
    held = sum(position.cost_micros for position in positions)
    return Portfolio(
        account="paper",
        cash_micros=micros(cash),
        reserved_micros=sum(lock.reserved_micros for lock in locks),
        equity_micros=micros(cash) + held if equity is None else micros(equity),
        gross_micros=sum(by_family.values()),
        family_micros=by_family,
        positions={position.symbol: position for position in positions},
        locks={lock.symbol: lock for lock in locks},
        exits={},
        unknown=frozenset(),
        halts={},
        latches={},
        drift={},
        day=Day(MONDAY, NOON, micros(opening_equity)),
        slots=len({position.symbol for position in positions} | {lock.symbol for lock in locks}),
        day_trades=0,
        turning={},
        opened_at={},
        entries_last_minute=0,
        created_last_hour=0,
        past_creations={},
    )


# -- the machine --------------------------------------------------------------------------------------------------


class SaysWhatItIsTold:
    """A strategy whose next words a test sets; silent otherwise."""

    def __init__(self) -> None:
        self.words: Mapping[str, float] = {}
        self.times = 1

    def on_bar(self, bar: Bar) -> Iterable[Signal]:
        """Say what was set for this symbol, as often as was set."""
        return [Signal(bar.symbol, self.words[bar.symbol])] * self.times if bar.symbol in self.words else ()


class Sentences:
    """A log that is kept."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.errors: list[str] = []

    def info(self, *messages: str) -> None:
        """Keep a sentence."""
        self.lines += messages

    def warning(self, *messages: str) -> None:
        """Keep a sentence."""
        self.lines += messages

    def error(self, *messages: str) -> None:
        """Keep a sentence, among the errors too."""
        self.lines += messages
        self.errors += messages

    def said(self, beginning: str) -> list[str]:
        """The sentences that begin so."""
        return [line for line in self.lines if line.startswith(beginning)]


def a_good_day(_: Order) -> Treatment:
    """Every order is filled whole at the next open."""
    return Treatment()


class Market:
    """A machine and the market around it, driven by hand. Everything is looked at by SQL, from the file."""

    engine: Engine
    broker: PaperBroker
    history: History
    parts: Parts
    book: OpenBook
    strategy: SaysWhatItIsTold
    spill: SpillFile
    writer: Writer

    def __init__(self, path: Path, settings: Mapping[str, object], start: datetime, *, threaded: bool) -> None:
        self.path = path
        self.clock = SteppedClock(start)
        self.log = Sentences()
        self.prices = dict(OPENING_PRICES)
        self.script: Script = a_good_day
        self._settings = settings
        self._threaded = threaded
        self.after_each_step: list[Callable[[], None]] = []
        self._reader: sqlite3.Connection | None = None

    # starting and stopping

    async def start(self, *, broker: PaperBroker | None = None, recovering: bool = True) -> None:
        """Put an engine on the book, new or not, and recover. A `broker` that outlived the engine is kept."""
        settings = load_settings(CONFIGURATION, **self._settings)
        parts = make_parts(settings)
        self.strategy = SaysWhatItIsTold()
        strategies = StrategyHost(self.strategy, "test", parts.chain.rules)
        self.parts = replace(parts, strategies=strategies)
        self.writer = await ThreadWriter.open(self.path) if self._threaded else InlineWriter(connect(self.path))
        self.book = await open_book(
            self.writer, self.path, settings, "replay", settings.account.starting_cash_micros, self.clock.now()
        )
        self.spill = SpillFile(spill_path(self.path, settings.account.name))
        make_broker = partial(PaperBroker, script=self._treat)
        machine = await make_machine(self.parts, self.book, self.clock, self.log, NoInputs(), self.spill, make_broker)
        self.engine, self.broker, self.history = machine.engine, machine.broker, machine.history
        if broker is not None:
            self.broker._working, self.broker._positions = broker._working, broker._positions
            self.broker._received, self.broker._executions = broker._received, broker._executions
            self.broker._running = broker._running
        if self.book.journal_is_empty:
            await self.engine.mark(JournalType.ACCOUNT_OPENED, starting_cash_micros=self.engine.book.cash_micros)
        if recovering:
            await recover(self.engine, self.broker, self.log)
            await self.settle()

    def _treat(self, order: Order) -> Treatment:
        """What the test's script of the moment says."""
        return self.script(order)

    async def stop(self) -> None:
        """Close the book, as a dying process would: nothing is said or finished."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        await self.book.store.close()
        self.spill.close()

    async def restart(self, *, keep_broker: bool = False, recovering: bool = True) -> None:
        """Die and start again on the same file."""
        await self.stop()
        await self.start(broker=self.broker if keep_broker else None, recovering=recovering)

    # time

    @property
    def now(self) -> datetime:
        """The market's time."""
        return self.clock.now()

    async def bar(
        self,
        says: Mapping[str, float] | None = None,
        closes: Mapping[str, float] | None = None,
        *,
        at_open: bool = False,
    ) -> None:
        """Play the minute that is running to its end: its open fills orders, at its end the engine sees it.

        Closes that are not named stay; a bar opens where the one before closed. `says` are the strategy's words on
        this bar. Fills and bar come in at once, as in a replay; with `at_open` the fills come first, as from a feed.
        """
        start = self.now.replace(second=0, microsecond=0)
        before, after = dict(self.prices), {**self.prices, **(closes or {})}
        bars = [a_bar(symbol, after[symbol], start=start, opens=before[symbol]) for symbol in after]
        await self.play(BarTime(start + MINUTE, MINUTE, tuple(bars)), says, at_open=at_open)

    def still_bars(self, start: datetime) -> list[Bar]:
        """Bars of every symbol in which nothing happens."""
        return [a_bar(symbol, price, start=start) for symbol, price in self.prices.items()]

    def quiet_bar_time(self) -> BarTime:
        """The minute that ends now, in which nothing happened."""
        return BarTime(self.now, MINUTE, tuple(self.still_bars(self.now - MINUTE)))

    async def quick(self) -> None:
        """Do not wait for the disk: for tests of ten thousand commits, none of which is about power loss."""
        connection = getattr(self.writer, "_connection")  # noqa: B009  (of either writer)
        await asyncio.sleep(0)
        raw: sqlite3.Connection = getattr(connection, "_conn", connection)
        raw.execute("PRAGMA synchronous = OFF")

    async def without(self, rule: str) -> None:
        """Take a rule out of the database, to see that it matters: an index by name, or triggers by their word."""

        def job(connection: sqlite3.Connection) -> int:
            found = connection.execute(
                "SELECT type, name FROM sqlite_master WHERE name = ? OR (type = 'trigger' AND sql LIKE ?)",
                (rule, f"%'{rule}'%"),
            ).fetchall()
            for kind, name in found:
                connection.execute(f"DROP {kind} {name}")
            return len(found)

        assert await self.book.writer.transact(job) > 0

    async def play(self, bars: BarTime, says: Mapping[str, float] | None = None, *, at_open: bool = False) -> None:
        """Play one bar time as it is."""
        self.strategy.words = says or {}
        self.prices.update({bar.symbol: bar.close for bar in bars.bars})
        self.broker.match(bars)
        if at_open:
            await self.settle()
        self.clock.set(bars.ends_at)
        await self.handle(bars)
        self.strategy.words = {}

    async def bars(self, count: int, says: Mapping[str, float] | None = None) -> None:
        """Play so many minutes, the same words on each."""
        for _ in range(count):
            await self.bar(says)

    async def bars_until(self, clock: str) -> None:
        """Play minutes until this New York time of the same day."""
        end = new_york(clock, self.now.astimezone(NEW_YORK).date())
        while self.now < end:
            await self.bar()

    async def wait(self, seconds: float) -> None:
        """Let time pass without a bar; the engine looks at the clock."""
        await self.jump(self.now + timedelta(seconds=seconds))

    async def jump(self, at: datetime) -> None:
        """Put the clock to an instant; the engine looks at it."""
        self.clock.set(at)
        await self.handle(Tick())

    # input

    async def handle(self, *events: Event) -> None:
        """Do one step with these events and everything that waits, then what follows from it at once."""
        for event in events:
            await self.engine.inbox.put(event)
        await self.settle()

    async def settle(self) -> None:
        """Let the engine deal with what waits."""
        while len(self.engine.inbox):
            await self.engine.handle(await self.engine.inbox.take(256))
            for look in self.after_each_step:
                look()

    async def submit(self, symbol: str, probability: float, id_: str = "") -> Decision:
        """Hand in a signal as a task of its own would; give what became of it."""
        asked = asyncio.ensure_future(self.engine.submit(Signal(symbol, probability, id=id_)))
        await self._while_asking(asked)
        return await asked

    async def command(self, name: CommandName, scope: str = "all", target: str = "", **more: Any) -> str:
        """Give an operator's command; give the acknowledgement."""
        command = Command(name, "operator", "a test", scope, target, **more)
        asked = asyncio.ensure_future(self.engine.command(command))
        await self._while_asking(asked)
        return await asked

    async def _while_asking(self, asked: "asyncio.Future[Any]") -> None:
        while not asked.done():
            await asyncio.sleep(0)
            with suppress(BookUnwritable):
                await self.settle()

    async def report(self, fill: Fill, times: int = 1) -> None:
        """Let the broker report an execution."""
        await self.handle(*(FillReported(fill) for _ in range(times)))

    # looking

    @property
    def reader(self) -> sqlite3.Connection:
        """A connection that reads the file, as a user's would."""
        if self._reader is None:
            self._reader = read_only(self.path)
        return self._reader

    def sql(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Read from the file."""
        return [tuple(row) for row in self.reader.execute(query, values)]

    def check(self, but: Collection[str] = ()) -> None:
        """Every invariant of the book holds; `but` leaves some out by name."""
        assert violations(self.reader, but=frozenset(but)) == {}

    def one(self, query: str, *values: object) -> Any:
        """The one value of a query."""
        [(value,)] = self.sql(query, *values)
        return value

    def held(self) -> dict[str, int]:
        """Symbol -> shares held."""
        return dict(self.sql("SELECT symbol, quantity FROM positions WHERE quantity > 0"))

    def at_broker(self) -> dict[str, int]:
        """Symbol -> shares that the broker holds."""
        return {symbol: shares for symbol, shares in self.broker._positions.items() if shares}

    def working(self) -> list[tuple[str, str]]:
        """Side and symbol of every live order."""
        live = "('created', 'working', 'cancelling', 'unknown')"
        return self.sql(f"SELECT side, symbol FROM orders WHERE state IN {live} ORDER BY order_ref")  # noqa: S608

    def trades(self) -> list[tuple[str, str, int]]:
        """Side, symbol and quantity of every execution."""
        return self.sql("SELECT side, symbol, quantity FROM trades ORDER BY id")

    def journaled(self, type_: JournalType) -> int:
        """How often the journal says so."""
        return int(self.one("SELECT count(*) FROM events WHERE type = ?", type_))

    def rules(self) -> list[str]:
        """The rules that refused a signal, oldest first."""
        return [rule for (rule,) in self.sql("SELECT rule FROM signals WHERE outcome = 'refused' ORDER BY rowid")]


async def assert_sound(market: Market) -> None:
    """The sums are exact, the journal gives the same book, and so does a restart."""
    market.check()
    with closing(sqlite3.connect(market.path, isolation_level=None)) as connection:
        assert compare(connection, "paper").findings == []
    loaded = await market.book.store.load()
    assert replace(loaded, signals_seen=market.engine.book.signals_seen) == market.engine.book


@contextmanager
def an_unwritable_book(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Meanwhile every commit fails in its last statement, as on a disk that is full."""

    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(transaction, "_write_events", fail)
        yield


@asynccontextmanager
async def a_machine(
    folder: Path,
    *,
    day: date = MONDAY,
    clock: str = "",
    script: Script = a_good_day,
    threaded: bool = False,
    **settings: object,
) -> AsyncIterator[Market]:
    """A machine at the open of a day (or at a New York time), after one minute of bars; sections as `limits={...}`."""
    start = new_york(clock, day) if clock else session_of(day).opens_at
    market = Market(folder / "trading_data.db", settings, start, threaded=threaded)
    market.script = script
    await market.start()
    try:
        await market.bar()
        yield market
    finally:
        await market.stop()


class Neighbour(Market):
    """A machine of one of several accounts of a book; what it reads from the file is the account's."""

    def __init__(self, path: Path, account: str, settings: Mapping[str, object]) -> None:
        super().__init__(path, {**settings, "account": {"name": account}}, session_of().opens_at, threaded=False)
        self.account = account

    @property
    def reader(self) -> sqlite3.Connection:
        """A connection that reads the file, as a command of the account would."""
        if self._reader is None:
            self._reader = read_only(self.path)
            show_only(self._reader, self.account)
        return self._reader


@asynccontextmanager
async def neighbours(folder: Path, *accounts: str, **settings: object) -> AsyncIterator[list[Neighbour]]:
    """Machines of several accounts on one book, at the open of a day, each after one minute of bars."""
    machines = [Neighbour(folder / "trading_data.db", account, settings) for account in accounts]
    for machine in machines:
        await machine.start()
    try:
        for machine in machines:
            await machine.bar()
        yield machines
    finally:
        for machine in machines:
            await machine.stop()


async def no_cash(market: Market) -> None:
    cash_micros = market.one("SELECT cash_micros FROM book_accounts")
    await market.command(CommandName.CASH, kind=CashKind.CORRECTION, amount_micros=-cash_micros)
    assert market.one("SELECT cash FROM account") == 0


def inbox_file(market: Market, path: Path) -> InboxFile:
    """The adapter that follows a file of signals, from its beginning, with nothing left over from before."""
    follower = InboxFile(path, None)
    follower.read()
    return follower
