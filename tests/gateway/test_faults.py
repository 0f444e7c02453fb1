"""The fault script: each fault goes off when it should, once, and is counted."""

import asyncio
from decimal import Decimal

import pytest

from gateway import Gateway, faults
from gateway.fault_script import Fault
from gateway.orders import Status
from gateway.raw_client import RawClient, outline

ACCOUNT = "DU1000001"
FILL = ["execDetails", "openOrder Filled", "orderStatus Filled", "openOrder Filled", "commissionReport"]
ACKNOWLEDGED = ["openOrder PreSubmitted", "orderStatus PreSubmitted"]


def bought(gateway: Gateway) -> bool:
    """Whether the truth is that the order has filled."""
    return gateway.truth.positions(ACCOUNT) == {"QQQ": 100}


@pytest.mark.parametrize(
    ("fault", "heard"),
    [
        (faults.Lose("execDetails"), [*ACKNOWLEDGED, *FILL[1:]]),
        (faults.Duplicate("execDetails"), [*ACKNOWLEDGED, FILL[0], *FILL]),
        (faults.Reorder("execDetails", after=2), [*ACKNOWLEDGED, *FILL[1:3], FILL[0], *FILL[3:]]),
        (faults.Lose("openOrder", nth=2), [*ACKNOWLEDGED, FILL[0], *FILL[2:]]),
        (faults.StatusFirst(), [*ACKNOWLEDGED, *FILL[1:3], FILL[0], *FILL[3:]]),
        (faults.CommissionFirst(), [*ACKNOWLEDGED, *FILL[3:], *FILL[:3]]),
        (faults.Mute("placeOrder"), []),
        (faults.Note("placeOrder", 399, "Order Message: held until the open."), ["error 399", *ACKNOWLEDGED, *FILL]),
        (faults.Correct(price=Decimal(499)), [*ACKNOWLEDGED, *FILL, "execDetails", "commissionReport"]),
    ],
)
async def test_what_a_fault_does_to_a_fill(gateway: Gateway, client: RawClient, fault: Fault, heard: list[str]) -> None:
    gateway.faults.add(fault)
    client.place(1, "BUY", 100)
    assert outline(await client.hear()) == heard
    assert gateway.faults.fired[fault] == 1
    assert bought(gateway)


@pytest.mark.parametrize(
    ("fault", "heard"),
    [
        (faults.Ignore("placeOrder"), []),
        (faults.Refuse("placeOrder", 321, "The API interface is read-only."), ["error 321"]),
        (faults.Reject(), ["openOrder Inactive", "orderStatus Inactive", "error 201"]),
        (faults.Reject(code=10268, status=""), ["error 10268"]),
        (faults.HoldForLocate(), ["openOrder Inactive", "orderStatus Inactive", "error 404"]),
    ],
)
async def test_an_order_that_goes_nowhere(gateway: Gateway, client: RawClient, fault: Fault, heard: list[str]) -> None:
    gateway.faults.add(fault)
    client.place(1, "BUY", 100)
    assert outline(await client.hear()) == heard
    assert gateway.faults.fired[fault] == 1
    assert gateway.truth.positions(ACCOUNT) == {}


async def test_an_order_held_for_a_locate_may_still_fill(gateway: Gateway, client: RawClient) -> None:
    gateway.faults.add(faults.HoldForLocate())
    client.place(1, "SELL", 100)
    assert (await client.hear())[1].values["whyHeld"] == "locate"
    gateway.fill(gateway.truth.orders[0])
    assert outline(await client.hear()) == FILL
    assert gateway.truth.positions(ACCOUNT) == {"QQQ": -100}


async def test_a_fault_waits_for_its_occasion_and_stops(gateway: Gateway, client: RawClient) -> None:
    fault = gateway.faults.add(faults.Ignore("reqAllOpenOrders", nth=2, times=2))
    counts = []
    for _ in range(4):
        client.ask("reqAllOpenOrders", version=1)
        counts.append(len(await client.hear()))
    assert counts == [1, 0, 0, 1]
    assert gateway.faults.fired[fault] == 2


async def test_a_fault_for_another_client_or_symbol_does_not_count(gateway: Gateway, client: RawClient) -> None:
    for fault in (faults.Ignore("placeOrder", client_id=9), faults.Ignore("placeOrder", symbol="SPY")):
        gateway.faults.add(fault)
    client.place(1, "BUY", 100)
    await client.hear()
    assert bought(gateway)
    assert not gateway.faults.fired


async def test_half_a_frame_and_then_the_end(gateway: Gateway, client: RawClient) -> None:
    gateway.faults.add(faults.HalfFrame("execDetails"))
    client.place(1, "BUY", 100)
    assert outline(await client.hear()) == ACKNOWLEDGED
    assert await client.next() is None
    assert bought(gateway)


@pytest.mark.parametrize(
    "fault", [faults.Drop("openOrder"), faults.Reset("openOrder"), faults.LoseConnection("placeOrder")]
)
async def test_a_connection_that_ends(gateway: Gateway, client: RawClient, fault: Fault) -> None:
    gateway.faults.add(fault)
    client.place(1, "BUY", 100)
    assert await client.hear() == []
    assert bought(gateway) is not isinstance(fault, faults.LoseConnection)
    assert gateway.client_ids == ()


async def test_what_follows_a_lost_request_is_lost_with_it(gateway: Gateway, client: RawClient) -> None:
    gateway.faults.add(faults.LoseConnection("placeOrder"))
    client.place(1, "BUY", 100)
    client.place(2, "BUY", 100)
    assert await client.hear() == []
    await gateway.until(lambda: not gateway.client_ids)
    assert gateway.truth.orders == []


async def test_a_stall_says_nothing_until_it_is_released(gateway: Gateway, client: RawClient) -> None:
    gateway.faults.add(faults.Stall("execDetails"))
    client.place(1, "BUY", 100)
    heard = asyncio.create_task(client.hear())
    await gateway.until(lambda: bought(gateway))
    client.cancel(77)
    assert gateway.asked("cancelOrder") == []
    gateway.faults.release()
    assert outline(await heard) == [*ACKNOWLEDGED, *FILL]
    assert outline(await client.hear()) == ["error 10147"]


async def test_what_is_held_comes_when_it_is_released(gateway: Gateway, client: RawClient) -> None:
    gateway.faults.add(faults.Hold("execDetails"))
    client.place(1, "BUY", 100)
    assert outline(await client.hear()) == [*ACKNOWLEDGED, *FILL[1:]]
    gateway.faults.release()
    assert outline(await client.hear()) == FILL[:1]


async def test_a_delayed_message_comes_later(gateway: Gateway, client: RawClient) -> None:
    gateway.faults.add(faults.Delay("execDetails", 0.01))
    client.place(1, "BUY", 100)
    assert outline(await client.hear()) == [*ACKNOWLEDGED, *FILL[1:]]
    late = await client.next()
    assert late is not None
    assert late.name == "execDetails"


async def test_a_list_without_an_end(gateway: Gateway, client: RawClient) -> None:
    gateway.faults.add(faults.Lose("execDetailsEnd"))
    client.place(1, "BUY", 100)
    await client.hear()
    client.ask("reqExecutions", version=3, reqId=4)
    assert outline(await client.hear()) == ["execDetails", "commissionReport"]


async def test_positions_are_empty_and_then_full(gateway: Gateway, client: RawClient) -> None:
    gateway.endow(ACCOUNT, "QQQ", 100, 480)
    gateway.faults.add(faults.EmptyPositions())
    for expected in (["positionEnd"], ["position", "positionEnd"]):
        client.ask("reqPositions", version=1)
        assert outline(await client.hear()) == expected


async def test_a_time_in_a_zone_that_nobody_knows(gateway: Gateway, client: RawClient) -> None:
    gateway.faults.add(faults.UnknownZone())
    client.place(1, "BUY", 100)
    assert str((await client.hear())[2].values["time"]).endswith(" Central European Standard Time")


async def test_a_fill_after_the_cancel_was_confirmed(gateway: Gateway, client: RawClient) -> None:
    gateway.faults.add(faults.FillAfterCancel(30))
    client.place(1, "BUY", 100, "LMT", lmtPrice=Decimal(490))
    await client.hear()
    client.cancel(1)
    assert outline(await client.hear()) == ["orderStatus Cancelled", "error 202", "execDetails", "commissionReport"]
    assert gateway.truth.positions(ACCOUNT) == {"QQQ": 30}


async def test_one_order_becomes_two(gateway: Gateway, client: RawClient) -> None:
    gateway.faults.add(faults.TwoPermIds())
    client.place(1, "BUY", 100)
    await client.hear()
    assert len({order.perm_id for order in gateway.truth.orders}) == 2
    assert gateway.truth.positions(ACCOUNT) == {"QQQ": 200}


async def test_a_changed_order_becomes_two(gateway: Gateway, client: RawClient) -> None:
    client.place(1, "BUY", 100, "LMT", lmtPrice=Decimal(490))
    await client.hear()
    gateway.faults.add(faults.TwoPermIds())
    client.place(1, "BUY", 100, "LMT", lmtPrice=Decimal(491))
    await client.hear()
    gateway.market.trade("QQQ", 490)
    assert gateway.truth.positions(ACCOUNT) == {"QQQ": 200}


async def test_a_stalled_gateway_reads_nothing(gateway: Gateway, client: RawClient) -> None:
    gateway.stall()
    client.place(1, "BUY", 100)
    async with RawClient(gateway, client_id=2):
        assert gateway.asked("placeOrder") == []
    gateway.faults.release()
    await client.hear()
    assert bought(gateway)


async def test_an_order_fills_while_its_client_is_away(gateway: Gateway) -> None:
    gateway.faults.add(faults.FillWhileDown())
    async with RawClient(gateway) as client:
        client.place(1, "BUY", 100, "LMT", lmtPrice=Decimal(490))
        await client.hear()
    await gateway.until(lambda: bought(gateway))
    async with RawClient(gateway) as client:
        client.ask("reqExecutions", version=3, reqId=4)
        assert outline(await client.hear()) == ["execDetails", "commissionReport", "execDetailsEnd"]


async def test_an_order_id_that_is_rolled_back(gateway: Gateway) -> None:
    async with RawClient(gateway) as client:
        client.place(7, "BUY", 100)
        await client.hear()
    await gateway.until(lambda: not gateway.client_ids)
    gateway.faults.add(faults.Alter("nextValidId", "orderId", "1"))
    async with RawClient(gateway) as client:
        assert [message.values["orderId"] for message in client.greeted if message.name == "nextValidId"] == [1]
        client.place(1, "BUY", 100)
        assert outline(await client.hear()) == ["error 103"]


async def test_a_client_id_that_lingers(gateway: Gateway) -> None:
    gateway.faults.add(faults.ClientIdTaken())
    async with RawClient(gateway) as client:
        assert outline(client.greeted) == ["error 326"]
    async with RawClient(gateway) as client:
        assert outline(client.greeted) == ["managedAccounts", "nextValidId"]


async def test_a_handshake_that_is_never_answered(gateway: Gateway) -> None:
    fault = gateway.faults.add(faults.NoGreeting())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(RawClient(gateway).connect(), 0.05)
    assert gateway.faults.fired[fault] == 1


async def test_lost_servers_make_orders_wait(gateway: Gateway, client: RawClient) -> None:
    gateway.lose_servers()
    client.place(1, "BUY", 100)
    assert outline(await client.hear()) == ["error 1100"]
    assert gateway.truth.orders == []
    gateway.restore_servers(data_lost=False)
    assert outline(await client.hear()) == ["error 1102", *ACKNOWLEDGED, *FILL]


@pytest.mark.parametrize(("data_lost", "heard"), [(True, ["error 1101"]), (False, ["error 1102", *FILL])])
async def test_reports_of_the_meantime_are_late_or_lost(
    gateway: Gateway, client: RawClient, data_lost: bool, heard: list[str]
) -> None:
    client.place(1, "BUY", 100, "LMT", lmtPrice=Decimal(490))
    await client.hear()
    gateway.lose_servers()
    gateway.market.trade("QQQ", 490)
    assert outline(await client.hear()) == ["error 1100"]
    assert gateway.truth.orders[0].status is Status.FILLED
    gateway.restore_servers(data_lost=data_lost)
    assert outline(await client.hear()) == heard


async def test_a_fault_that_is_not_allowed_stays_away_and_is_not_counted(gateway: Gateway, client: RawClient) -> None:
    gateway.faults.allows = lambda _: False
    lost = gateway.faults.add(faults.Lose("execDetails"))
    client.place(1, "BUY", 100)
    assert outline(await client.hear()) == [*ACKNOWLEDGED, *FILL]
    assert gateway.faults.fired[lost] == 0
