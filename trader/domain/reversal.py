"""An execution that is undone: its shares, its cash and what it realised go back as they were booked, to the micro.

Rule 1: what undoes an execution is an execution of its own: the other side, the same quantity, price and time, and the
commission given back.
Rule 2: of a purchase its own lot goes, and the oldest ones for what was sold of it. More than is held cannot go.
Rule 3: of a sale the shares come back at what they had cost, as the first that will be sold again.
"""

from typing import NamedTuple

from trader.domain.decision import Purpose, Side
from trader.domain.exit_plan import ExitPlan
from trader.domain.family import Instrument
from trader.domain.ledger import Booked, Lot, Oversold, Position, PositionEvent, opened, use_lots
from trader.domain.order import Fill, reversal_of
from trader.domain.symbol import value_micros


class Reversal(NamedTuple):
    """An execution to be undone, and what it had realised."""

    original: Fill
    realized_micros: int

    @property
    def fill(self) -> Fill:
        """The execution that undoes it."""
        original = self.original
        return original._replace(
            execution_id=reversal_of(original.execution_id),
            side=Side.SELL if original.side is Side.BUY else Side.BUY,
            commission_micros=-original.commission_micros,
            corrects=(original.execution_id,),
        )

    @property
    def cost_micros(self) -> int:
        """Of a sale: what the shares had cost. Of a purchase: what it cost without commission."""
        value = self.original.value_micros
        if self.original.side is Side.BUY:
            return value
        return value - self.original.commission_micros - self.realized_micros

    @property
    def price_micros(self) -> int:
        """The same a share: where its exits are armed when its shares come back and nothing else is held."""
        return self.cost_micros // value_micros(self.original.symbol, self.original.quantity, 1)

    def book(self, position: Position | None, lots: tuple[Lot, ...], instrument: Instrument, plan: ExitPlan) -> Booked:
        """Apply it. `plan` arms a position that it makes non-zero. Raises Oversold when too few shares are held."""
        if self.original.side is Side.SELL:
            return self._give_back(position, lots, instrument, plan)
        held = position.quantity if position is not None else 0
        if position is None or self.original.quantity > held:
            raise Oversold(f"{self.original.execution_id} has bought {self.original.quantity}, and {held} are held")
        return self._take_back(position, lots)

    def _take_back(self, position: Position, lots: tuple[Lot, ...]) -> Booked:
        bought, fill = self.original, self.fill
        own = tuple(lot for lot in lots if lot.execution_id == bought.execution_id)
        others = tuple(lot for lot in lots if lot.execution_id != bought.execution_id)
        left, changed, cost = use_lots((*own, *others), bought.quantity)
        realized = self.cost_micros - cost - fill.commission_micros
        is_whole = sum(lot.remaining for lot in own) == bought.quantity
        after = position._replace(
            quantity=position.quantity - bought.quantity,
            cost_micros=position.cost_micros - cost,
            updated_at=fill.executed_at,
            bought=position.bought - bought.quantity * is_whole,
            bought_micros=position.bought_micros - self.cost_micros * is_whole,
            sold_micros=position.sold_micros + self.cost_micros * (not is_whole),
            realized_micros=position.realized_micros + realized,
        )
        if after.quantity:
            return Booked(after, left, changed, realized, None, created=False)
        never_was = not (after.bought or after.realized_micros)
        trip = None if never_was else after.round_trip(fill, Purpose.REVERSAL)
        return Booked(after.flat(), left, changed, realized, trip, created=False)

    def _give_back(
        self, position: Position | None, lots: tuple[Lot, ...], instrument: Instrument, plan: ExitPlan
    ) -> Booked:
        sold, fill, cost = self.original, self.fill, self.cost_micros
        lot = Lot(fill.execution_id, sold.symbol, sold.executed_at, sold.quantity, cost)
        realized = -self.realized_micros
        created = position is None or position.quantity == 0
        if created:
            after = opened(sold, instrument, plan, PositionEvent.BOUGHT, cost, realized)
        else:
            assert position is not None  # noqa: S101  (told to the type checker: `created` is false)
            of_this_position = position.bought - position.quantity >= sold.quantity
            after = position._replace(
                quantity=position.quantity + sold.quantity,
                cost_micros=position.cost_micros + cost,
                updated_at=sold.executed_at,
                bought=position.bought + sold.quantity * (not of_this_position),
                bought_micros=position.bought_micros + cost * (not of_this_position),
                sold_micros=position.sold_micros - sold.value_micros * of_this_position,
                realized_micros=position.realized_micros + realized,
            )
        return Booked(after, (lot, *lots), (lot,), realized, None, created)
