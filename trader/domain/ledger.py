"""Positions and lots, and what one fill does to them.

Rule 1: long only. A sell of more than is held is not booked as a short: it raises, and the account stops.
Rule 2: lots are used up first in, first out. A lot's cost is carried in micros and never divided before it is sold,
so the cost of all parts of a lot sums to the cost of the lot, to the micro.
Rule 3: a position is non-zero if and only if it has an exit plan.
"""

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from trader.domain.decision import Purpose, Side
from trader.domain.exit_plan import ExitPlan
from trader.domain.family import Instrument
from trader.domain.order import Fill
from trader.domain.session import new_york_date
from trader.domain.symbol import value_micros


class PositionState(StrEnum):
    """`OPENING`: shares are held and their entry still works. `CLOSING` counts as held until the last share is sold."""

    FLAT = "flat"
    OPENING = "opening"
    OPEN = "open"
    CLOSING = "closing"


class PositionEvent(StrEnum):
    """What can happen to a position."""

    BOUGHT_IN_PART = "bought_in_part"
    """The entry still works."""
    BOUGHT = "bought"
    ENTRY_ENDED = "entry_ended"
    CLOSE_ASKED = "close_asked"
    SOLD_IN_PART = "sold_in_part"
    SOLD_OUT = "sold_out"


_S, _E = PositionState, PositionEvent

POSITION_TRANSITIONS: dict[PositionState, dict[PositionEvent, PositionState]] = {
    _S.FLAT: {
        _E.BOUGHT_IN_PART: _S.OPENING,
        _E.BOUGHT: _S.OPEN,
    },
    _S.OPENING: {
        _E.BOUGHT_IN_PART: _S.OPENING,
        _E.BOUGHT: _S.OPEN,
        _E.ENTRY_ENDED: _S.OPEN,
        _E.CLOSE_ASKED: _S.CLOSING,
        _E.SOLD_IN_PART: _S.OPENING,
        _E.SOLD_OUT: _S.FLAT,
    },
    _S.OPEN: {
        _E.BOUGHT_IN_PART: _S.OPEN,  # an addition to what is held
        _E.BOUGHT: _S.OPEN,
        _E.ENTRY_ENDED: _S.OPEN,
        _E.CLOSE_ASKED: _S.CLOSING,
        _E.SOLD_IN_PART: _S.OPEN,
        _E.SOLD_OUT: _S.FLAT,
    },
    # Real-world rows: an entry may be filled while its position is on its way out. It is held, and goes out too.
    _S.CLOSING: {
        _E.BOUGHT_IN_PART: _S.CLOSING,
        _E.BOUGHT: _S.CLOSING,
        _E.ENTRY_ENDED: _S.CLOSING,
        _E.CLOSE_ASKED: _S.CLOSING,
        _E.SOLD_IN_PART: _S.CLOSING,
        _E.SOLD_OUT: _S.FLAT,
    },
}
"""The one table; the database keeps it as constraints (`a_position_only_moves_on`)."""


class Oversold(ValueError):
    """A fill sells more than is held. The book cannot express a short; the account must stop."""


class Lot(NamedTuple):
    """Shares bought by one execution and not yet sold. `cost_micros` is the cost of what remains, commission apart."""

    execution_id: str
    symbol: str
    opened_at: datetime
    remaining: int
    cost_micros: int


class Position(NamedTuple):
    """What is held of one symbol in one account, from flat to flat. Every quantity is in shares, or contracts."""

    account: str
    symbol: str
    family: str
    direction: int
    quantity: int
    cost_micros: int
    exit_plan: ExitPlan | None
    state: PositionState
    closing_purpose: Purpose | None
    closing_reason: str
    opened_at: datetime
    updated_at: datetime
    bought: int
    bought_micros: int
    sold_micros: int
    realized_micros: int

    @property
    def avg_cost_micros(self) -> int:
        """Average cost of a share without commission, of an option its premium a share; 0 when flat."""
        return self.cost_micros // value_micros(self.symbol, self.quantity, 1) if self.quantity else 0

    def closing(self, purpose: Purpose, reason: str, now: datetime) -> "Position":
        """The same position, on its way out. The first reason stays."""
        if self.state is PositionState.CLOSING:
            return self
        state = POSITION_TRANSITIONS[self.state][PositionEvent.CLOSE_ASKED]
        return self._replace(state=state, closing_purpose=purpose, closing_reason=reason, updated_at=now)

    def entry_ended(self, now: datetime) -> "Position":
        """The same position, now that its entry works no more."""
        state = POSITION_TRANSITIONS[self.state][PositionEvent.ENTRY_ENDED]
        return self if state is self.state else self._replace(state=state, updated_at=now)

    def tightened(self, stop_micros: int, now: datetime) -> "Position":
        """The same position with a higher stop, where that is higher than the one it has."""
        if self.exit_plan is None:
            return self
        plan = self.exit_plan.tightened(stop_micros)
        return self if plan is self.exit_plan else self._replace(exit_plan=plan, updated_at=now)

    def flat(self) -> "Position":
        """The same position, of which no share is left."""
        return self._replace(
            exit_plan=None,
            state=POSITION_TRANSITIONS[self.state][PositionEvent.SOLD_OUT],
            closing_purpose=None,
            closing_reason="",
            cost_micros=0,
        )

    def charged(self, commission_micros: int) -> "Position":
        """The same position after a commission that was told late."""
        return self._replace(realized_micros=self.realized_micros - commission_micros)

    def round_trip(self, last: Fill, purpose: str) -> "RoundTrip":
        """What it was from flat to its last execution; `purpose` is the reason where it was not on its way out."""
        return RoundTrip(
            account=self.account,
            symbol=self.symbol,
            opened_at=self.opened_at,
            closed_at=last.executed_at,
            quantity=self.bought,
            bought_micros=self.bought_micros,
            sold_micros=self.sold_micros,
            pnl_micros=self.realized_micros,
            exit_reason=self.closing_reason or purpose,
            closed_by=last.execution_id,
        )


def shares_held(positions: Mapping[str, Position], symbol: str) -> int:
    """Shares of a symbol; 0 for one that is not held."""
    position = positions.get(symbol)
    return position.quantity if position is not None else 0


class RoundTrip(NamedTuple):
    """A finished position, from flat to flat. P&L includes every commission of it."""

    account: str
    symbol: str
    opened_at: datetime
    closed_at: datetime
    quantity: int
    bought_micros: int
    sold_micros: int
    pnl_micros: int
    exit_reason: str
    closed_by: str
    """The execution that left nothing: what was booked after it belongs to the next position."""

    def charged(self, commission_micros: int) -> "RoundTrip":
        """The same after a commission that was told late."""
        return self._replace(pnl_micros=self.pnl_micros - commission_micros)


def day_traded_on(opened_at: datetime, closed_at: datetime) -> date | None:
    """The exchange date of a round trip that began and ended on it; None of one that was held overnight."""
    closed_on = new_york_date(closed_at)
    return closed_on if new_york_date(opened_at) == closed_on else None


class Booked(NamedTuple):
    """Everything that follows from one fill, ledger-wise."""

    position: Position
    lots: tuple[Lot, ...]
    changed_lots: tuple[Lot, ...]
    realized_micros: int
    round_trip: RoundTrip | None
    created: bool
    """The fill made the position non-zero."""


def book_fill(
    position: Position | None,
    lots: tuple[Lot, ...],
    fill: Fill,
    instrument: Instrument,
    plan: ExitPlan,
    purpose: str,
    *,
    entry_works_on: bool = False,
) -> Booked:
    """Apply one execution. `plan` arms a position that the fill makes non-zero and is ignored otherwise.

    `entry_works_on`: the fill is a part of an entry whose rest still works. `purpose` is the reason of a round trip
    that ends without having been on its way out, as by a correction.

    Realised P&L of a fill is its proceeds less the cost of the lots it used, less its own commission; a buy realises
    its commission. Raises Oversold when a sell exceeds what is held.
    """
    if fill.side is Side.BUY:
        bought = PositionEvent.BOUGHT_IN_PART if entry_works_on else PositionEvent.BOUGHT
        return _book_buy(position, lots, fill, instrument, plan, bought)
    return _book_sell(position, lots, fill, purpose)


def opened(
    fill: Fill,
    instrument: Instrument,
    plan: ExitPlan,
    bought: PositionEvent,
    cost_micros: int,
    realized_micros: int,
) -> Position:
    """The position that an execution's shares begin, at a cost."""
    return Position(
        account=fill.account,
        symbol=fill.symbol,
        family=instrument.family,
        direction=instrument.direction,
        quantity=fill.quantity,
        cost_micros=cost_micros,
        exit_plan=plan,
        state=POSITION_TRANSITIONS[PositionState.FLAT][bought],
        closing_purpose=None,
        closing_reason="",
        opened_at=fill.executed_at,
        updated_at=fill.executed_at,
        bought=fill.quantity,
        bought_micros=cost_micros,
        sold_micros=0,
        realized_micros=realized_micros,
    )


def _book_buy(
    position: Position | None,
    lots: tuple[Lot, ...],
    fill: Fill,
    instrument: Instrument,
    plan: ExitPlan,
    bought: PositionEvent,
) -> Booked:
    value = fill.value_micros
    lot = Lot(fill.execution_id, fill.symbol, fill.executed_at, fill.quantity, value)
    created = position is None or position.quantity == 0
    if created:
        after = opened(fill, instrument, plan, bought, value, -fill.commission_micros)
    else:
        assert position is not None  # noqa: S101  (told to the type checker: `created` is false)
        after = position._replace(
            quantity=position.quantity + fill.quantity,
            cost_micros=position.cost_micros + value,
            state=POSITION_TRANSITIONS[position.state][bought],
            updated_at=fill.executed_at,
            bought=position.bought + fill.quantity,
            bought_micros=position.bought_micros + value,
            realized_micros=position.realized_micros - fill.commission_micros,
        )
    return Booked(after, (*lots, lot), (lot,), -fill.commission_micros, None, created)


def _book_sell(position: Position | None, lots: tuple[Lot, ...], fill: Fill, purpose: str) -> Booked:
    held = position.quantity if position is not None else 0
    if position is None or fill.quantity > held:
        raise Oversold(f"{fill.symbol}: execution {fill.execution_id} sells {fill.quantity} of {held} held")
    left, changed, cost = use_lots(lots, fill.quantity)
    value = fill.value_micros
    realized = value - cost - fill.commission_micros
    after = position._replace(
        quantity=held - fill.quantity,
        cost_micros=position.cost_micros - cost,
        updated_at=fill.executed_at,
        sold_micros=position.sold_micros + value,
        realized_micros=position.realized_micros + realized,
    )
    if after.quantity:
        return Booked(after, left, changed, realized, None, created=False)
    return Booked(after.flat(), left, changed, realized, after.round_trip(fill, purpose), created=False)


def use_lots(lots: tuple[Lot, ...], quantity: int) -> tuple[tuple[Lot, ...], tuple[Lot, ...], int]:
    """Take shares from the oldest lots: what is left, which lots changed, and the cost of what was taken."""
    changed: list[Lot] = []
    cost = 0
    for lot in lots:
        taken = min(quantity, lot.remaining)
        lot_cost = lot.cost_micros * taken // lot.remaining
        changed.append(lot._replace(remaining=lot.remaining - taken, cost_micros=lot.cost_micros - lot_cost))
        cost += lot_cost
        quantity -= taken
        if not quantity:
            break
    left = (*(lot for lot in changed if lot.remaining), *lots[len(changed) :])
    return left, tuple(changed), cost
