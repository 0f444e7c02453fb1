"""Bugs of the adapter: protections between the Broker port and the wire, each taken away."""

from planting import Planted, put
from simulation.configuration import Broker

from trader.adapters.ibkr import orders, translate
from trader.adapters.ibkr.client_library import Order as WireOrder
from trader.adapters.ibkr.orders import IbkrBroker
from trader.domain.order import Order


def sent_twice() -> None:
    """What leaves is sent again, under another id."""
    send = IbkrBroker._send_now

    def twice(self: IbkrBroker, bundle: orders._Bundle) -> None:
        send(self, bundle)
        send(self, bundle)

    put(IbkrBroker, "_send_now", twice)


def one_share_more() -> None:
    """The wire's order is for more than was decided."""
    wire_order = translate.wire_order

    def more(order: Order, account: str) -> WireOrder:
        wired = wire_order(order, account)
        wired.totalQuantity += 1
        return wired

    put(orders, "wire_order", more)


BUGS: dict[str, Planted] = {
    "sent_twice": Planted(4, sent_twice, ("s0",), "received_at_most_once", Broker.GATEWAY),
    "one_share_more": Planted(2, one_share_more, ("s0",), "what_arrives_is_what_left", Broker.GATEWAY),
}
