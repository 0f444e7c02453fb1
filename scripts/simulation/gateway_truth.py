"""What is true at the gateway, in the form in which it is compared with the book."""

from collections.abc import Mapping
from decimal import Decimal

from gateway import Gateway
from gateway.orders import Execution, Status
from gateway.orders import Order as GatewayOrder

from simulation.configuration import ACCOUNT
from simulation.truth import Truth
from trader.domain.decision import Side
from trader.domain.events import Ended
from trader.domain.market import Bar
from trader.domain.money import MICROS_PER_DOLLAR
from trader.domain.order import Fill, Order

OTHER_ACCOUNT = "DU2000002"


class GatewayTruth(Truth):
    """Of our account there; what carries no reference that was ever sent is foreign."""

    def __init__(self, gateway: Gateway, sent: Mapping[str, Order]) -> None:
        """`sent`: every order that has left a daemon, by reference."""
        super().__init__()
        self._gateway = gateway
        self._sent = sent
        self._seen = 0
        self._live: list[GatewayOrder] = []
        self._not_ours: dict[str, int] = {}
        """Executions of other hands: the shares of each, as it now stands."""
        gateway.truth.on_record = self._record

    @property
    def cash_micros(self) -> int:
        """The account's."""
        return _micros(self._gateway.truth.cash(ACCOUNT))

    def look(self) -> None:
        """Take in the orders that have come and ended."""
        orders = self._gateway.truth.orders
        for order in orders[self._seen :]:
            if order.order_ref in self._sent:
                self._receive(order, self._sent[order.order_ref])
        self._seen = len(orders)
        for order in [order for order in self._live if order.is_done]:
            self._live.remove(order)
            is_refused = order.status is Status.INACTIVE and not order.filled
            self.ended[order.order_ref] = Ended(self.filled(order.order_ref), order.status.value, is_refused)

    def _receive(self, order: GatewayOrder, sent: Order) -> None:
        self.received[sent.ref] = sent
        self.arrivals[sent.ref] += 1
        self._live.append(order)
        came = (order.account, order.listing.symbol, order.is_buy, order.terms.quantity, order.outside_rth)
        if came != (ACCOUNT, sent.symbol, sent.side is Side.BUY, sent.quantity, False):
            self.distorted.append(f"order {sent.ref} was to be {sent.side} {sent.quantity} {sent.symbol}, came {came}")

    def buy_by_hand(self, bar: Bar, shares: int) -> None:
        """In TWS, at the last price."""
        self._gateway.announce(self._gateway.place_by_hand(ACCOUNT, bar.symbol, "BUY", shares))

    def endow(self, symbol: str, shares: int, price: Decimal) -> None:
        """Shares come in from elsewhere."""
        self.foreign[symbol] += shares
        self._gateway.endow(ACCOUNT, symbol, shares, price)

    def _record(self, execution: Execution) -> None:
        """An execution, or a revision of one."""
        order = execution.order
        if order.account != ACCOUNT:
            return
        if order.order_ref in self._sent:
            self._book(_fill(execution, self._sent[order.order_ref].account))
        else:
            before = self._not_ours.get(execution.root, 0)
            self.foreign[order.listing.symbol] += execution.signed_shares - before
            self._not_ours[execution.root] = execution.signed_shares

    def _book(self, fill: Fill) -> None:
        first = fill.corrects[0] if fill.corrects else fill.execution_id
        before = self.executions.get(first)
        self.executed(fill)
        self.executions[first] = self.revisions[fill.execution_id] = fill
        self.charged_late.add(fill.execution_id)
        self.shares[fill.symbol] += fill.signed_quantity - (before.signed_quantity if before else 0)
        self._filled[fill.order_ref] += fill.quantity - (before.quantity if before else 0)
        if before is None:
            self._executed[fill.order_ref] += fill.quantity
        if (ended := self.ended.get(fill.order_ref)) is not None:
            self.ended[fill.order_ref] = ended._replace(filled=self._filled[fill.order_ref])


def _fill(execution: Execution, account: str) -> Fill:
    order, revision = execution.order, int(execution.exec_id.rpartition(".")[2])
    return Fill(
        execution.exec_id,
        order.order_ref,
        account,
        order.listing.symbol,
        Side.BUY if order.is_buy else Side.SELL,
        execution.shares,
        _micros(execution.price),
        _micros(execution.commission_usd),
        execution.at,
        tuple(f"{execution.root}.{number:02}" for number in range(1, revision)),
    )


def _micros(dollars: Decimal) -> int:
    return int(dollars * MICROS_PER_DOLLAR)
