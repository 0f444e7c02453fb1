"""Brackets and groups: who works, for how much, and who ends with whom."""

from decimal import Decimal

import pytest

from gateway import Gateway
from gateway.faults import ChildrenDie
from gateway.orders import Status
from gateway.raw_client import RawClient, outline

ACCOUNT = "DU1000001"
STOP = 2


async def place_bracket(client: RawClient, limit: int = 500) -> None:
    """Buy 100 at a limit, take profit at 510, stop at 490."""
    client.place(1, "BUY", 100, "LMT", lmtPrice=Decimal(limit), transmit=False)
    client.place(2, "SELL", 100, "LMT", lmtPrice=Decimal(510), parentId=1, transmit=False)
    client.place(3, "SELL", 100, "STP", auxPrice=Decimal(490), parentId=1)
    await client.hear()


def states(gateway: Gateway) -> list[tuple[Status, int, int]]:
    """Of each order its status, its quantity and what is filled."""
    return [(order.status, order.quantity, order.filled) for order in gateway.truth.orders]


async def test_nothing_works_before_the_last_order_is_transmitted(gateway: Gateway, client: RawClient) -> None:
    client.place(1, "BUY", 100, transmit=False)
    client.place(2, "SELL", 100, "LMT", lmtPrice=Decimal(510), parentId=1, transmit=False)
    assert await client.hear() == []
    assert gateway.truth.positions(ACCOUNT) == {}
    client.place(3, "SELL", 100, "STP", auxPrice=Decimal(490), parentId=1)
    await client.hear()
    assert gateway.truth.positions(ACCOUNT) == {"QQQ": 100}


async def test_children_sleep_until_the_parent_fills(gateway: Gateway, client: RawClient) -> None:
    await place_bracket(client, limit=495)
    gateway.market.trade("QQQ", 511)
    assert gateway.truth.positions(ACCOUNT) == {}
    assert [order.why_held for order in gateway.truth.orders] == ["", "child", "child,trigger"]
    gateway.market.trade("QQQ", 495)
    assert [order.why_held for order in gateway.truth.orders] == ["", "", "trigger"]


async def test_one_child_ends_the_other(gateway: Gateway, client: RawClient) -> None:
    await place_bracket(client)
    gateway.market.trade("QQQ", 510)
    assert states(gateway) == [(Status.FILLED, 100, 100), (Status.FILLED, 100, 100), (Status.CANCELLED, 0, 0)]
    assert gateway.truth.positions(ACCOUNT) == {}


async def test_children_work_for_what_the_parent_has_filled(gateway: Gateway, client: RawClient) -> None:
    gateway.market.depth("QQQ", 40)
    await place_bracket(client)
    client.place(1, "BUY", 100, "LMT", lmtPrice=Decimal(480))
    await client.hear()
    gateway.market.depth("QQQ", None)
    gateway.market.trade("QQQ", 490)
    assert gateway.truth.orders[STOP].filled == 40
    assert gateway.truth.positions(ACCOUNT) == {}


async def test_an_unfilled_parent_takes_its_children_along(gateway: Gateway, client: RawClient) -> None:
    await place_bracket(client, limit=495)
    client.cancel(1)
    await client.hear()
    assert states(gateway) == [(Status.CANCELLED, 100, 0)] * 3


async def test_a_child_that_comes_later_wakes_nobody_else(gateway: Gateway, client: RawClient) -> None:
    await place_bracket(client, limit=495)
    client.place(4, "SELL", 50, "LMT", lmtPrice=Decimal(520), parentId=1)
    assert {message.values["orderId"] for message in await client.hear()} == {4}


async def test_children_of_a_partly_filled_parent_stay_for_that_part(gateway: Gateway, client: RawClient) -> None:
    gateway.market.depth("QQQ", 40)
    await place_bracket(client)
    client.cancel(1)
    await client.hear()
    assert states(gateway) == [(Status.CANCELLED, 100, 40), (Status.SUBMITTED, 40, 0), (Status.PRE_SUBMITTED, 40, 0)]


async def test_a_fault_makes_them_die_instead(gateway: Gateway, client: RawClient) -> None:
    fault = gateway.faults.add(ChildrenDie())
    gateway.market.depth("QQQ", 40)
    await place_bracket(client)
    client.cancel(1)
    await client.hear()
    assert {order.status for order in gateway.truth.orders} == {Status.CANCELLED}
    assert gateway.faults.fired[fault] == 1


async def test_a_group_of_type_one_cancels_the_others_at_the_first_share(gateway: Gateway, client: RawClient) -> None:
    gateway.market.depth("QQQ", 0)
    for order_id, limit in ((1, 500), (2, 495)):
        client.place(order_id, "BUY", 100, "LMT", lmtPrice=Decimal(limit), ocaGroup="pair", ocaType=1)
    await client.hear()
    gateway.market.depth("QQQ", 30)
    assert states(gateway) == [(Status.SUBMITTED, 100, 30), (Status.CANCELLED, 100, 0)]
    assert outline(await client.hear())[-2:] == ["orderStatus Cancelled", "error 202"]


@pytest.mark.parametrize("oca_type", [2, 3])
async def test_a_group_that_reduces_takes_the_shares_off(gateway: Gateway, client: RawClient, oca_type: int) -> None:
    gateway.market.depth("QQQ", 0)
    for order_id, limit in ((1, 500), (2, 495)):
        client.place(order_id, "BUY", 100, "LMT", lmtPrice=Decimal(limit), ocaGroup="pair", ocaType=oca_type)
    await client.hear()
    gateway.market.depth("QQQ", 30)
    assert states(gateway) == [(Status.SUBMITTED, 100, 30), (Status.SUBMITTED, 70, 0)]


async def test_whoever_comes_when_its_group_is_filled_is_turned_away(gateway: Gateway, client: RawClient) -> None:
    for order_id, limit in ((1, 501), (2, 495)):
        client.place(order_id, "BUY", 100, "LMT", lmtPrice=Decimal(limit), ocaGroup="pair", ocaType=2)
    assert outline(await client.hear())[-1] == "error 201"
    assert states(gateway) == [(Status.FILLED, 100, 100), (Status.INACTIVE, 100, 0)]
