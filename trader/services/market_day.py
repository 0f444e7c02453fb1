"""The trading day as the engine lives it: which session, which phase, the day's counters, proof of flat.

All of it is decided from the clock and the facts at every look. The last phase is remembered only to journal its
change; nothing else depends on it.
"""

from datetime import UTC, datetime, timedelta

from trader.domain.events import JournalType
from trader.domain.market import Prices
from trader.domain.portfolio import Day
from trader.domain.session import Calendar, Phase, SessionDay, new_york_date, new_york_day
from trader.services.step import Level, Step

_SESSIONS_OF_DAY_TRADES = 5


class MarketDay:
    """The session that `now` belongs to."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._session: SessionDay | None = None
        self._known_from = datetime.max.replace(tzinfo=UTC)
        self._known_until = datetime.min.replace(tzinfo=UTC)
        self._phase: Phase | None = None
        self._flat_proven: SessionDay | None = None
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
        self._phase = self._flat_proven = None

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
            self._prove_flat(step, session)
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
        if draft.day is not None and draft.day.day == session.day:
            return
        equity = draft.cash_micros + prices.worth_micros(draft.positions.values())
        draft.start_day(Day(session.day, draft.now, equity))
        draft.note(JournalType.DAY_STARTED, day=session.day.isoformat(), opening_equity_micros=equity)
        for position in draft.positions.values():
            if position.opened_at < session.opens_at:
                draft.note(JournalType.LEFT_OVERNIGHT, position.symbol, quantity=position.quantity)
                step.say(
                    Level.ERROR,
                    f"LEFT OVERNIGHT {position.symbol} {position.quantity}: should have been closed; closing it first "
                    f"account={draft.account}",
                )

    def _prove_flat(self, step: Step, session: SessionDay) -> None:
        """Once: the proof. Until then, at every look: an alarm that gets louder with the time left."""
        if self._flat_proven == session:
            return
        draft = step.draft
        open_now = {position.symbol: position.quantity for position in draft.positions.values()}
        working = sorted(draft.orders)
        if not open_now and not working:
            self._flat_proven = session
            draft.note(JournalType.FLAT_PROVEN, day=session.day.isoformat(), positions=0, orders=0)
            step.say(Level.INFO, f"FLAT PROVEN {session.day} positions=0 orders=0 account={draft.account}")
            return
        held = ", ".join(f"{symbol} {quantity}" for symbol, quantity in sorted(open_now.items()))
        late = draft.now >= session.closes_at
        if late:
            self._flat_proven = session  # the day is over; the next session closes what is left, first
        draft.note(JournalType.NOT_FLAT, day=session.day.isoformat(), held=held, orders=len(working), after_close=late)
        step.say(
            Level.ERROR,
            f"NOT FLAT {session.day}: {held or 'no position'}, {len(working)} orders working, "
            f"{(session.closes_at - draft.now).total_seconds() / 60:.0f} min to the close account={draft.account}",
        )
