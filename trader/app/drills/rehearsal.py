"""The engine, the audit of its principles and a broker that can be made to fail, on a scratch book, driven by hand.

    async with a_rehearsal(settings) as rehearsal:
        await rehearsal.bar({"QQQ": 0.8})   # a minute passes; the strategy says 0.8 on its bar
        await rehearsal.bar()               # the entry is filled at the open of the next one

It is the daemon's own engine, put together by the daemon's own wiring; only time stands until it is moved.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta

from trader.adapters.clock import SteppedClock
from trader.adapters.feeds.simulated_market import SimulatedMarket
from trader.adapters.spill_file import SpillFile, spill_path
from trader.adapters.sqlite.alarm_board import SqliteAlarms
from trader.adapters.sqlite.database import InlineWriter, connect
from trader.app.auditing import Auditing, BookWatch
from trader.app.drills.cast import Cast, cast_of
from trader.app.drills.counterparty import Counterparty
from trader.app.drills.tap import Tap
from trader.app.replay import NoInputs
from trader.app.settings import Settings
from trader.app.wiring import OpenBook, make_machine, make_parts, open_book
from trader.audit.rule import Answer
from trader.domain.alarm import AlarmType
from trader.domain.decision import Signal
from trader.domain.events import BrokerEvent, Command, CommandName, Event, JournalType, SignalReceived
from trader.domain.market import Bar, BarTime
from trader.domain.rules import Costs
from trader.domain.session import SessionDay
from trader.services.engine import Engine
from trader.services.ports import Strategy
from trader.services.recovery import recover
from trader.services.strategy_host import StrategyHost
from trader.services.telling import Channel, Courier

MINUTE = timedelta(minutes=1)
_A_SESSION_AFTER = date(2025, 6, 20)
Progress = Callable[[], None]
"""Told of each bar."""


class SilentLog:
    """What a drill has to say is in its book."""

    def info(self, *messages: str) -> None:
        """Kept in the book."""

    def warning(self, *messages: str) -> None:
        """Kept in the book."""

    def error(self, *messages: str) -> None:
        """Kept in the book."""


class Scripted:
    """A strategy that says what a drill wants, so many times on each bar."""

    def __init__(self) -> None:
        self.words: Mapping[str, float] = {}
        self.times = 1

    def on_bar(self, bar: Bar) -> Iterable[Signal]:
        """Say what is set for this symbol."""
        return [Signal(bar.symbol, self.words[bar.symbol])] * self.times if bar.symbol in self.words else ()


class Rehearsal:
    """One account's machine on a scratch book."""

    engine: Engine
    broker: Counterparty
    _book: OpenBook
    _spill: SpillFile
    _watch: BookWatch
    _auditing: Auditing

    def __init__(self, settings: Settings, strategy: Strategy | None, tick: Progress) -> None:
        """`strategy`: in the place of the scripted one. Raises ConfigurationError."""
        self.settings = settings
        self.script = Scripted()
        self.cast: Cast = cast_of(settings)
        self.prices = dict(self.cast.prices)
        self._strategy: Strategy = strategy or self.script
        self._host = self._new_host()
        self._parts = make_parts(settings, self._host)
        self.session: SessionDay = self._parts.calendar.next_session(_A_SESSION_AFTER)
        self.clock = SteppedClock(self.session.opens_at)
        self.tap = Tap(settings.book.db, settings.account.name)
        self.after_each_step: list[Callable[[], None]] = []
        self.at_risk_micros = 0
        """The most that was held or on its way to be, at last prices and worst cases."""
        self._tick = tick
        self._broker: Counterparty | None = None

    def _new_host(self) -> StrategyHost:
        warmup_bars = 0 if self._strategy is self.script else None
        return StrategyHost(self._strategy, self.settings.strategy.name, self.settings.rules(), warmup_bars)

    # starting and stopping

    async def start(self) -> None:
        """Put an engine on the scratch book, new or not, and recover. Raises BookError, BrokerUnreachable."""
        path = self.settings.book.db
        cash_micros = self.settings.account.starting_cash_micros
        self._book = await open_book(
            InlineWriter(connect(path)), path, self.settings, "simulated", cash_micros, self.clock.now()
        )
        self._spill = SpillFile(spill_path(path, self.settings.account.name))
        machine = await make_machine(
            self._parts, self._book, self.clock, SilentLog(), NoInputs(), self._spill, self._connected
        )
        self.engine, self.broker = machine.engine, machine.broker
        self._host.start(self.cast.drivers)
        self._watch = BookWatch(self.settings)
        self._auditing = Auditing(
            self._watch,
            _at_once,
            self.engine.inbox.post,
            self.engine.alarm,
            lambda: self.engine.book,
            SilentLog(),
            self.settings.account.name,
            machine.history.findings_told,
        )
        if self._book.journal_is_empty:
            await self.engine.mark(JournalType.ACCOUNT_OPENED, starting_cash_micros=self.engine.book.cash_micros)
        await recover(self.engine, self.broker, SilentLog())
        await self.settle()

    def _connected(self, emit: Callable[[BrokerEvent], None], costs: Costs, held: Mapping[str, int]) -> Counterparty:
        """The broker is the same after a restart, as a real one is."""
        if self._broker is None:
            self._broker = Counterparty(emit, costs, held)
            self._broker.tap = self.tap.hear
        self._broker.hearer = emit
        return self._broker

    async def stop(self) -> None:
        """Die: nothing is said or finished."""
        self._auditing.end()
        await self._book.store.close()
        self._spill.close()

    async def write_down(self) -> None:
        """Commit what has waited for a commit: refusals do."""
        await self._command(Command(CommandName.ACKNOWLEDGE, "drill", "what waits is written down"))

    async def restart(self) -> None:
        """Die and start again on the same book. What the old life has refused is written down: it is evidence."""
        await self.write_down()
        await self.stop()
        await self.start()

    # time

    @property
    def now(self) -> datetime:
        """The market's time."""
        return self.clock.now()

    async def bar(self, says: Mapping[str, float] | None = None, closes: Mapping[str, float] | None = None) -> None:
        """Play the minute that is running to its end: its open fills orders, at its end the engine sees it.

        Closes, in dollars, that are not named stay; a bar opens where the one before has closed.
        """
        start = self.now.replace(second=0, microsecond=0)
        before, self.prices = self.prices, {**self.prices, **(closes or {})}
        bars = tuple(_moved(symbol, start, before[symbol], close) for symbol, close in self.prices.items())
        self.script.words = says or {}
        await self.play(BarTime(start + MINUTE, MINUTE, bars))
        self.script.words = {}

    async def play(self, bar_time: BarTime) -> None:
        """Play one bar time as it is."""
        self.broker.match(bar_time)
        self.clock.set(bar_time.ends_at)
        await self.handle(bar_time)
        self._tick()

    def market(self, day: date) -> Iterator[BarTime]:
        """The embedded market's bars of a session, by the configured seed."""
        return SimulatedMarket(self.settings.feed.seed, self._parts.calendar).session_bars(day)

    async def bars_until(self, at: datetime, says: Mapping[str, float] | None = None) -> None:
        """Play minutes until an instant, the same words on each."""
        while self.now < at:
            await self.bar(says)

    async def skip_to(self, at: datetime) -> None:
        """Let time pass without bars, in which nothing is looked at; then a quiet bar."""
        self.clock.set(at - MINUTE)
        await self.bar()

    # input

    async def handle(self, *events: Event) -> None:
        """Hand in events, and let the engine deal with everything that waits."""
        for event in events:
            await self.engine.inbox.put(event)
        await self.settle()

    async def signals(self, symbol: str, probability: float, times: int = 1) -> None:
        """Hand in signals from outside, so many at once."""
        await self.handle(*(SignalReceived(Signal(symbol, probability)) for _ in range(times)))

    async def ask_broker(self) -> None:
        """What the daemon does once a minute."""
        await self.engine.ask_broker()
        await self.settle()

    async def settle(self) -> None:
        """Let the engine deal with what waits, and the audit with what it has written."""
        while len(self.engine.inbox):
            await self._step()
            await self._hear(self._watch.principles())

    async def _step(self) -> None:
        await self.engine.handle(await self.engine.inbox.take(256))
        book, prices = self.engine.book, self.engine.trading.prices
        worth_micros = prices.worth_micros(book.positions.values()) + book.reserved_micros
        self.at_risk_micros = max(self.at_risk_micros, worth_micros)
        for look in self.after_each_step:
            look()

    async def _hear(self, answers: list[Answer]) -> None:
        if answers:
            self._auditing.hear(answers)
            while len(self.engine.inbox):
                await self._step()

    async def _command(self, command: Command) -> str:
        """Give a command, as the daemon does by its inbox, and play its step."""
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(self.engine.command(command))
            while not asked.done():
                await asyncio.sleep(0)
                if len(self.engine.inbox):
                    await self._step()
        return asked.result()

    # looking

    def courier(self, channel: Channel) -> Courier:
        """Carries every alarm of the scratch book to a channel."""
        board = SqliteAlarms(self._book.writer, self._book.store)
        every = frozenset(AlarmType)
        return Courier(board, channel, every, self.settings.account.name, _no_digest, self.clock, SilentLog())

    @property
    def held(self) -> dict[str, int]:
        """Symbol -> shares in the book."""
        return {symbol: position.quantity for symbol, position in self.engine.book.positions.items()}


async def _no_digest(_: datetime) -> str:
    return ""


async def _at_once(job: Callable[[], list[Answer]]) -> list[Answer]:
    return job()


def _moved(symbol: str, start: datetime, opens: float, closes: float) -> Bar:
    return Bar.in_dollars(symbol, start, opens, max(opens, closes), min(opens, closes), closes, 1000)


@asynccontextmanager
async def a_rehearsal(settings: Settings, tick: Progress, strategy: Strategy | None = None) -> AsyncIterator[Rehearsal]:
    """A machine at the open of an ordinary session; with the scripted strategy after one minute of bars. Raises
    TraderError.
    """
    rehearsal = Rehearsal(settings, strategy, tick)
    await rehearsal.start()
    try:
        if strategy is None:
            await rehearsal.bar()
        yield rehearsal
    finally:
        await rehearsal.stop()
