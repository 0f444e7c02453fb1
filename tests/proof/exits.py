"""Exits as the gateway has them: they protect all that is held, and never could they sell more than that.

Orders of one group sell together what the largest of them sells; a child no more than its parent has bought.
"""

from collections import Counter
from collections.abc import Iterator

from gateway.book import Book
from gateway.orders import Order, Status

from proof.rig import ACCOUNT, NAME, Rig
from trader.domain.reference import is_order_ref


class Watch:
    """Looks at the gateway after every change of an order or an execution.

    What an exchange has taken back, or somebody has sold by hand, makes exits too large by no fault of the daemon's:
    what counts is that what they have sold and could still sell never grows beyond what was bought.
    """

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._sales: Counter[str] = Counter()
        rig.gateway.on_change(self._look)

    def _look(self) -> None:
        truth = self._rig.gateway.truth
        bought, sold = _traded(truth)
        for symbol in bought:
            asked, before = asked_to_sell(truth, symbol), self._sales[symbol]
            self._sales[symbol] = asked + sold[symbol]
            if self._sales[symbol] > max(before, bought[symbol]):
                at, held = f"{self._rig.clock.now():%H:%M:%S}", bought[symbol] - sold[symbol]
                self._rig.seen.append(f"{at} {symbol}: exits ask for {asked} shares of {held} held")


def asked_to_sell(truth: Book, symbol: str) -> int:
    """Shares that the live exits would sell, if all their prices came."""
    groups: Counter[str] = Counter()
    for order in _exits(truth, symbol):
        group = order.oca_group or str(order.perm_id)
        groups[group] = max(groups[group], _workable(truth, order))
    return groups.total()


def stopped(truth: Book, symbol: str) -> int:
    """Shares that stops would sell."""
    return sum(_workable(truth, order) for order in _exits(truth, symbol) if order.terms.stop is not None)


def _exits(truth: Book, symbol: str) -> Iterator[Order]:
    for order in truth.live():
        is_ours = order.account == ACCOUNT and is_order_ref(order.order_ref, NAME)
        if (
            is_ours
            and order.listing.symbol == symbol
            and not order.is_buy
            and order.status is not Status.PENDING_SUBMIT
        ):
            yield order


def _workable(truth: Book, order: Order) -> int:
    parent = truth.parent(order)
    if parent is None:
        return order.remaining
    return max(0, min(order.remaining, parent.filled - sum(child.filled for child in truth.children(parent))))


def _traded(truth: Book) -> tuple[Counter[str], Counter[str]]:
    """Shares that orders of ours have bought, and sold, by symbol."""
    bought, sold = Counter[str](), Counter[str]()
    for one in truth.executions:
        if _is_ours(one.order):
            (bought if one.order.is_buy else sold)[one.order.listing.symbol] += one.shares
    return bought, sold


def _is_ours(order: Order) -> bool:
    return order.account == ACCOUNT and is_order_ref(order.order_ref, NAME)
