"""Replay: the daemon's own engine on historical bars, on a clock that steps from bar end to bar end."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from trader.adapters.clock import SteppedClock, SystemClock
from trader.adapters.feeds.files import read_tape
from trader.adapters.feeds.tape import Tape
from trader.adapters.paper.broker import PaperBroker
from trader.adapters.run_lock import RunLock, lock_path, this_process
from trader.adapters.sqlite.database import InlineWriter, connect
from trader.app.replayed_signals import ReplayedSignals
from trader.app.settings import Settings
from trader.app.summary import Course, Summary, summarise
from trader.app.wiring import inline_strategy, make_machine, make_parts, open_book
from trader.domain.breaker import Latch
from trader.domain.decision import UNSTAMPED
from trader.domain.errors import BookBroken, ConfigurationError
from trader.domain.events import TELLS, BrokerEvent, Command, CommandName, Event, JournalType
from trader.domain.market import BarTime
from trader.domain.order import Order
from trader.domain.session import new_york_date, new_york_day
from trader.services.engine import Engine
from trader.services.ports import Log
from trader.services.recovery import recover

Progress = Callable[[int], None]
"""Told how many bars were played since it was last told."""

_KIND = "replay"
_MOMENT = timedelta(microseconds=1)
_NOBODY_READS = timedelta(days=1)
"""A replay's book is valued at fills and at its end; marks in between would only cost commits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayRequest:
    """What to replay."""

    paths: Sequence[Path]
    db: Path
    symbols: Sequence[str] = ()
    interval: timedelta | None = None
    start: date | None = None
    end: date | None = None
    signals: Path | None = None
    """A file of signals from outside."""


class NoSpill:
    """A replay has nothing to bring home: its broker ends with it."""

    def append(self, order: Order) -> None:
        """Not kept."""

    def read(self) -> list[Order]:
        """Nothing."""
        return []

    def clear(self) -> None:
        """Nothing to do."""


class NoInputs:
    """A replay's inputs are its files; their hashes are in the journal."""

    def record(self, events: Sequence[Event], at: object, *, mattered: bool) -> None:
        """Nothing to keep."""

    def asked(self, question: int, at: object) -> None:
        """Nothing to keep."""


def read_request(request: ReplayRequest, settings: Settings) -> Tape:
    """Read and check every file. Raises DataError before anything runs."""
    parts = make_parts(settings)
    return read_tape(
        request.paths,
        parts.calendar,
        interval=request.interval,
        symbols=tuple(request.symbols) or None,
        start=request.start,
        end=request.end,
    )


def replay(request: ReplayRequest, settings: Settings, tape: Tape, log: Log, progress: Progress) -> Summary:
    """Play a tape into a book of its own and sum it up. Raises AlreadyRunning while another replay writes that book,
    and DataError for a line of the signals that is none.
    """
    signals = ReplayedSignals(request.signals)
    holder = this_process(SystemClock().now())
    lock = RunLock.take(lock_path(request.db, _KIND), holder, "Wait for its end, or name another book with --db")
    try:
        clear_replay_book(request.db)
        return asyncio.run(_replay(request, settings, tape, signals, log, progress))
    finally:
        lock.release(remove=True)


async def _replay(
    request: ReplayRequest, settings: Settings, tape: Tape, signals: ReplayedSignals, log: Log, progress: Progress
) -> Summary:
    strategy = inline_strategy(settings)
    parts = make_parts(settings, strategy)
    reported: list[BrokerEvent] = []
    clock = SteppedClock(tape.starts_at)
    cash_micros = settings.account.starting_cash_micros
    book = await open_book(InlineWriter(connect(request.db)), request.db, settings, _KIND, cash_micros, clock.now())
    try:
        machine = await make_machine(
            parts, book, clock, log, NoInputs(), NoSpill(), PaperBroker, reported.append, _NOBODY_READS
        )
        engine, broker = machine.engine, machine.broker
        strategy.start(parts.families.drivers(tape.symbols))
        await engine.mark(JournalType.ACCOUNT_OPENED, starting_cash_micros=engine.book.cash_micros)
        await engine.mark(
            JournalType.RUN_STARTED,
            kind=_KIND,
            tells=TELLS,
            strategy=settings.strategy.entry,
            seed=settings.feed.seed,
            files={report.symbol: report.sha256 for report in tape.report},
            **({"signals": signals.sha256} if signals else {}),
        )
        await recover(engine, broker, log)
        course = Course()
        steps = _Steps(engine, clock, reported, signals)
        for bar_time in tape:
            fills = await steps.begin_day(bar_time)
            fills += await steps.signals_until(bar_time.ends_at - bar_time.interval) if signals else 0
            broker.match(bar_time)
            if signals:
                fills += await steps.signals_until(bar_time.ends_at - _MOMENT)
            fills += await steps.bars(bar_time)
            course.observe(engine, fills)
            progress(len(bar_time.bars))
        await engine.mark(JournalType.RUN_STOPPED, reason="the bars end")
        digest = await book.store.journal_digest()
        return summarise(request.db, settings.account.name, tape, engine, course, broker.slippage_micros, digest)
    finally:
        await book.store.close()


class _Steps:
    """The engine's steps: what the broker has reported comes before what else happens."""

    def __init__(
        self, engine: Engine, clock: SteppedClock, reported: list[BrokerEvent], signals: ReplayedSignals
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._reported = reported
        self._signals = signals
        self._day_ends_at = UNSTAMPED

    async def begin_day(self, bar_time: BarTime) -> int:
        """Before a day's first bars, at its midnight, clear each breaker that has tripped, as no person is there to do
        it. Gives how many reports came before."""
        starts_at = bar_time.ends_at - bar_time.interval
        if starts_at < self._day_ends_at:
            return 0
        begins_at, self._day_ends_at = new_york_day(new_york_date(starts_at))
        tripped = self._engine.book.latches.values()
        if not tripped:
            return 0
        reports = await self.signals_until(begins_at)
        self._clock.set(begins_at)
        return reports + await self._step(*(_cleared(latch) for latch in tripped))

    async def bars(self, bar_time: BarTime) -> int:
        """Decide what follows from bars, at their end. Gives how many reports came before them."""
        self._clock.set(bar_time.ends_at)
        return await self._step(bar_time)

    async def signals_until(self, instant: datetime) -> int:
        """Decide the signals from outside up to an instant, each at its own time; the same."""
        reports = 0
        for received in self._signals.until(instant):
            self._clock.set(max(received.signal.timestamp, self._clock.now()))
            reports += await self._step(received)
        return reports

    async def _step(self, *events: Event) -> int:
        reported = self._reported.copy()
        self._reported.clear()
        await self._engine.handle([*reported, *events])
        return len(reported)


def _cleared(latch: Latch) -> Command:
    scope = latch.scope.value if latch.target else "all"
    return Command(CommandName.RESUME, _KIND, "a new day begins", scope, latch.target, breaker=latch.breaker)


def clear_replay_book(db: Path) -> None:
    """Make room for a new replay book. Raises BookBroken rather than overwrite anything that is not one."""
    if not db.exists():
        return
    try:
        connection = sqlite3.connect(f"{db.resolve().as_uri()}?mode=ro", uri=True)
        try:
            row = connection.execute("SELECT kind FROM book_stamp").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise BookBroken(f"{db} is not a replay's book ({error}); name another one with --db") from error
    kind = row[0] if row else "unstamped"
    if kind != _KIND:
        raise BookBroken(f"{db} is a {kind} book; a replay writes a book of its own, name another one with --db")
    for suffix in ("", "-wal", "-shm"):
        Path(f"{db}{suffix}").unlink(missing_ok=True)


def override(settings: Settings, strategy: str | None, params: Sequence[str]) -> dict[str, object]:
    """The strategy section with `--strategy` and `--param k=v` over it. Raises ConfigurationError."""
    section: dict[str, object] = settings.strategy.model_dump()
    if strategy is not None:
        section |= {"entry": strategy, "params": {}}
    values = dict(section["params"]) if isinstance(section["params"], dict) else {}
    for param in params:
        key, separator, value = param.partition("=")
        if not separator or not key.isidentifier():
            raise ConfigurationError(f"--param {param!r}: write it as name=value")
        values[key] = _value(value)
    return {**section, "params": values}


def _value(text: str) -> str | int | float | bool:
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
