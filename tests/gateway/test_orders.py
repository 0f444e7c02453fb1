"""Orders: what the gateway says of them, in which order, and what is true afterwards."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from gateway import Gateway
from gateway.orders import Status
from gateway.raw_client import RawClient, outline

ACCOUNT = "DU1000001"
FILLED_AT_ONCE = [
    "openOrder PreSubmitted",
    "orderStatus PreSubmitted",
    "execDetails",
    "openOrder Filled",
    "orderStatus Filled",
    "openOrder Filled",
    "commissionReport",
]
RESTING = ["openOrder PreSubmitted", "orderStatus PreSubmitted", "openOrder Submitted", "orderStatus Submitted"]


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with Gateway(seed=7) as running:
        running.market.trade("QQQ", "500.10")
        yield running


async def test_a_market_order_fills_at_the_last_price(gateway: Gateway, client: RawClient) -> None:
    client.place(1, "BUY", 100, orderRef="why")
    heard = await client.hear()
    assert outline(heard) == FILLED_AT_ONCE
    execution = heard[2].values
    assert (execution["shares"], execution["price"], execution["orderRef"]) == (100, Decimal("500.1"), "why")
    assert heard[-1].values["commission"] == 1
    assert gateway.truth.positions(ACCOUNT) == {"QQQ": 100}
    assert gateway.truth.cash(ACCOUNT) == 1_000_000 - Decimal(50_010) - 1


async def test_a_market_order_waits_for_a_first_price(gateway: Gateway, client: RawClient) -> None:
    client.place(1, "BUY", 10, symbol="SPY")
    assert outline(await client.hear()) == RESTING
    gateway.market.trade("SPY", 600)
    assert gateway.truth.positions(ACCOUNT) == {"SPY": 10}


async def test_a_limit_rests_until_the_price_touches_it(gateway: Gateway, client: RawClient) -> None:
    client.place(1, "BUY", 100, "LMT", lmtPrice=Decimal("499.50"))
    assert outline(await client.hear()) == RESTING
    gateway.market.trade("QQQ", "499.51")
    assert outline(await client.hear()) == []
    gateway.market.trade("QQQ", "499.50")
    assert outline(await client.hear()) == FILLED_AT_ONCE[2:]


async def test_inside_a_bar_a_limit_fills_at_its_own_price(gateway: Gateway, client: RawClient) -> None:
    client.place(1, "BUY", 100, "LMT", lmtPrice=Decimal("499.50"))
    await client.hear()
    gateway.market.bar("QQQ", _noon(), 500, 501, 499, 500, 1_000)
    assert gateway.truth.executions[0].price == Decimal("499.50")


async def test_a_stop_is_triggered_and_fills_at_the_market(gateway: Gateway, client: RawClient) -> None:
    client.place(1, "BUY", 100)
    client.place(2, "SELL", 100, "STP", auxPrice=Decimal(495))
    heard = await client.hear()
    assert heard[-1].values["whyHeld"] == "trigger"
    gateway.market.trade("QQQ", "494.20")
    assert outline(await client.hear()) == ["openOrder Submitted", "orderStatus Submitted", *FILLED_AT_ONCE[2:]]
    assert gateway.truth.executions[-1].price == Decimal("494.20")


async def test_inside_a_bar_a_stop_fills_at_its_own_price(gateway: Gateway, client: RawClient) -> None:
    client.place(1, "SELL", 100, "STP", auxPrice=Decimal(495))
    await client.hear()
    gateway.market.bar("QQQ", _noon(), 500, 501, 490, 500, 1_000)
    assert gateway.truth.executions[0].price == 495


async def test_a_stop_limit_is_triggered_and_then_waits_for_its_limit(gateway: Gateway, client: RawClient) -> None:
    client.place(1, "SELL", 100, "STP LMT", auxPrice=Decimal(495), lmtPrice=Decimal(494))
    await client.hear()
    gateway.market.trade("QQQ", 493)
    assert outline(await client.hear()) == ["openOrder Submitted", "orderStatus Submitted"]
    gateway.market.trade("QQQ", 494)
    assert gateway.truth.executions[0].price == 494


async def test_what_an_order_for_now_cannot_fill_is_cancelled(gateway: Gateway, client: RawClient) -> None:
    gateway.market.depth("QQQ", 40)
    client.place(1, "BUY", 100, "LMT", lmtPrice=Decimal(501), tif="IOC")
    assert outline(await client.hear())[-2:] == ["orderStatus Cancelled", "error 202"]
    assert gateway.truth.orders[0].filled == 40


async def test_a_sale_realises_what_it_has_earned_after_both_commissions(gateway: Gateway, client: RawClient) -> None:
    client.place(1, "BUY", 100)
    await client.hear()
    gateway.market.trade("QQQ", "501.10")
    client.place(2, "SELL", 100)
    assert (await client.hear())[-1].values["realizedPNL"] == 98


async def test_forty_now_sixty_later(gateway: Gateway, client: RawClient) -> None:
    gateway.market.depth("QQQ", 40)
    client.place(1, "BUY", 100)
    await client.hear()
    assert [(order.filled, order.status) for order in gateway.truth.orders] == [(40, Status.SUBMITTED)]
    gateway.market.depth("QQQ", 60)
    assert [(order.filled, order.status) for order in gateway.truth.orders] == [(100, Status.FILLED)]
    assert [execution.cumulative for execution in gateway.truth.executions] == [40, 100]


async def test_the_commission_of_an_order_is_that_of_the_fixed_plan(gateway: Gateway, client: RawClient) -> None:
    gateway.market.depth("QQQ", 100)
    client.place(1, "BUY", 300)
    await client.hear()
    gateway.market.depth("QQQ", 200)
    assert [execution.commission_usd for execution in gateway.truth.executions] == [1, Decimal("0.5")]


async def test_the_commission_is_at_most_one_percent(gateway: Gateway, client: RawClient) -> None:
    gateway.market.list("PENNY")
    gateway.market.trade("PENNY", "0.10")
    client.place(1, "BUY", 100, symbol="PENNY")
    assert (await client.hear())[-1].values["commission"] == Decimal("0.1")


async def test_a_cancel_is_a_status_and_then_a_notice(gateway: Gateway, client: RawClient) -> None:
    client.place(1, "BUY", 100, "LMT", lmtPrice=Decimal(490))
    await client.hear()
    client.cancel(1)
    assert outline(await client.hear()) == ["orderStatus Cancelled", "error 202"]
    assert gateway.truth.orders[0].status is Status.CANCELLED


async def test_a_changed_order_keeps_its_number(gateway: Gateway, client: RawClient) -> None:
    client.place(1, "BUY", 100, "LMT", lmtPrice=Decimal(490))
    await client.hear()
    client.place(1, "BUY", 80, "LMT", lmtPrice=Decimal(495))
    heard = await client.hear()
    assert outline(heard) == ["openOrder Submitted", "orderStatus Submitted"]
    assert (heard[0].values["lmtPrice"], heard[0].values["totalQuantity"]) == (495, 80)
    assert len(gateway.truth.orders) == 1


async def test_a_what_if_is_never_executed(gateway: Gateway, client: RawClient) -> None:
    client.place(1, "BUY", 100, whatIf=True)
    (preview,) = await client.hear()
    assert preview.values["initMarginChange"] == "25005"
    assert preview.values["whatIf"] is True
    assert gateway.truth.orders == []


async def test_a_reduced_order_is_changed_to_what_is_named(gateway: Gateway, client: RawClient) -> None:
    gateway.market.depth("QQQ", 0)
    for order_id, limit in ((1, 501), (2, 495)):
        client.place(order_id, "BUY", 100, "LMT", lmtPrice=Decimal(limit), ocaGroup="pair", ocaType=3)
    await client.hear()
    gateway.market.depth("QQQ", 30)
    assert gateway.truth.orders[1].remaining == 70
    client.place(2, "BUY", 70, "LMT", lmtPrice=Decimal(494), ocaGroup="pair", ocaType=3)
    await client.hear()
    assert gateway.truth.orders[1].remaining == 70


async def test_an_order_changed_to_what_is_filled_is_filled(gateway: Gateway, client: RawClient) -> None:
    gateway.market.depth("QQQ", 40)
    client.place(1, "BUY", 100, "LMT", lmtPrice=Decimal(501))
    await client.hear()
    client.place(1, "BUY", 40, "LMT", lmtPrice=Decimal(501))
    assert outline(await client.hear()) == ["openOrder Filled", "orderStatus Filled"]


async def test_an_order_names_its_account_when_there_are_several() -> None:
    async with Gateway(accounts=("DU1", "DU2")) as gateway, RawClient(gateway) as client:
        gateway.market.trade("QQQ", 500)
        client.place(1, "BUY", 100)
        assert outline(await client.hear()) == ["error 435"]
        client.place(1, "BUY", 100, account="DU2")
        await client.hear()
        assert gateway.truth.positions("DU2") == {"QQQ": 100}


async def test_order_ids_that_are_rolled_back_come_a_second_time(gateway: Gateway, client: RawClient) -> None:
    client.place(1, "BUY", 100)
    await client.hear()
    gateway.roll_back_order_ids()
    client.ask("reqIds", version=1, count=1)
    assert [message.values["orderId"] for message in await client.hear()] == [1]
    client.place(1, "BUY", 50)
    await client.hear()
    assert [(order.order_id, order.filled) for order in gateway.truth.orders] == [(1, 100), (1, 50)]


@pytest.mark.parametrize(
    ("code", "order"),
    [
        (200, {"symbol": "NONE"}),
        (321, {"tif": "EVER"}),
        (387, {"order_type": "MIDPRICE"}),
        (434, {"shares": 0}),
        (435, {"account": "DU999"}),
        (110, {"order_type": "LMT", "lmtPrice": Decimal("499.505")}),
        (10243, {"totalQuantity": Decimal("1.5")}),
    ],
)
async def test_an_order_that_cannot_be_is_refused(
    gateway: Gateway, client: RawClient, code: int, order: dict[str, str | int | Decimal]
) -> None:
    client.place(1, "BUY", **{"shares": 100, **order})  # type: ignore[arg-type]
    assert outline(await client.hear()) == [f"error {code}"]
    assert gateway.truth.orders == []


async def test_an_order_id_is_used_once(gateway: Gateway, client: RawClient) -> None:
    client.place(5, "BUY", 100)
    client.place(4, "BUY", 100)
    assert outline(await client.hear()) == [*FILLED_AT_ONCE, "error 103"]
    assert gateway.truth.positions(ACCOUNT) == {"QQQ": 100}


async def test_an_order_without_a_time_in_force_is_for_the_day_and_lives(gateway: Gateway, client: RawClient) -> None:
    client.place(1, "BUY", 100, tif="")
    assert outline(await client.hear()) == ["error 10349", *FILLED_AT_ONCE]


async def test_an_order_without_the_money_is_refused(gateway: Gateway, client: RawClient) -> None:
    client.place(1, "BUY", 10_000)
    assert outline(await client.hear()) == ["openOrder Inactive", "orderStatus Inactive", "error 201"]
    assert gateway.truth.positions(ACCOUNT) == {}


async def test_what_cannot_be_cancelled_or_changed_says_why(gateway: Gateway, client: RawClient) -> None:
    client.place(1, "BUY", 100)
    client.place(2, "BUY", 100, "LMT", lmtPrice=Decimal(490))
    await client.hear()
    client.cancel(77)
    client.cancel(1)
    client.place(1, "BUY", 200)
    client.place(2, "SELL", 100, "LMT", lmtPrice=Decimal(490))
    assert outline(await client.hear()) == ["error 10147", "error 10148", "error 104", "error 105"]


async def test_an_order_for_the_day_ends_with_it(gateway: Gateway, client: RawClient) -> None:
    client.place(1, "BUY", 100, "LMT", lmtPrice=Decimal(490))
    client.place(2, "BUY", 100, "LMT", lmtPrice=Decimal(490), tif="GTC")
    await client.hear()
    gateway.end_day()
    assert [order.status for order in gateway.truth.orders] == [Status.CANCELLED, Status.SUBMITTED]


async def test_a_corrected_execution_replaces_the_first(gateway: Gateway, client: RawClient) -> None:
    client.place(1, "BUY", 100)
    await client.hear()
    first = gateway.truth.executions[0]
    gateway.correct(first.exec_id, shares=90, price="500.00")
    corrected = (await client.hear())[0].values
    assert first.exec_id.endswith(".01")
    assert corrected["execId"] == first.exec_id[:-2] + "02"
    assert gateway.truth.positions(ACCOUNT) == {"QQQ": 90}
    assert gateway.truth.cash(ACCOUNT) == 1_000_000 - 45_000 - 1


async def test_a_bust_execution_has_cost_nothing(gateway: Gateway, client: RawClient) -> None:
    client.place(1, "BUY", 100)
    await client.hear()
    gateway.correct(gateway.truth.executions[0].exec_id, shares=0)
    assert gateway.truth.positions(ACCOUNT) == {}
    assert gateway.truth.cash(ACCOUNT) == 1_000_000


async def test_the_same_seed_and_the_same_calls_are_the_same_run() -> None:
    heard = []
    for _ in range(2):
        async with Gateway(seed=3, clock=_noon) as gateway, RawClient(gateway) as client:
            gateway.market.trade("QQQ", 500)
            client.place(1, "BUY", 100)
            heard.append(await client.hear())
    assert heard[0] == heard[1]


def _noon() -> datetime:
    return datetime(2026, 1, 5, 17, tzinfo=UTC)
