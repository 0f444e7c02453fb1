"""The one loop: take what waits, decide it together, commit it in one transaction, then speak.

    gather   events from the inbox; `now` from the clock, once
    decide   fills, then exits, then signals; pure and without an await
    commit   one transaction for everything; memory changes only after it
    speak    exits first, then cancels, then entries; then the log

Rule 1: nothing goes to the broker before its row is durable.
Rule 2: a step that cannot be committed has not happened: its draft is thrown away, entries stop, and what the broker
reported in it is taken up again. Its exits go all the same (see `spilling`).
Rule 3: `handle` is called by one task. Signals may be submitted from any.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter, itemgetter

from trader.domain.alarm import AlarmType
from trader.domain.breaker import Breaker
from trader.domain.decision import UNSTAMPED, Decision, Signal
from trader.domain.errors import BookRefused, BookUnwritable, BrokerUnreachable
from trader.domain.events import (
    NO_EVIDENCE,
    AlarmRaised,
    BreakerMeasured,
    Command,
    CommandName,
    Event,
    Evidence,
    EvidenceGiven,
    FillReported,
    JournalType,
    JsonValue,
    OrderAccepted,
    OrderIdentified,
    SignalReceived,
    StrategyAnswered,
    Tick,
)
from trader.domain.market import BarTime
from trader.domain.order import Order, OrderState
from trader.domain.portfolio import Book, Halt
from trader.domain.session import Calendar
from trader.pipeline.decide import Chain
from trader.services.answers import Answer, Answers
from trader.services.draft import Draft
from trader.services.inbox import Inbox
from trader.services.latencies import Latencies
from trader.services.locking import PendingLocks
from trader.services.marks import Marks
from trader.services.ports import Broker, Clock, Commit, History, Log, Recorder, SignalRow, Spill, Store, Strategies
from trader.services.recent import REMEMBERED
from trader.services.spilling import Spilling
from trader.services.step import Level, Step
from trader.services.trading import Trading

_MEASURED_AGAIN = frozenset({Breaker.DISK_SPACE, Breaker.LOOP_LAG})

_EVENTS_PER_STEP = 256
"""Keeps a step short: a burst is committed in a few transactions and the loop breathes in between."""

_ROWS_RIDING = 500
"""So many signals without consequence may wait for a commit."""

_ACKNOWLEDGES = (OrderAccepted, OrderIdentified)
"""What a broker says of an order that it has: nothing waits for it to be durable."""

_ASKED_ANYWAY = timedelta(minutes=1)
"""A sale by hand, or a report that was lost, is found so soon after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The world, as the engine sees it."""

    store: Store
    broker: Broker
    clock: Clock
    log: Log
    recorder: Recorder
    spill: Spill


class Engine:
    """One account's daemon, apart from how it is started and stopped."""

    def __init__(
        self,
        book: Book,
        history: History,
        ports: Ports,
        chain: Chain,
        calendar: Calendar,
        strategies: Strategies,
        inbox: Inbox,
        marks_every: timedelta,
    ) -> None:
        self.book = book
        self.inbox = inbox
        self.trading = Trading(chain, calendar, strategies, history)
        self._ports = ports
        self._say = {Level.INFO: ports.log.info, Level.WARNING: ports.log.warning, Level.ERROR: ports.log.error}
        self._locks = PendingLocks(ports.store, book.locks)
        self._spilling = Spilling(ports.spill, ports.broker, ports.log, history.ended_orders)
        self._stopping = False
        self._answers = Answers()
        self._riding: list[Event] = []
        self._signals_riding: list[SignalRow] = []
        self._marks = Marks(self.trading.prices, marks_every)
        self._busy = False
        self._mattered = False
        """Something has followed from the step of the moment."""
        self.latencies = Latencies()
        self.commits = 0
        """Of its steps in this run."""
        self._halt_file_told = False
        self._asked_at = UNSTAMPED
        self._unwritten = ""
        """Why the book could not be written, until the first commit after it, which has the alarm of it."""
        self._said_of_evidence = ""
        """What was said last of a question that nobody has answered."""

    async def run(self) -> None:
        """Take events until `stop`. Between two steps everything else on the loop has its turn."""
        while not self._stopping:
            events = await self.inbox.take(_EVENTS_PER_STEP)
            self.latencies.begin(events, self.inbox.arrivals_s)
            await self.handle(events)
            self.latencies.end(written=not self._unwritten)
            await asyncio.sleep(0)

    def stop(self) -> None:
        """End `run` after the step it is in. Cancelling it instead could tear a commit from its consequences."""
        self._stopping = True
        self.inbox.post(Tick())

    async def submit(self, signal: Signal) -> Decision:
        """Hand in a signal from outside, from any task; wait for what became of it."""
        decision = await self._hand_in(SignalReceived(signal))
        assert isinstance(decision, Decision)  # noqa: S101  (told to the type checker)
        return decision

    async def command(self, command: Command) -> str:
        """Hand in an operator's command; wait until it is durable. Gives the acknowledgement.

        Raises BookUnwritable when it could not be journaled.
        """
        return str(await self._hand_in(command))

    def alarm(self, type_: AlarmType, about: str, what: str) -> None:
        """Raise an alarm beside the steps, from the loop; its row is written with the next one."""
        self.inbox.post(AlarmRaised(type_, about, what))

    async def drain(self) -> None:
        """Deal with what still waits, after `run` has ended: in the inbox, and of steps that could not be written."""
        if self._riding or self._spilling:
            await self.handle([Tick()])
        while len(self.inbox):
            await self.handle(await self.inbox.take(_EVENTS_PER_STEP))

    async def halt_by_file(self, name: str) -> None:
        """The last resort: a file of this name beside the book stops entries."""
        if "all" in self.book.halts:
            self._halt_file_told = False
        elif not self._halt_file_told:
            self._halt_file_told = True
            await self.inbox.put(Command(CommandName.HALT, "HALT file", f"a file named {name} lies beside the book"))

    async def inquire(self) -> None:
        """Ask the broker while orders are of unknown fate or something new differs; else once a minute."""
        now, is_open = self._ports.clock.now(), self.trading.reconciliation.is_open(self.book.drift)
        if self.asks_about or is_open or not self._asked_at <= now < self._asked_at + _ASKED_ANYWAY:
            await self.ask_broker()

    async def ask_broker(self) -> None:
        """Ask what became of orders that it has to account for, what was executed, and what it holds."""
        self._asked_at, asked = self._ports.clock.now(), self.asks_about
        question = self.trading.reconciliation.ask()
        self._ports.recorder.asked(question, self._asked_at)
        evidence = NO_EVIDENCE
        try:
            evidence = await self._ports.broker.evidence(asked)
        except BrokerUnreachable as error:
            about = ", ".join((*asked, *self.book.drift)) or "what it holds"
            self._say_once(f"NO EVIDENCE about {about}: {error} account={self.book.account}")
        else:
            self._said_of_evidence = ""
        self.inbox.post(EvidenceGiven(asked, await self.news_of(evidence), question))

    def _say_once(self, sentence: str) -> None:
        """A night without the broker is one line, not one at every question."""
        if sentence != self._said_of_evidence:
            self._said_of_evidence = sentence
            self._ports.log.warning(sentence)

    async def news_of(self, evidence: Evidence) -> Evidence:
        """The same answer without the executions that are booked: a broker tells all it remembers, each time.

        One that is older than what this run remembers is looked up in the book. One whose commission is not booked is
        news.
        """
        if evidence.executions is None:
            return evidence
        news = [fill for fill in evidence.executions if self.trading.is_news(fill)]
        oldest = self._ports.clock.now() - REMEMBERED
        forgotten = [fill.execution_id for fill in news if fill.executed_at < oldest]
        if forgotten:
            await self._look_for(forgotten)
        return evidence._replace(executions=tuple(fill for fill in news if self.trading.is_news(fill)))

    async def deliver(self, event: BarTime | StrategyAnswered) -> None:
        """Hand in the bars of one instant, or a strategy's answer to them; wait until they have been dealt with."""
        with suppress(BookUnwritable, BookRefused):  # said already, entries are barred; the feed goes on for the exits
            await self._hand_in(event)

    def _hand_in(self, event: SignalReceived | Command | BarTime | StrategyAnswered) -> asyncio.Future[Answer]:
        answer = self._answers.expect(event)
        self.inbox.post(event)
        return answer

    async def mark(self, type_: JournalType, **data: JsonValue) -> None:
        """Journal something about the run itself, before the loop runs or after it has ended."""
        step = Step(Draft(self.book, self._ports.clock.now()))
        step.draft.commit.signals, self._signals_riding = self._signals_riding, []
        step.draft.note(type_, "", **data)
        self._marks.put_all(step.draft)
        self.trading.reconciliation.carry(step.draft)
        await self._locks.commit(step.draft)
        self.book = step.draft.book()

    async def take_up_spilled(self) -> None:
        """Book the exits that an earlier run has sent and could not book; part of recovery.

        Their numbers are used up, also of those that have to wait for the broker's word.
        """
        self.book = self.book.spent(self._spilling.take_up(self.book))
        if self._spilling:
            await self.handle([Tick()])

    @property
    def asks_about(self) -> tuple[str, ...]:
        """Every order that the broker has to account for: those of unknown fate, and spilled ones that wait.

        Before the first complete answer every live one: that of the start may not have been written.
        """
        is_first = self.trading.reconciliation.is_first
        orders = self.book.orders.items()
        doubted = {ref for ref, order in orders if is_first or order.state is OrderState.UNKNOWN}
        return tuple(sorted({*doubted, *self._spilling.waiting}))

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
        self._mattered = False
        now = self._ports.clock.now()
        try:
            await self._step(events, now)
        finally:
            self._busy = False
            self._ports.recorder.record(events, now, mattered=self._mattered)

    async def _step(self, events: Sequence[Event], now: datetime, *, alone: bool = False) -> None:
        """Decide and commit. `alone`: it is one event of a batch that was refused, and is left out if it is guilty."""
        step = Step(Draft(self.book, now))
        self._spilling.into(step.draft, self.trading.unbooked(events) if self._spilling.waiting else None)
        due = self._is_due(step.draft, events)
        gathered = self._spilling.audible([*self._riding, *events])
        step.draft.commit.signals.extend(self._signals_riding)
        await self._look_up(step, gathered)
        self.trading.decide(step, gathered)
        decided = step.draft.commit or len(step.draft.commit.signals) > len(self._signals_riding)
        self._mattered = self._mattered or bool(decided or step.cancel or step.heeded)
        if not (step.draft.commit or due or step.unread):
            self._ride(step, gathered)
            self._answers.give(step)
            return
        step.say_duplicates()
        self._marks.put(step.draft)
        if self._unwritten:
            step.draft.alarm(AlarmType.BOOK_UNWRITABLE, "", f"could not be written for a while: {self._unwritten}")
        asked = _sales_of(step.draft.commit)
        try:
            if step.unread is not None:
                raise step.unread
            now_s = asyncio.get_running_loop().time
            began_s = now_s()
            refused = await self._locks.commit(step.draft)
            self.latencies.committed(began_s, now_s())
        except BookUnwritable as error:
            self._not_written(gathered, error)
            self.book = self.book.spent(step.draft.orders_made)
            self.trading.not_sent(self._spilling.get_out(step))
            return
        except BookRefused as error:
            self.trading.refused_whole(step)
            await (self._blame(events[-1], error) if alone else self._take_apart(gathered, now))
            return
        self._riding, self._signals_riding, self._unwritten = [], [], ""
        self._spilling.written()
        self.commits += 1
        self.book = step.draft.book()
        self.trading.committed(step)
        self._signals_riding += self.trading.refused(step, refused, asked)
        self._speak(step)
        self._answers.give(step)

    async def _look_up(self, step: Step, gathered: Sequence[Event]) -> None:
        """What the book has of executions that are corrected or charged: to change one, all of it has to be known. And
        which cash movements it has: each counts once."""
        movements = {event.movement for event in gathered if isinstance(event, Command) and event.movement}
        executions = self.trading.to_look_up(gathered)
        try:
            if executions:
                step.looked_up = await self._ports.store.booked(executions)
            if movements:
                step.moved = await self._ports.store.moved(movements)
        except BookUnwritable as error:
            step.unread = error

    def _ride(self, step: Step, gathered: list[Event]) -> None:
        """Nothing here has to be durable now: acknowledgements and refusals go with the next commit."""
        self._riding = [event for event in gathered if isinstance(event, _ACKNOWLEDGES)]
        self.trading.happened(step)
        self._signals_riding = step.draft.commit.signals
        self.book = self.book.seen(step.draft.signals_seen)
        step.say_duplicates()
        self._log(step)

    def _is_due(self, draft: Draft, events: Sequence[Event]) -> bool:
        """Whether this step is written even if nothing has to be durable: what is answered has to be."""
        return (
            bool(self._riding)
            or len(self._signals_riding) >= _ROWS_RIDING
            or self._marks.are_due(draft)
            or any(isinstance(event, SignalReceived) for event in events)
        )

    def _not_written(self, gathered: list[Event], error: BookUnwritable) -> None:
        """The draft is gone. What the broker reported and the operator asked is taken up again with the next step."""
        self._riding = _worst_readings([report for event in gathered for report in _taken_up_again(event)])
        if self.trading.not_written(str(error)):
            self._unwritten = str(error)
            self._ports.log.error(f"BOOK UNWRITABLE, entries stopped: {error} account={self.book.account}")
        for event in gathered:
            if isinstance(event, Command):
                self._answers.tell(event, _not_yet(event, error))
            else:
                self._answers.fail(event, error)

    async def _take_apart(self, gathered: list[Event], now: datetime) -> None:
        """Something in this step contradicts the book: each event is decided alone, what was spilled before all."""
        later: list[Event] = []
        for event in (Tick(), *gathered):
            self._riding = [waiting for waiting in later if isinstance(waiting, _ACKNOWLEDGES)]
            await self._step([event], now, alone=True)
            later = [*(waiting for waiting in later if not isinstance(waiting, _ACKNOWLEDGES)), *self._riding]
        self._riding = later

    async def _blame(self, event: Event, error: BookRefused) -> None:
        """An event that was refused alone is left out. While spilled exits wait it cannot be known who is guilty."""
        acknowledged = self._riding
        if self._spilling and not isinstance(event, Tick):
            self._riding = [*acknowledged, *_taken_up_again(event)]
            return
        if self._spilling:
            self._spilling.give_up(str(error))
            return
        self._signals_riding = []
        try:
            if await self._is_booked(event):
                self._answers.tell(event, "refused: this execution is booked already")
            else:
                await self._leave_out(event, error)
        except BookUnwritable as unwritable:
            self._not_written([event], unwritable)
            self._riding = [*acknowledged, *self._riding]

    async def _is_booked(self, event: Event) -> bool:
        """Whether it is an execution from so long ago that only the book remembers it."""
        fill = event.fill if isinstance(event, FillReported | Command) else None
        return fill is not None and await self._look_for([fill.execution_id])

    async def _look_for(self, execution_ids: Sequence[str]) -> bool:
        """Remember those of the executions that the book has; whether it has any. All of them in one transaction: each
        one makes a neighbour on the same book wait."""
        booked = await self._ports.store.booked(execution_ids)
        for booking in booked.values():
            self.trading.already_booked(booking, self._ports.clock.now())
        return bool(booked)

    async def _leave_out(self, event: Event, error: BookRefused) -> None:
        step = Step(Draft(self.book, self._ports.clock.now()))
        what = f"{type(event).__name__} was left out: {error}"
        step.draft.alarm(AlarmType.CONTRADICTION, "", what, event=ascii(event)[:1000])
        step.draft.halt(Halt("all", "", what, step.draft.now))
        step.say(Level.ERROR, f"CONTRADICTION {what}; entries stopped account={self.book.account}")
        await self._locks.commit(step.draft)
        self.book = step.draft.book()
        self.trading.committed(step)
        self._log(step)
        if isinstance(event, Command):
            self._answers.tell(event, f"refused: {error}")
        else:
            self._answers.fail(event, error)

    def _speak(self, step: Step) -> None:
        for exit_ in step.draft.commit.exits:
            self._ports.broker.place(exit_.order)
        for pair in step.draft.commit.pairs:
            self._ports.broker.protect(pair.orders)
        for ref in step.cancel:
            self._ports.broker.cancel(ref)
        for entry in step.draft.commit.entries:
            self._ports.broker.place(entry.order, entry.protection)
        if step.draft.commit.entries:
            self.latencies.spoken(len(step.draft.commit.entries))
        self._log(step)

    def _log(self, step: Step) -> None:
        for level, said in groupby(step.says, key=itemgetter(0)):
            self._say[level](*(sentence for _, sentence in said))


def _sales_of(commit: Commit) -> dict[str, Order]:
    """What the database may refuse besides entries: exits, and pairs by their stop."""
    return {made.order.ref: made.order for made in (*commit.exits, *(pair.stop for pair in commit.pairs))}


def _taken_up_again(event: Event) -> list[Event]:
    """Of a step that has not happened: reports, commands, and lines of the inbox file, whose offset was not kept.

    Of an answer its executions, in their place: an exit may have been sent of what they have bought, and a report of
    its sale must not be heard before them.
    """
    if isinstance(event, EvidenceGiven):
        return [FillReported(fill) for fill in event.evidence.executions or ()]
    if isinstance(event, SignalReceived):
        return [event] if event.inbox is not None else []
    return [] if isinstance(event, BarTime | StrategyAnswered | Tick) else [event]


def _worst_readings(events: list[Event]) -> list[Event]:
    """Of the host's readings one of each breaker: they come all the time, and a full disk may last for days.

    What is measured again anyway, the disk and the lag, waits for the next reading.
    """
    worst: dict[Breaker, BreakerMeasured] = {}
    for event in events:
        if isinstance(event, BreakerMeasured) and event.breaker not in _MEASURED_AGAIN:
            before = worst.get(event.breaker)
            worst[event.breaker] = event if before is None else max(before, event, key=attrgetter("measured"))
    return [*(event for event in events if not isinstance(event, BreakerMeasured)), *worst.values()]


def _not_yet(command: Command, error: BookUnwritable) -> str:
    if command.name is CommandName.HALT:
        return f"entries are stopped; not journaled yet, the book cannot be written: {error}"
    return f"refused for now: {command.name} is done as soon as the book can be written: {error}"
