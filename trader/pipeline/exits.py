"""The side door: what has to go, decided from facts, past every gate.

A position that has to go is marked *closing* in its row. From then on, at every look, `pursue` asks what is still
missing to get out: first the working entry is cancelled, then one exit for everything held is sent, again after a
reject or a cancel, until nothing is held. No flag says "close order sent" (incident 1), nothing is forgotten on a
restart, and the one exit slot keeps live exits from ever exceeding what is held.
"""

from datetime import datetime

from trader.domain.decision import Close, ExitTicket, Purpose
from trader.domain.exit_plan import ExitReason, ExitRule, exit_due
from trader.domain.ledger import Position, PositionState
from trader.domain.market import Bar, Prices
from trader.domain.order import Order, PendingLock
from trader.domain.rules import Rules
from trader.domain.session import SessionDay
from trader.domain.symbol import option_of


def touched(position: Position, bar: Bar, prices: Prices, rules: Rules) -> Close | None:
    """Compare a finished bar with the levels of an open position: stop, then take-profit.

    A price that jumped by more than its symbol's collar triggers nothing until a second print confirms it: the next
    bar that touches the plan, however far it has moved in its turn.
    """
    if position.exit_plan is None or position.state is PositionState.CLOSING:
        return None
    reason = exit_due(position.exit_plan, bar)
    if reason is None:
        return None
    before = prices.before(position.symbol)
    confirmed = before is not None and exit_due(position.exit_plan, before) is not None
    if confirmed or prices.jump_ppm(position.symbol) <= rules.limits_of(position.symbol).collar_ppm:
        return Close(position.symbol, Purpose.EXIT, reason)
    return None


def held_too_long(position: Position, rule: ExitRule, now: datetime) -> Close | None:
    """The time stop."""
    if rule.time_stop_s and (now - position.opened_at).total_seconds() >= rule.time_stop_s:
        return Close(position.symbol, Purpose.EXIT, ExitReason.TIME_STOP)
    return None


def expires(symbol: str, rule: ExitRule, session: SessionDay | None, now: datetime) -> bool:
    """Whether an option has to be gone: so few days before its expiry, on its last trading day from the cut-off of
    entries on, and at any time after it.
    """
    if session is None or now < session.opens_at:
        return False
    expiry = option_of(symbol).expiry
    if (expiry - session.day).days <= rule.days_to_expiry and rule.days_to_expiry:
        return True
    return expiry < session.day or (expiry < session.next_day and now >= session.entries_stop_at)


def expiring(position: Position, rule: ExitRule, session: SessionDay | None, now: datetime) -> Close | None:
    """An option goes before it expires, also one that may be held overnight: it is never exercised or assigned."""
    if expires(position.symbol, rule, session, now):
        return Close(position.symbol, Purpose.EXIT, ExitReason.EXPIRY)
    return None


def closing_time(position: Position, session: SessionDay | None, now: datetime) -> Close | None:
    """Everything has to be flat at the close; what was left from an earlier session goes first of all."""
    if session is None:
        return None
    if session.must_be_flat_at(now):
        return Close(position.symbol, Purpose.EOD, ExitReason.EOD)
    if position.opened_at < session.opens_at <= now:
        return Close(position.symbol, Purpose.EOD, ExitReason.LEFT_OVERNIGHT)
    return None


def unprotected_at_close(
    position: Position, session: SessionDay | None, now: datetime, *, stopped: bool
) -> Close | None:
    """What may be held overnight goes at the close all the same, unless stops at the broker cover all of it."""
    if session is not None and session.must_be_flat_at(now) and not stopped:
        return Close(position.symbol, Purpose.EOD, ExitReason.EOD)
    return None


def pursue(
    position: Position, may_sell: int, live_exit: Order | None, entry: PendingLock | None
) -> ExitTicket | PendingLock | None:
    """The next step towards flat: an exit, the entry to cancel first, or None while the exit slot is taken.

    `may_sell`: shares that the broker is not known to lack; a sell beyond them would open a short.
    """
    if entry is not None:
        return entry
    if live_exit is not None or position.closing_purpose is None or not may_sell:
        return None
    return ExitTicket(position.symbol, may_sell, position.closing_purpose, position.closing_reason)
