"""The trading day as the engine lives it: which session, which phase, the day's counters, proof of flat.

All of it is decided from the clock and the facts at every look. The last phase is remembered only to journal its
change; nothing else depends on it.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from trader.domain.alarm import AlarmType
from trader.domain.decision import UNSTAMPED
from trader.domain.events import JournalType
from trader.domain.ledger import Position, PositionState
from trader.domain.market import Prices
from trader.domain.portfolio import Day
from trader.domain.rules import Rules
from trader.domain.session import Calendar, Phase, SessionDay, new_york_date, new_york_day
from trader.services.draft import Draft
from trader.services.step import Level, Step

_SESSIONS_OF_DAY_TRADES = 5
_PAGE_AFTER_CLOSE = timedelta(minutes=15)


class MarketDay:
    """The session that `now` belongs to."""

    def __init__(self, calendar: Calendar, rules: Rules) -> None:
        self._calendar = calendar
        self._rules = rules
        self._session: SessionDay | None = None
        self._known_from = datetime.max.replace(tzinfo=UTC)
        self._known_until = datetime.min.replace(tzinfo=UTC)
        self._phase: Phase | None = None
        self._flat_proven: SessionDay | None = None
        self._page_at = UNSTAMPED
        self._left_told: date | None = None
        self._interval = timedelta(minutes=1)

    @property
    def phase(self) -> str:
        """The phase at the last look."""
        return self._phase.value if self._phase is not None else "not started"

    def session(self, now: datetime, interval: timedelta) -> SessionDay | None:
        """The session of the New York date of `now`, its cut-offs on the grid of the bars."""
        if not self._known_from <= now < self._known_until or interval != self._interval:
            day = new_york_date(now)
            self._known_from, self._known_until = new_york_day(day)
            session = self._calendar.session(day)
            self._session = session.on_grid(interval) if session is not None else None
            self._interval = interval
        return self._session

    def forget(self) -> None:
        """What was said of the day has not been written: it will be said again."""
        self._phase = self._flat_proven = self._left_told = None
        self._page_at = UNSTAMPED

    def look(self, step: Step, prices: Prices) -> SessionDay | None:
        """Journal a change of phase, start the day's counters, prove flat; give the session."""
        now = step.draft.now
        session = self.session(now, prices.interval)
        phase = session.phase(now) if session is not None else Phase.CLOSED
        if phase is not self._phase:
            self._change(step, session, phase)
        if session is not None and phase is not Phase.CLOSED:
            self._start_day(step, session, prices)
        if session is not None and now >= session.flat_by_at:
            self._prove_flat(step, session, prices.interval)
        elif phase is Phase.CLOSED and (left := self._to_close(step.draft)):
            self._report_left(step, left)
        return session

    def _change(self, step: Step, session: SessionDay | None, phase: Phase) -> None:
        before, self._phase = self._phase, phase
        if session is not None:
            step.draft.forget_day_trades(self._calendar.sessions_back(session.day, _SESSIONS_OF_DAY_TRADES - 1))
        day = session.day.isoformat() if session is not None else ""
        half_day = session is not None and session.half_day
        step.draft.note(JournalType.PHASE, phase=phase, before=before or "", day=day, half_day=half_day)
        step.say(Level.INFO, f"SESSION {day} {phase}{' (half day)' if half_day else ''} account={step.draft.account}")

    def _start_day(self, step: Step, session: SessionDay, prices: Prices) -> None:
        draft = step.draft
        if draft.day is not None and draft.day.day >= session.day:  # a clock that was set back begins no day again
            return
        equity = draft.cash_micros + prices.worth_micros(draft.positions.values())
        draft.start_day(Day(session.day, draft.now, equity))
        draft.note(JournalType.DAY_STARTED, day=session.day.isoformat(), opening_equity_micros=equity)
        for position in self._to_close(draft):
            if position.opened_at < session.opens_at:
                draft.note(JournalType.LEFT_OVERNIGHT, position.symbol, quantity=position.quantity)
                step.say(
                    Level.ERROR,
                    f"LEFT OVERNIGHT {position.symbol} {position.quantity}: should have been closed; closing it first "
                    f"account={draft.account}",
                )

    def _prove_flat(self, step: Step, session: SessionDay, interval: timedelta) -> None:
        """Once: the proof. Until then pages, each bar and after the close each quarter of an hour; also when a late
        execution or an adoption undoes what was proven."""
        draft, left = step.draft, self._to_close(step.draft)
        working = [
            order for order in draft.orders.values() if not (order.rests and self._may_stay(draft, order.symbol))
        ]
        if not left and not working:
            if self._flat_proven == session:
                return
            self._flat_proven = session
            foreign = ", ".join(f"{drift.symbol} {drift.broker}" for drift in draft.drift.values())
            stays = _in_words(draft.positions.values())
            day = session.day.isoformat()
            draft.note(JournalType.FLAT_PROVEN, day=day, positions=0, orders=0, foreign=foreign, overnight=stays)
            besides = f" besides foreign {foreign}" if foreign else ""
            besides += f" besides {stays} overnight, behind stops at the broker" if stays else ""
            step.say(Level.INFO, f"FLAT PROVEN {session.day} positions=0 orders=0{besides} account={draft.account}")
            return
        self._flat_proven = None
        if draft.now >= self._page_at:
            self._page_at = draft.now + (interval if draft.now < session.closes_at else _PAGE_AFTER_CLOSE)
            self._page(step, session, _in_words(left), len(working))

    def _to_close(self, draft: Draft) -> list[Position]:
        """Positions that may not be held over the close, or are on their way out."""
        return [position for position in draft.positions.values() if not self._may_stay(draft, position.symbol)]

    def _may_stay(self, draft: Draft, symbol: str) -> bool:
        position = draft.positions.get(symbol)
        is_held = position is not None and position.state is not PositionState.CLOSING
        return is_held and self._rules.exit_rule(symbol).overnight

    def _page(self, step: Step, session: SessionDay, held: str, working: int) -> None:
        draft, left = step.draft, session.closes_at - step.draft.now
        draft.note(
            JournalType.NOT_FLAT,
            day=session.day.isoformat(),
            held=held,
            orders=working,
            after_close=left <= timedelta(),
        )
        step.say(
            Level.ERROR,
            f"NOT FLAT {session.day}: {held or 'no position'}, {working} orders working, "
            f"{left.total_seconds() / 60:.0f} min to the close account={draft.account}",
        )

    def _report_left(self, step: Step, left: list[Position]) -> None:
        """Positions while nothing trades: said once a date, closed at the next open before any entry."""
        day = new_york_date(step.draft.now)
        if self._left_told == day:
            return
        self._left_told = day
        held = _in_words(left)
        step.draft.alarm(AlarmType.HELD_WHILE_CLOSED, "", f"held while the market is closed: {held}")
        step.say(
            Level.ERROR,
            f"HELD WHILE CLOSED {held}: closes at the next open, before any entry account={step.draft.account}",
        )


def _in_words(positions: Iterable[Position]) -> str:
    return ", ".join(sorted(f"{position.symbol} {position.quantity}" for position in positions))
