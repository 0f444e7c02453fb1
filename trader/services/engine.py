"""The one loop: take what waits, decide it together, commit it in one transaction, then speak.

    gather   events from the inbox; `now` from the clock, once
    decide   fills, then exits, then signals; pure and without an await
    commit   one transaction for everything; memory changes only after it
    speak    exits first, then cancels, then entries; then the log

Rule 1: nothing goes to the broker before its row is durable.
Rule 2: a step that cannot be committed has not happened: its draft is thrown away, entries stop, and what the broker
reported in it is taken up again.
Rule 3: `handle` is called by one task. Signals may be submitted from any.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from operator import itemgetter

from trader.domain.decision import UNSTAMPED, Decision, Outcome, Refusal, Rule, Signal, Stage
from trader.domain.errors import BookUnwritable
from trader.domain.events import (
    BadLine,
    Command,
    CommandName,
    Event,
    JournalType,
    JsonValue,
    OrderAccepted,
    SignalReceived,
    Tick,
)
from trader.domain.market import BarTime
from trader.domain.portfolio import Book
from trader.domain.session import Calendar
from trader.pipeline.decide import Chain
from trader.services.draft import Draft
from trader.services.inbox import Inbox
from trader.services.locking import PendingLocks
from trader.services.ports import Broker, Clock, History, Log, Recorder, SignalRow, Store
from trader.services.step import Level, Step
from trader.services.strategy_host import StrategyHost
from trader.services.trading import Trading

_EVENTS_PER_STEP = 256
"""Keeps a step short: a burst is committed in a few transactions and the loop breathes in between."""

_ROWS_RIDING = 500
"""So many signals without consequence may wait for a commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The world, as the engine sees it."""

    store: Store
    broker: Broker
    clock: Clock
    log: Log
    recorder: Recorder


class Engine:
    """One account's daemon, apart from how it is started and stopped."""

    def __init__(
        self,
        book: Book,
        history: History,
        ports: Ports,
        chain: Chain,
        calendar: Calendar,
        strategies: StrategyHost,
        inbox: Inbox,
        marks_every: timedelta,
    ) -> None:
        self.book = book
        self.inbox = inbox
        self.trading = Trading(chain, calendar, strategies, history)
        self._ports = ports
        self._locks = PendingLocks(ports.store, book.locks)
        self._stopping = False
        self._answers: dict[int, asyncio.Future[Decision | str]] = {}
        self._riding: list[Event] = []
        self._signals_riding: list[SignalRow] = []
        self._marks_every = marks_every
        self._marks_due_at = UNSTAMPED
        self._busy = False

    async def run(self) -> None:
        """Take events until `stop`. Between two steps everything else on the loop has its turn."""
        while not self._stopping:
            await self.handle(await self.inbox.take(_EVENTS_PER_STEP))
            await asyncio.sleep(0)

    def stop(self) -> None:
        """End `run` after the step it is in. Cancelling it instead could tear a commit from its consequences."""
        self._stopping = True
        self.inbox.post(Tick())

    async def submit(self, signal: Signal) -> Decision:
        """Hand in a signal from outside, from any task; wait for what became of it."""
        decision = await self._ask(SignalReceived(signal))
        assert isinstance(decision, Decision)  # noqa: S101  (told to the type checker)
        return decision

    async def command(self, command: Command) -> str:
        """Hand in an operator's command; wait until it is durable. Gives the acknowledgement.

        Raises BookUnwritable when it could not be journaled.
        """
        return str(await self._ask(command))

    async def drain(self) -> None:
        """Deal with what still waits, after `run` has ended."""
        while len(self.inbox):
            await self.handle(await self.inbox.take(_EVENTS_PER_STEP))

    async def halt_by_file(self) -> None:
        """The last resort: a file named HALT beside the book stops entries."""
        if "all" not in self.book.halts:
            await self.inbox.put(Command(CommandName.HALT, "HALT file", "a file named HALT lies beside the book"))

    async def deliver(self, bar_time: BarTime) -> None:
        """Hand in the bars of one instant; wait until they have been dealt with."""
        with suppress(BookUnwritable):  # the step has said so, and barred entries; the feed goes on for the exits
            await self._ask(bar_time)

    def _ask(self, event: SignalReceived | Command | BarTime) -> asyncio.Future[Decision | str]:
        """Hand in an event; what comes of it is the future's result. The event lives in the inbox as long as its id."""
        answer: asyncio.Future[Decision | str] = asyncio.get_running_loop().create_future()
        self._answers[id(event)] = answer
        self.inbox.post(event)
        return answer

    async def mark(self, type_: JournalType, **data: JsonValue) -> None:
        """Journal something about the run itself, before the loop runs or after it has ended."""
        step = Step(Draft(self.book, self._ports.clock.now()))
        step.draft.commit.signals, self._signals_riding = self._signals_riding, []
        step.draft.note(type_, "", **data)
        self._put_marks(step.draft, step.draft.positions)
        await self._locks.commit(step.draft)
        self.book = step.draft.book()

    async def repair(self) -> None:
        """Look for families that are held both ways, and close one side; part of recovery."""
        step = Step(Draft(self.book, self._ports.clock.now()))
        self.trading.repair(step)
        if step.draft.commit:
            await self._locks.commit(step.draft)
            self.book = step.draft.book()
            self._speak(step)

    async def handle(self, events: Sequence[Event]) -> None:
        """Do one step with these events."""
        if self._busy:
            raise RuntimeError("handle() is called by one task only")
        self._busy = True
        try:
            await self._step(events)
        finally:
            self._busy = False

    async def _step(self, events: Sequence[Event]) -> None:
        now = self._ports.clock.now()
        step = Step(Draft(self.book, now))
        due = bool(self._riding) or len(self._signals_riding) >= _ROWS_RIDING or self._marks_are_due(step.draft)
        gathered = [*self._riding, *events]
        step.draft.commit.signals.extend(self._signals_riding)
        for event in events:
            self._ports.recorder.record(event, now)
        self.trading.decide(step, gathered)
        if not (step.draft.commit or due):
            self._ride(step, gathered)
            self._answer(step)
            return
        step.say_duplicates()
        self._mark_prices(step)
        try:
            refused = await self._locks.commit(step.draft)
        except BookUnwritable as error:
            self._not_written(gathered, error)
            return
        self._riding, self._signals_riding = [], []
        self.book = step.draft.book()
        self.trading.committed(step)
        self._refused_by_database(step, refused)
        self._speak(step)
        self._answer(step)

    def _ride(self, step: Step, gathered: list[Event]) -> None:
        """Nothing here has to be durable now: acknowledgements and refusals go with the next commit."""
        self._riding = [event for event in gathered if isinstance(event, OrderAccepted)]
        self._signals_riding = step.draft.commit.signals
        self.book = self.book.seen(step.draft.signals_seen)
        step.say_duplicates()
        self._log(step)

    def _marks_are_due(self, draft: Draft) -> bool:
        return bool(draft.positions) and draft.now >= self._marks_due_at

    def _mark_prices(self, step: Step) -> None:
        """Last prices of what is held go into the book, so that readers can value it: when due, and at a fill."""
        draft = step.draft
        if self._marks_are_due(draft):
            self._marks_due_at = draft.now + self._marks_every
            self._put_marks(draft, draft.positions)
        else:
            self._put_marks(draft, (booking.fill.symbol for booking in draft.commit.bookings if booking.held))

    def _put_marks(self, draft: Draft, symbols: Iterable[str]) -> None:
        prices = self.trading.prices
        for symbol in symbols:
            bar = prices.last(symbol)
            if bar is not None:
                draft.commit.marks[symbol] = (bar.close_micros, bar.timestamp + prices.interval)

    def _not_written(self, gathered: list[Event], error: BookUnwritable) -> None:
        """The draft is gone. What the broker reported and the operator asked is taken up again with the next step."""
        self._riding = [event for event in gathered if not isinstance(event, BarTime | SignalReceived | BadLine | Tick)]
        if self.trading.not_committed(str(error)):
            self._ports.log.error(f"BOOK UNWRITABLE, entries stopped: {error} account={self.book.account}")
        for event in gathered:
            answer = self._asked(id(event))
            if answer is None:
                continue
            if isinstance(event, Command):
                answer.set_result(f"entries are stopped; not journaled yet, the book cannot be written: {error}")
            else:
                answer.set_exception(error)

    def _refused_by_database(self, step: Step, refused: Mapping[str, Rule]) -> None:
        """The last line of defence has said no: the signal's row says so, too."""
        for ref, rule in refused.items():
            decision = step.decided[ref]
            symbol = decision.ticket.symbol if decision.ticket is not None else decision.signal.symbol
            refusal = Refusal(Stage.LOCK, rule, symbol, detail="refused by the database")
            step.overruled[decision.signal.id] = Decision(decision.signal, Outcome.REFUSED, refusal=refusal)
            self._signals_riding.append(SignalRow(decision.signal, step.draft.now, Outcome.REFUSED, refusal))
            if rule is Rule.SYMBOL_LOCKED:
                step.say(Level.WARNING, f"DUPLICATE BUY BLOCKED: {symbol} account={self.book.account}")
            else:
                step.say(Level.ERROR, f"ENTRY REFUSED BY THE DATABASE: {symbol} {rule} account={self.book.account}")

    def _speak(self, step: Step) -> None:
        for order in step.place:
            self._ports.broker.place(order)
        for ref in step.cancel:
            self._ports.broker.cancel(ref)
        for entry in step.draft.commit.entries:
            self._ports.broker.place(entry.order)
        self._log(step)

    def _log(self, step: Step) -> None:
        log = self._ports.log
        say = {Level.INFO: log.info, Level.WARNING: log.warning, Level.ERROR: log.error}
        for level, said in groupby(step.says, key=itemgetter(0)):
            say[level](*(sentence for _, sentence in said))

    def _answer(self, step: Step) -> None:
        for event_id, result in step.results.items():
            answer = self._asked(event_id)
            if answer is None:
                continue
            overruled = step.overruled.get(result.signal.id) if isinstance(result, Decision) else None
            answer.set_result(overruled or result)

    def _asked(self, event_id: int) -> asyncio.Future[Decision | str] | None:
        """The answer that somebody still waits for; asked for once."""
        answer = self._answers.pop(event_id, None)
        return None if answer is None or answer.done() else answer
