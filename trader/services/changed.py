"""Orders that somebody has changed at the broker: the price of a stop, the shares of an exit.

Rule 1: an order is what the book says. One that is not any more is taken back, of protection the whole pair, and what
is still wanted is placed anew, as the book has it. It is not modified: what crosses an outage may be two orders.
Rule 2: nothing new leaves before the broker has ended what was changed. Meanwhile the exit scanner watches our levels.
Rule 3: fewer shares than expected count when that lasts: the broker takes shares off a stop itself when its target
sells, and may show that before the sale.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from trader.domain.alarm import AlarmType
from trader.domain.events import OrderShown
from trader.domain.order import Order
from trader.domain.terms import Terms
from trader.services.cancelling import Cancelling
from trader.services.draft import Draft
from trader.services.protecting import Protecting, guards_of
from trader.services.step import Level, Step

_PATIENCE = timedelta(seconds=10)


class _Shown(NamedTuple):
    """How the broker has shown an order last, and since when."""

    terms: Terms
    since: datetime
    is_told: bool = False
    """A person knows."""


class Changed:
    """Remembers how orders were shown, as far as their steps have happened."""

    def __init__(self, cancelling: Cancelling, protecting: Protecting) -> None:
        self._cancelling = cancelling
        self._protecting = protecting
        self._shown: dict[str, _Shown] = {}
        self._before: dict[str, _Shown] = {}
        """The same when the step began."""

    def hear(self, step: Step, told: OrderShown) -> None:
        """Take in how the broker has an order."""
        self._shown[told.order_ref] = _Shown(told.terms, step.draft.now)

    def look(self, step: Step, *, trades: bool) -> None:
        """Take back what is not as the book has it; while the market does not trade only what would sell more."""
        for ref, shown in list(self._shown.items()):
            order = step.draft.orders.get(ref)
            if order is None:
                del self._shown[ref]
            elif trades or shown.terms.quantity > order.quantity:
                self._compare(step, order, shown)

    def _compare(self, step: Step, order: Order, shown: _Shown) -> None:
        lasts = abs(step.draft.now - shown.since) >= _PATIENCE
        changes = shown.terms.changes(order, _fewest(step.draft, order) if lasts else 0)
        if not changes:
            return
        unwanted = _to_take_back(step.draft, order)
        if not shown.is_told:
            self._shown[order.ref] = shown._replace(is_told=True)
            _tell(step, order, changes)
            for each in unwanted:
                self._protecting.failed(each._replace(updated_at=step.draft.now))
        for each in unwanted:
            self._cancelling.ask(step, each.ref, f"somebody has changed {order.ref}: {changes}")

    def happened(self) -> None:
        """The step is over: what it has heard is heard."""
        self._before = dict(self._shown)

    def not_happened(self) -> None:
        """The step is thrown away: what was asked back in it is asked back again."""
        self._shown = dict(self._before)


def _to_take_back(draft: Draft, order: Order) -> list[Order]:
    """Itself, and of protection whatever lives of its group."""
    return (
        [each for each in draft.protection(order.symbol) if each.oca == order.oca] if order.is_protection else [order]
    )


def _fewest(draft: Draft, order: Order) -> int:
    """The least number of shares with which an order still does what it is for.

    Protection has to sell what its pair still stands for; filled shares count among those of an order.
    """
    if not order.is_protection:
        return order.quantity
    position = draft.positions.get(order.symbol)
    if position is None:
        return 0
    return order.filled + min(guards_of(draft, order.symbol).held_by(order.oca), draft.may_sell(position))


def _tell(step: Step, order: Order, changes: str) -> None:
    what = f"{order.ref} of {order.symbol}: {changes}; not by us"
    step.draft.alarm(AlarmType.CHANGED_AT_BROKER, order.symbol, what)
    step.say(
        Level.ERROR,
        f"ORDER CHANGED AT THE BROKER {what}; it is taken back, and what is still wanted is placed anew; other levels "
        f"are a matter of the configuration, and `trader flatten --symbol {order.symbol}` gets out "
        f"account={order.account}",
    )
