"""The side door: what has to go, decided from facts, past every gate.

A position that has to go is marked *closing* in its row. From then on, at every look, `pursue` asks what is still
missing to get out: first the working entry is cancelled, then one exit for everything held is sent, again after a
reject or a cancel, until nothing is held. No flag says "close order sent" (incident 1), nothing is forgotten on a
restart, and the one exit slot keeps live exits from ever exceeding what is held.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from trader.domain.decision import Close, ExitTicket, Purpose
from trader.domain.exit_plan import ExitReason, exit_due
from trader.domain.ledger import Position, PositionState
from trader.domain.market import Bar, Prices
from trader.domain.order import Order, PendingLock
from trader.domain.session import SessionDay
from trader.pipeline.session_window import MUST_BE_FLAT


def watch(positions: Iterable[Position], bars: dict[str, Bar], prices: Prices, jump_ppm: int) -> Iterator[Close]:
    """Compare finished bars with the exit plans of open positions.

    A price that jumped by more than `jump_ppm` triggers nothing until a second print confirms it: the next bar that
    touches the plan, however far it has moved in its turn.
    """
    for position in positions:
        bar = bars.get(position.symbol)
        if bar is None or position.exit_plan is None or position.state is PositionState.CLOSING:
            continue
        reason = exit_due(position.exit_plan, bar)
        if reason is None:
            continue
        before = prices.before(position.symbol)
        confirmed = before is not None and exit_due(position.exit_plan, before) is not None
        if confirmed or prices.jump_ppm(position.symbol) <= jump_ppm:
            yield Close(position.symbol, Purpose.EXIT, reason)


def closing_time(positions: Iterable[Position], session: SessionDay | None, now: datetime) -> Iterator[Close]:
    """Everything has to be flat at the close; what was left from an earlier session goes first of all."""
    if session is None:
        return
    must_be_flat = session.phase(now) in MUST_BE_FLAT
    for position in positions:
        if must_be_flat:
            yield Close(position.symbol, Purpose.EOD, ExitReason.EOD)
        elif position.opened_at < session.opens_at <= now:
            yield Close(position.symbol, Purpose.EOD, ExitReason.LEFT_OVERNIGHT)


def pursue(position: Position, live_exit: Order | None, entry: PendingLock | None) -> ExitTicket | PendingLock | None:
    """The next step towards flat: an exit, the entry to cancel first, or None while the exit slot is taken."""
    if entry is not None:
        return entry
    if live_exit is not None or position.closing_purpose is None:
        return None
    return ExitTicket(position.symbol, position.quantity, position.closing_purpose, position.closing_reason)
