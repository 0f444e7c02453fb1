"""Breakers: they measure in each step what has changed in it, trip, and stay tripped.

Rule 1: the decisions of a step see what has tripped in it.
Rule 2: a step costs what has changed in it: nothing looks at all orders again.
Rule 3: a condition that keeps the gate closed only while it lasts (drift, cash, an overdue scan, a book that cannot be
written, clocks that differ) goes on doing so. A breaker trips when it has lasted for too long.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from trader.domain.alarm import AlarmType
from trader.domain.breaker import Breaker
from trader.domain.breaker_standing import Reading, Standing
from trader.domain.creation import too_many_in_an_hour, too_regular
from trader.domain.decision import Refusal
from trader.domain.events import AlarmRaised, BreakerMeasured, Command, Event, Tick
from trader.domain.family import Families
from trader.domain.market import BarTime, Prices
from trader.domain.portfolio import Book
from trader.domain.rules import Rules
from trader.domain.session import SessionDay
from trader.services.breaker_counts import BARS_OF_A_BLOCK, Counts
from trader.services.breaker_equity import EquityWatch
from trader.services.breaker_jumps import JumpWatch
from trader.services.breaker_lasting import LastingWatch
from trader.services.breaker_panel import Panel
from trader.services.creations import CREATION_RULES, created_last_hour, created_times
from trader.services.draft import Draft
from trader.services.gate import Gate
from trader.services.ports import History
from trader.services.step import Step


class Breakers:
    """Of one account."""

    def __init__(self, rules: Rules, families: Families, prices: Prices, gate: Gate, history: History) -> None:
        self._panel = Panel(rules.breaker_rules)
        self._limits = rules.limits
        self._prices = prices
        self._equity = EquityWatch(self._panel, rules, prices, history.highest_equity_micros, history.bases)
        self._jumps = JumpWatch(self._panel, prices)
        self._lasting = LastingWatch(self._panel, families, prices, gate)
        self._repeated_within = self._within(Breaker.REPEATED_EXECUTION)
        self._sent_within = self._within(Breaker.ORDER_RATE)
        self._exceptions_within = self._within(Breaker.EXCEPTIONS)
        self._counts = self._counts_before = Counts.of(history, self._sent_within, self._block, self._repeated_within)
        self._cleared: Mapping[str, datetime] | None = None
        """What was cleared, as far as the counts know."""
        self._has_begun = False
        self._has_looked = False
        """What the book has counted before this run was held against the limits of this one."""

    def _within(self, breaker: Breaker) -> timedelta:
        return timedelta(seconds=self._panel.rules[breaker].within_s)

    @property
    def _block(self) -> timedelta:
        return BARS_OF_A_BLOCK * self._prices.interval

    def begin(self, draft: Draft) -> None:
        """Before anything happens in a step: the first one has the book as it is."""
        if not self._has_begun:
            self._has_begun = True
            self._equity.begin(draft)

    def hear(self, step: Step, event: Event) -> None:
        """Take in what an event says of something that a breaker measures."""
        if isinstance(event, Command):
            self._equity.carry(step.draft)
        elif isinstance(event, Tick):
            if event.skew is not None:
                self._lasting.hear_skew(step, event.skew)
        elif isinstance(event, BreakerMeasured):
            self._panel.judge(step, event.breaker, event.measured, event.cause, inputs=event.inputs)
        elif isinstance(event, AlarmRaised) and event.type is AlarmType.CHORE_FAILED:
            step.exceptions += 1

    def hear_bars(self, step: Step, bar_time: BarTime) -> None:
        """Measure what these bars tell, while they are the newest: a step may have several bar times."""
        self._jumps.look(step, bar_time)

    def so_far(self, draft: Draft, breaker: Breaker) -> int | None:
        """Where a person clears it now: the amount of the day that it counts from, micros; None where there is none."""
        return self._equity.so_far(draft, breaker)

    def look(self, step: Step, bar_times: Sequence[BarTime], session: SessionDay | None) -> None:
        """Measure what has happened in a step, before anything is decided on it."""
        draft = step.draft
        if draft.cleared is not self._cleared:
            self._counts, self._cleared = self._counts.since(draft.cleared), draft.cleared
        if not self._has_looked:
            self._look_at_what_was_counted(step)
        commit = draft.commit
        if commit.bookings or commit.orders or commit.round_trips:
            self._look_at_executions(step)
        if bar_times or commit.bookings:
            self._equity.look(step)
        self._lasting.look(step, session)

    def count(self, step: Step) -> None:
        """Measure what a step is about to do. The next one sees what trips."""
        draft = step.draft
        counts = self._counts.with_orders(draft, self._sent_within)
        if counts is not self._counts:
            self._counts = counts
            self._judge_sent(step, counts.sent.total)
        if step.exceptions:
            tally = counts.exceptions.plus(draft.now, step.exceptions, self._exceptions_within)
            self._counts = replace(counts, exceptions=tally)
            self._panel.judge(
                step, Breaker.EXCEPTIONS, tally.total, f"{tally.total} exceptions were caught; the log has each of them"
            )

    def refused_creation(self, step: Step, refusal: Refusal) -> None:
        """A decision has refused a position that would be one too many: whatever wants it goes on wanting."""
        cause = (
            f"positions are created too fast: {refusal.measured} {refusal.detail}, {refusal.limit} allowed, the last "
            f"of {refusal.symbol}"
        )
        self._panel.judge(
            step, CREATION_RULES[refusal.rule], refusal.measured or 0, cause, inputs={"symbol": refusal.symbol}
        )

    def happened(self) -> None:
        """The step is over: what it has counted counts."""
        self._counts_before = self._counts
        self._has_looked = True
        self._jumps.happened()

    def not_happened(self) -> None:
        """The step is thrown away, with what it has counted."""
        self._counts, self._cleared = self._counts_before, None
        self._jumps.not_happened()

    def _look_at_what_was_counted(self, step: Step) -> None:
        """A limit that was lowered between two runs counts at once, and not after one more execution."""
        counts = self._counts_by(step.draft.now)
        self._judge_rejects(step)
        self._judge_losses(step)
        self._judge_trades(step, counts.traded.total)
        self._judge_sent(step, counts.sent.total)
        for symbol, tally in counts.repeated.items():
            self._judge_repeated(step, symbol, tally.total)

    def _judge_rejects(self, step: Step) -> None:
        rejects = len(self._counts.rejects)
        self._panel.judge(step, Breaker.REJECTS_IN_A_ROW, rejects, f"the broker has rejected {rejects} orders in a row")

    def _judge_losses(self, step: Step) -> None:
        losses = len(self._counts.losses)
        self._panel.judge(step, Breaker.LOSSES_IN_A_ROW, losses, f"{losses} round trips in a row were losses")

    def _judge_trades(self, step: Step, traded: int) -> None:
        self._panel.judge(step, Breaker.TRADES, traded, f"{traded} orders were executed in {BARS_OF_A_BLOCK} bars")

    def _judge_sent(self, step: Step, sent: int) -> None:
        self._panel.judge(step, Breaker.ORDER_RATE, sent, f"{sent} orders were sent in so short a time")

    def _judge_repeated(self, step: Step, symbol: str, again: int) -> None:
        self._panel.judge(
            step, Breaker.REPEATED_EXECUTION, again, f"{again} orders of {symbol} were executed", target=symbol
        )

    def _look_at_executions(self, step: Step) -> None:
        draft = step.draft
        self._counts = counts = self._counts.with_fills(draft, self._block, self._repeated_within)
        self._judge_rejects(step)
        if draft.commit.round_trips:
            self._judge_losses(step)
        if not draft.commit.bookings:
            return
        self._judge_trades(step, counts.traded.total)
        for symbol in {booking.fill.symbol for booking in draft.commit.bookings}:
            self._judge_repeated(step, symbol, counts.repeated[symbol].total if symbol in counts.repeated else 0)
        self._look_at_creations(step)

    def _look_at_creations(self, step: Step) -> None:
        draft = step.draft
        symbols = sorted({booking.fill.symbol for booking in draft.commit.bookings if booking.created})
        created = created_last_hour(draft) if symbols else 0
        for symbol in symbols:
            many = too_many_in_an_hour(symbol, created, self._limits)
            regular = too_regular(symbol, created_times(draft, symbol), self._limits)
            for refusal in filter(None, (many, regular)):
                self.refused_creation(step, refusal)
        if symbols:
            self._panel.note(Breaker.CREATIONS_PER_HOUR, created)

    def standing(self, book: Book, now: datetime) -> list[Standing]:
        """Every breaker, as it is now."""
        return self._panel.standing(book, self._counted(now))

    def _counts_by(self, now: datetime) -> Counts:
        """What was counted, without what is too old by now."""
        counts = self._counts
        return replace(
            counts,
            sent=counts.sent.since(now - self._sent_within),
            traded=counts.traded.since(now - self._block),
            exceptions=counts.exceptions.since(now - self._exceptions_within),
            repeated={symbol: tally.since(now - self._repeated_within) for symbol, tally in counts.repeated.items()},
        )

    def _counted(self, now: datetime) -> dict[Breaker, Reading]:
        """What is counted within a time, without what is too old by now; and what is counted in a row."""
        counts = self._counts_by(now)
        again = {symbol: tally.total for symbol, tally in counts.repeated.items()}
        most = max(again, key=lambda symbol: again[symbol], default="")
        return {
            Breaker.ORDER_RATE: Reading(counts.sent.total, "", {}),
            Breaker.TRADES: Reading(counts.traded.total, "", {}),
            Breaker.EXCEPTIONS: Reading(counts.exceptions.total, "", {}),
            Breaker.LOSSES_IN_A_ROW: Reading(len(counts.losses), "", {}),
            Breaker.REJECTS_IN_A_ROW: Reading(len(counts.rejects), "", {}),
            Breaker.REPEATED_EXECUTION: Reading(again.get(most, 0), most, {}),
        }
