"""Bugs of the adapter: protections between the Broker port and the wire, each taken away."""

from planting import Planted, put
from simulation.configuration import Broker

from trader.adapters.ibkr import orders, translate
from trader.adapters.ibkr.client_library import Order as WireOrder
from trader.adapters.ibkr.messages import Execution
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


def answers_tell_no_executions() -> None:
    """What was filled while nobody heard it is not booked when it is asked for."""
    executed = IbkrBroker._executed

    def only_unasked(self: IbkrBroker, execution: Execution) -> None:
        if execution.request_id == -1:
            executed(self, execution)

    put(IbkrBroker, "_executed", only_unasked)


BUGS: dict[str, Planted] = {
    "sent_twice": Planted(4, sent_twice, ("s0",), "received_at_most_once", Broker.GATEWAY),
    "one_share_more": Planted(2, one_share_more, ("s0",), "what_arrives_is_what_left", Broker.GATEWAY),
    "answers_tell_no_executions": Planted(
        39, answers_tell_no_executions, ("s4",), "nothing_is_left_unknown", Broker.GATEWAY
    ),
}
