"""Bugs of the adapter: protections between the Broker port and the wire, each taken away."""

from collections.abc import Collection

from planting import Planted, put
from simulation.configuration import Broker

from trader.adapters.ibkr import orders, translate
from trader.adapters.ibkr.asking import Asking
from trader.adapters.ibkr.client_library import Order as WireOrder
from trader.adapters.ibkr.connection import Session
from trader.adapters.ibkr.orders import IbkrBroker
from trader.domain.events import Evidence
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


def evidence_forgets_executions() -> None:
    """What was filled while nobody heard it is not told afterwards."""
    evidence = IbkrBroker.evidence

    async def without(self: IbkrBroker, order_refs: Collection[str]) -> Evidence:
        return (await evidence(self, order_refs))._replace(executions=())

    put(IbkrBroker, "evidence", without)


def an_empty_answer_is_believed() -> None:
    """Just after a log-in one that shows nothing counts at once."""

    async def first(self: Asking, session: Session) -> dict[str, int] | None:
        told = await session.positions.ask(session.client.reqPositions, self._timing.request_s)
        return None if told is None else self._shares(tuple(held for held in told if held.account == self._account))

    put(Asking, "_positions", first)


BUGS: dict[str, Planted] = {
    "sent_twice": Planted(4, sent_twice, ("s0",), "received_at_most_once", Broker.GATEWAY),
    "one_share_more": Planted(2, one_share_more, ("s0",), "what_arrives_is_what_left", Broker.GATEWAY),
    "evidence_forgets_executions": Planted(1, evidence_forgets_executions, ("s0",), "", Broker.GATEWAY),
    "an_empty_answer_is_believed": Planted(8, an_empty_answer_is_believed, ("s0",), "", Broker.GATEWAY),
}
