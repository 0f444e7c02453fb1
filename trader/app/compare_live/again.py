"""The day, played again into the book as it was, with the configuration and the strategy of now."""

import json
import sqlite3
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from itertools import groupby
from pathlib import Path

from trader.adapters.clock import SteppedClock
from trader.adapters.sqlite.database import InlineWriter, connect
from trader.adapters.sqlite.inputs import Asked, Begun, BegunAnew, Input, Unreadable
from trader.adapters.sqlite.queries import QUERIES
from trader.adapters.strategy_frames import Nonsense, line_of, plain_said, read_line, read_said
from trader.app.compare_live.earlier import copy_of
from trader.app.compare_live.recording import Journaled, Recording, Run
from trader.app.replay import NoInputs, NoSpill
from trader.app.sections import AlarmsSection, BookSection
from trader.app.settings import Settings
from trader.app.strategies import load_strategy
from trader.app.wiring import OpenBook, make_machine, make_parts, open_book
from trader.domain.events import (
    NO_EVIDENCE,
    Event,
    Evidence,
    EvidenceGiven,
    JournalType,
    JsonValue,
    StrategyAnswered,
)
from trader.domain.family import Families
from trader.domain.market import BarTime
from trader.domain.order import Order
from trader.domain.rules import Rules
from trader.domain.strategy import Said
from trader.services.engine import Engine
from trader.services.feeding import Feeding
from trader.services.ports import Given, Log, Strategy
from trader.services.strategy_host import StrategyHost
from trader.services.trading import Trading

Progress = Callable[[int], None]
"""Told how many inputs were played since it was last told."""


class HeardLater(StrategyHost):
    """The strategy, asked inline and heard when the live one has answered; begun anew when the live one was."""

    def __init__(self, make: Callable[[], Strategy], name: str, rules: Rules) -> None:
        super().__init__(make(), name, rules)
        self._make = make
        self._at_most = rules.signals_per_bar + 1
        self._said: dict[datetime, Sequence[Said]] = {}
        self._shown: BarTime | None = None
        self._recent: deque[BarTime] = deque(maxlen=self.warmup_bars)
        self._drivers: tuple[str, ...] = ()
        self._anew_after: datetime | None = None
        """The step of the bars that the live one was shown last, when it was begun anew, is not over yet."""

    def start(self, drivers: Collection[str]) -> None:
        """Tell the strategy, if it asks, which symbols may be signalled. Raises ConfigurationError."""
        self._drivers = tuple(drivers)
        super().start(drivers)

    def warm_up(self, bar_times: Iterable[BarTime]) -> None:
        """Show past bars; what it says to them is thrown away."""
        shown = list(bar_times)
        self._recent.extend(shown)
        super().warm_up(shown)

    def begin_anew(self, shown_until: datetime | None) -> None:
        """A new one is shown the last bars again, up to those that ended then. Raises ConfigurationError."""
        if shown_until is not None and (not self._recent or self._recent[-1].ends_at < shown_until):
            self._anew_after = shown_until
            return
        self._anew_after = None
        self._feeding = Feeding(self._make(), self.name, self._at_most)
        self._feeding.start(self._drivers)
        for bar_time in self._recent:
            self._feeding.feed(bar_time.bars)

    def on_bars(self, bar_time: BarTime) -> list[Given]:
        """Show the bars of one instant, once; nothing is said at once."""
        if bar_time is not self._shown:
            self._shown = bar_time
            self._recent.append(bar_time)
            self._hearing.shown(bar_time)
            self._said[bar_time.ends_at] = _by_the_wire(self._feeding.feed(bar_time.bars), bar_time.ends_at)
            if bar_time.ends_at == self._anew_after:
                self.begin_anew(bar_time.ends_at)
        return []

    def heard(self, answered: StrategyAnswered, now: datetime) -> list[Given]:
        """What it says to the bars of that instant."""
        return self._hearing.hear(self._said.pop(answered.ends_at, ()), now)


def _by_the_wire(said: Sequence[Said], ends_at: datetime) -> Sequence[Said]:
    """As the daemon reads it of its strategy's process: above all, an answer that comes late is of its bar's time."""
    plain = read_line(line_of({"said": plain_said(said)}))["said"]
    try:
        return read_said(plain, ends_at)
    except Nonsense:  # for which the live one was ended
        return ()


class RecordedBroker:
    """Everything that the broker has said is recorded, so that nothing is sent to one."""

    def place(self, order: Order, protection: Sequence[Order] = ()) -> None:
        """Not sent."""

    def protect(self, pair: Sequence[Order]) -> None:
        """Not sent."""

    def cancel(self, order_ref: str) -> None:
        """Not sent."""

    async def evidence(self, order_refs: Collection[str]) -> Evidence:
        """Not asked."""
        del order_refs
        return NO_EVIDENCE


async def play_again(
    book: sqlite3.Connection,
    recording: Recording,
    run: Run,
    settings: Settings,
    place: Path,
    log: Log,
    progress: Progress,
) -> int:
    """Play one run into a new book at `place`, which begins as the live one was; give the number of its first event.

    Raises DataError, BookError and ConfigurationError.
    """
    settings = _of_the_new_book(settings, place)
    first = 1
    if run.opened is None:
        copy_of(book, settings.account.name, run, place)
        first = _next_event(place, settings.account.name)
    await _play(run, recording, settings, place, log, progress)
    return first


def _of_the_new_book(settings: Settings, place: Path) -> Settings:
    """The settings of now; nobody is alarmed, and nothing lies beside the live book."""
    return settings.model_copy(
        update={"book": BookSection(db=place), "alarms": AlarmsSection(types=settings.alarms.types)}
    )


def _next_event(place: Path, account: str) -> int:
    connection = connect(place)
    try:
        row = connection.execute("SELECT max(seq) FROM book_events WHERE account = ?", (account,)).fetchone()
    finally:
        connection.close()
    return int(row[0] or 0) + 1


async def _play(run: Run, recording: Recording, settings: Settings, place: Path, log: Log, progress: Progress) -> None:
    make = partial(load_strategy, settings.strategy.entry, settings.strategy.params)
    host = HeardLater(make, settings.strategy.name, settings.rules())
    parts = make_parts(settings, host)
    clock = SteppedClock(run.started.at)
    opened = await _open(run, recording, settings, place, clock)
    try:
        machine = await make_machine(
            parts,
            opened,
            clock,
            log,
            NoInputs(),
            NoSpill(),
            lambda *_: RecordedBroker(),
            build=str(run.started.data.get("build", "")),
        )
        engine = machine.engine
        for journaled in (run.opened, run.started):
            if journaled is not None:
                await _mark(engine, clock, journaled)
        is_first = True
        for at, inputs in _steps(run):
            clock.set(at)
            step: list[Event] = []
            for what in inputs:
                if isinstance(what, Asked | Begun | BegunAnew):
                    _between_steps(what, at, engine.trading, host, parts.families)
                elif not isinstance(what, Unreadable):  # at what it is not compared any more
                    step.append(what)
            if step:
                await engine.handle(step)
            if is_first and any(isinstance(event, EvidenceGiven) for event in step):
                is_first = False
                clock.set(run.repaired_at or at)
                await engine.repair()
            progress(len(step))
        await _mark(engine, clock, run.stopped or Journaled(0, JournalType.RUN_STOPPED, "", run.until, {}))
    finally:
        await opened.store.close()


def _between_steps(
    what: Asked | Begun | BegunAnew, at: datetime, trading: Trading, host: HeardLater, families: Families
) -> None:
    if isinstance(what, Asked):
        trading.reconciliation.ask()
    elif isinstance(what, BegunAnew):
        host.begin_anew(what.ends_at)
    else:
        host.start(families.drivers(what.symbols))
        trading.market_data.expect(what.symbols)
        trading.warm_up(what.past, at)


async def _open(run: Run, recording: Recording, settings: Settings, place: Path, clock: SteppedClock) -> OpenBook:
    cash = run.opened.data["starting_cash_micros"] if run.opened is not None else 0
    cash_micros = cash if isinstance(cash, int) else 0
    writer = InlineWriter(connect(place))
    opened = await open_book(writer, place, settings, recording.kind, cash_micros, clock.now())
    if opened.stamp.epoch != run.epoch:
        await writer.transact(lambda new: new.execute(QUERIES["begin_epoch"], (run.epoch,)))
    return opened


async def _mark(engine: Engine, clock: SteppedClock, journaled: Journaled) -> None:
    clock.set(journaled.at)
    data: dict[str, JsonValue] = json.loads(json.dumps(dict(journaled.data)))
    await engine.mark(JournalType(journaled.type), **data)


def _steps(run: Run) -> Iterator[tuple[datetime, list[Event | Begun | BegunAnew | Asked | Unreadable]]]:
    """Every step of the live run of which something may have come, as far as it can be compared."""
    for step in _by_step(run.inputs):
        if step[0].at <= run.until:
            yield step[0].at, [one.what for one in step]


def _by_step(inputs: Sequence[Input]) -> Iterator[list[Input]]:
    """What lies between two steps stands alone: it has the number of the one before it."""
    for _, step in groupby(inputs, key=lambda one: (one.step, one.lies_between_steps)):
        yield list(step)
