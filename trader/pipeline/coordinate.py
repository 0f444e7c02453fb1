"""Allocation -> Intent: never long and inverse in one family.

A family is looked at as a whole: positions, working orders and orders of unknown fate. Whatever is not the wanted
instrument is closed or cancelled first, and the opening waits until the family is proved to hold nothing else
(incident 1: opens that went out before the closes had filled).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from trader.domain.decision import Allocation, Close, Intent, Purpose, Refusal, Rule, Stage
from trader.domain.exit_plan import ExitReason
from trader.domain.family import Families, Family
from trader.domain.ledger import Position, PositionState
from trader.domain.portfolio import Portfolio


class Coordination(NamedTuple):
    """What has to go, and either an intent or the reason why there is none. Cash asked for has neither."""

    closes: tuple[Close, ...] = ()
    cancels: tuple[str, ...] = ()
    intent: Intent | None = None
    refusal: Refusal | None = None


def coordinate(allocation: Allocation, families: Families, portfolio: Portfolio, now: datetime) -> Coordination:
    """Resolve one family for one allocation."""
    family = families.family(allocation.family)
    closes, cancels = _in_the_way(allocation, family, portfolio)
    wanted = allocation.symbol
    if wanted is None:
        return Coordination(closes, cancels)
    refusal = _obstacle(wanted, family, portfolio, now, waits=bool(closes or cancels))
    if refusal is not None:
        return Coordination(closes, cancels, refusal=refusal)
    direction = families.instrument(wanted).direction
    return Coordination(intent=Intent(allocation.signal, family.name, wanted, direction))


def _in_the_way(
    allocation: Allocation, family: Family, portfolio: Portfolio
) -> tuple[tuple[Close, ...], tuple[str, ...]]:
    """Held and working members that are not the wanted one."""
    reason = ExitReason.SIGNAL if allocation.symbol is None else ExitReason.TURN
    others = [symbol for symbol in family.members if symbol != allocation.symbol]
    if not others:
        return (), ()
    closes = tuple(
        Close(symbol, Purpose.EXIT, reason, allocation.signal.id) for symbol in others if symbol in portfolio.positions
    )
    cancels = tuple(portfolio.locks[symbol].order_ref for symbol in others if symbol in portfolio.locks)
    return closes, cancels


def _obstacle(wanted: str, family: Family, portfolio: Portfolio, now: datetime, *, waits: bool) -> Refusal | None:
    """Why the wanted instrument may not be bought now, or None."""
    if wanted in portfolio.locks:
        return Refusal(Stage.CONFLICT, Rule.SYMBOL_LOCKED, wanted, detail=portfolio.locks[wanted].order_ref)
    if portfolio.unknown:
        for symbol in family.members:
            if symbol in portfolio.unknown:
                return Refusal(
                    Stage.CONFLICT, Rule.UNKNOWN_ORDER, wanted, detail=f"{symbol} has an order of unknown fate"
                )
    for symbol in family.members if portfolio.drift else ():
        if symbol in portfolio.drift:
            drift = portfolio.drift[symbol]
            return Refusal(Stage.CONFLICT, Rule.DRIFT, wanted, drift.broker, drift.book, f"{symbol}: {drift.what}")
    if waits:
        return Refusal(Stage.CONFLICT, Rule.TURNING, wanted, detail="the rest of the family has to be flat first")
    position = portfolio.positions.get(wanted)
    if position is not None and position.state is PositionState.CLOSING:
        return Refusal(Stage.CONFLICT, Rule.CLOSING, wanted, detail=position.closing_reason)
    opened_at = portfolio.opened_at.get(family.name)
    if opened_at is not None and _minute(opened_at) == _minute(now):
        return Refusal(Stage.CONFLICT, Rule.ONE_OPENING_PER_BAR, wanted)
    return None


def _minute(at: datetime) -> datetime:
    """The bar that an instant is of, also for a signal from outside, which may come at any time in it."""
    return at.replace(second=0, microsecond=0)


def conflicting(family: Family, positions: Mapping[str, Position]) -> bool:
    """Whether long and inverse members are held at once, and none of the sides is on its way out.

    Only possible for what was found at start and for executions that nobody expected.
    """
    held = [positions[symbol] for symbol in family.members if symbol in positions]
    return len({position.direction for position in held if position.state is not PositionState.CLOSING}) > 1
