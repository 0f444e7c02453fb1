"""The id that a broker gives an order, against the reference that we gave it: one order has one of each.

An order that was changed while the connection was lost may be two orders at the broker, each of which can be filled.
What does not fit is never taken over: entries of the symbol are stopped until a person has looked.
"""

from collections.abc import Mapping

from trader.domain.events import JournalType, OrderIdentified
from trader.domain.order import Order
from trader.domain.portfolio import Halt
from trader.services.recent import Recent
from trader.services.step import Level, Step


class Identity:
    """Knows the broker's ids of live orders, and of those that ended lately."""

    def __init__(self, ended: Mapping[str, Order]) -> None:
        self._refs = Recent({str(order.perm_id): ref for ref, order in ended.items()})
        """The broker's id -> the reference of the order that had it first."""

    def hear(self, step: Step, told: OrderIdentified, order: Order) -> None:
        """Take over the broker's id of an order that had none; anything else is a break."""
        broken = self._why_broken(step, told, order)
        if broken:
            _break(step, told, order, broken)
            return
        self._refs.add(str(told.perm_id), order.ref, step.draft.now)
        if order.perm_id is None:
            step.draft.set_order(order._replace(perm_id=told.perm_id))

    def _why_broken(self, step: Step, told: OrderIdentified, order: Order) -> str:
        if order.perm_id not in (None, told.perm_id):
            return f"the broker has two orders under {order.ref}, permIds {order.perm_id} and {told.perm_id}"
        of_others = (other.ref for other in step.draft.orders.values() if other.perm_id == told.perm_id)
        owner = next(of_others, self._refs.get(str(told.perm_id))) or order.ref
        return (
            "" if owner == order.ref else f"the broker has one order, permId {told.perm_id}, as {owner} and {order.ref}"
        )


def _break(step: Step, told: OrderIdentified, order: Order, broken: str) -> None:
    symbol = order.symbol
    step.draft.note(JournalType.IDENTITY_BROKEN, symbol, order_ref=order.ref, perm_id=told.perm_id, what=broken)
    step.draft.halt(Halt("symbol", symbol, broken, step.draft.now))
    step.say(
        Level.ERROR,
        f"IDENTITY BROKEN {symbol}: {broken}; entries of it are stopped: look at both there, cancel the one too many, "
        f"then `trader resume --symbol {symbol} --reason ...` account={order.account}",
    )
