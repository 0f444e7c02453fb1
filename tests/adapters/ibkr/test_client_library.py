"""What is read of the library's messages, whichever library is installed."""

import subprocess
import sys

import pytest
from gateway.contracts import Listings
from gateway.layouts import ANSWERS, OLDEST
from gateway.messages import Message, open_order
from gateway.orders import Order as OrderAtGateway
from gateway.orders import Terms

from trader.adapters.ibkr.client_library import Contract, LoudClient, Order, OrderState

VERSION = OLDEST


class Ear:
    """Takes in open orders, and what could not be read."""

    def __init__(self) -> None:
        self.order = Order()
        self.faults: list[str] = []

    def openOrder(self, _id: int, _contract: Contract, order: Order, _state: OrderState) -> None:  # noqa: N802
        self.order = order

    def executed(self, _fields: list[str]) -> None:
        """None comes."""

    def failed_to_read(self, why: str, id_: str = "") -> None:
        self.faults.append(why)

    def unknown_message(self, id_: str) -> None:
        self.faults.append(id_)


def heard(message: Message, **instead: str) -> Ear:
    """What is read of a message in which some texts stand in the place of others."""
    ear = Ear()
    client = LoudClient(ear)
    client.decoder.serverVersion = VERSION
    texts = ANSWERS[message.name].write(message.values, VERSION)
    client.decoder.interpret([instead.get(text, text) for text in texts])  # type: ignore[no-untyped-call]
    return ear


@pytest.fixture
def message() -> Message:
    return open_order(
        OrderAtGateway(
            perm_id=903,
            client_id=7,
            order_id=55,
            account="DU1",
            listing=Listings()["QQQ"],
            exchange="SMART",
            action="BUY",
            terms=Terms(4711, "LMT", None, None, "DAY"),
        )
    )


def test_what_is_read_of_an_order_are_numbers_and_truths(message: Message) -> None:
    order = heard(message).order
    assert (order.orderId, order.clientId, order.permId, order.parentId) == (55, 7, 903, 0)
    assert (order.totalQuantity, order.auxPrice, order.whatIf) == (4711.0, 0.0, False)


def test_what_nobody_reads_of_an_order_stays_a_text(message: Message) -> None:
    """Its hundred numbers would cost more than the way of an execution, which comes with it, into the book."""
    assert isinstance(heard(message).order.triggerMethod, str)


def test_a_number_of_an_order_that_cannot_be_read_is_said(message: Message) -> None:
    assert heard(message, **{"4711": "many"}).faults


def test_the_library_is_loaded_where_a_loop_has_ended() -> None:
    """`asyncio.run` leaves the thread without a loop, which the library asks for as it is loaded."""
    commands = (
        "import asyncio",
        "asyncio.run(asyncio.sleep(0))",
        "import trader.adapters.ibkr.client_library as library",
        "asyncio.run(asyncio.sleep(0))",
        "print(library.Client.__name__)",
    )
    loaded = subprocess.run(
        [sys.executable, "-W", "error", "-c", "; ".join(commands)], capture_output=True, text=True, check=False
    )
    assert (loaded.stdout, loaded.stderr) == ("Client\n", "")
