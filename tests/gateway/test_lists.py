"""What a client asks for when it connects, and what it subscribes to."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from gateway import Gateway
from gateway.layout import Row
from gateway.messages import Message
from gateway.raw_client import RawClient, outline
from gateway.wire import Cell

ACCOUNT = "DU1000001"
NOON = datetime(2026, 1, 5, 17, tzinfo=UTC)
_CONTRACT = {"symbol": "QQQ", "secType": "STK", "exchange": "SMART", "currency": "USD"}


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with Gateway(accounts=(ACCOUNT, "DU1000002"), seed=7, clock=lambda: NOON) as running:
        running.market.trade("QQQ", 500)
        yield running


async def test_the_start_names_the_accounts_and_the_first_order_id(gateway: Gateway, client: RawClient) -> None:
    accounts, first = client.greeted
    assert accounts.values["accounts"] == "DU1000001,DU1000002"
    assert first.values["orderId"] == 1


async def test_positions_are_of_all_accounts_and_follow_what_happens(gateway: Gateway, client: RawClient) -> None:
    gateway.endow("DU9", "SPY", 5, 600)
    client.ask("reqPositions", version=1)
    position, _ = await client.hear()
    assert (position.values["account"], position.values["position"]) == ("DU9", 5)
    gateway.place_by_hand(ACCOUNT, "QQQ", "BUY", 100)
    (position,) = await client.hear()
    assert (position.values["position"], position.values["avgCost"]) == (100, Decimal("500.01"))


async def test_account_updates_follow_what_happens(gateway: Gateway, client: RawClient) -> None:
    client.ask("reqAccountUpdates", version=2, subscribe=True, account=ACCOUNT)
    heard = await client.hear()
    cash = [message.values["value"] for message in heard if message.values.get("key") == "TotalCashValue"]
    assert cash == ["1000000"]
    assert heard[-1].name == "accountDownloadEnd"
    gateway.place_by_hand(ACCOUNT, "QQQ", "BUY", 100)
    heard = await client.hear()
    assert heard[0].name == "portfolioValue"
    assert [m.values["value"] for m in heard if m.values.get("key") == "TotalCashValue"] == ["949999"]


async def test_account_values_by_request(gateway: Gateway, client: RawClient) -> None:
    client.ask("reqAccountUpdatesMulti", version=1, reqId=5, account="DU1000002")
    assert {message.name for message in await client.hear()} == {"accountUpdateMulti", "accountUpdateMultiEnd"}
    client.ask("reqAccountSummary", version=1, reqId=6, group="All", tags="NetLiquidation")
    assert outline(await client.hear()) == ["accountSummary", "accountSummary", "accountSummaryEnd"]
    client.ask("reqPnL", reqId=7, account=ACCOUNT)
    assert outline(await client.hear()) == ["pnl"]
    client.ask("reqPnLSingle", reqId=8, account=ACCOUNT, conId=320227571)
    assert outline(await client.hear()) == ["pnlSingle"]


async def test_contract_details(gateway: Gateway, client: RawClient) -> None:
    client.ask("reqContractDetails", version=8, reqId=5, **_CONTRACT)
    details, end = await client.hear()
    assert (details.values["conId"], details.values["primaryExchange"]) == (320227571, "NASDAQ")
    assert end.name == "contractDetailsEnd"
    client.ask("reqContractDetails", version=8, reqId=6, **{**_CONTRACT, "symbol": "NONE"})
    assert outline(await client.hear()) == ["error 200"]
    gateway.market.list("NONE")
    client.ask("reqContractDetails", version=8, reqId=7, **{**_CONTRACT, "symbol": "NONE"})
    assert outline(await client.hear()) == ["contractDetails", "contractDetailsEnd"]


async def test_open_orders_are_ones_own_or_everybodys(gateway: Gateway, client: RawClient) -> None:
    gateway.order_by_hand(ACCOUNT, "QQQ", "BUY", 10, limit=490)
    client.place(1, "BUY", 100, "LMT", lmtPrice=Decimal(490), account=ACCOUNT)
    async with RawClient(gateway, client_id=2) as other:
        other.place(1, "BUY", 20, "LMT", lmtPrice=Decimal(490), account=ACCOUNT)
        await other.hear()
    await client.hear()
    client.ask("reqOpenOrders", version=1)
    own = await client.hear()
    client.ask("reqAllOpenOrders", version=1)
    everybodys = await client.hear()
    assert [m.values["totalQuantity"] for m in own if m.name == "openOrder"] == [100]
    assert [m.values["totalQuantity"] for m in everybodys if m.name == "openOrder"] == [10, 100, 20]


async def test_completed_orders_carry_their_reference_and_no_ids(gateway: Gateway, client: RawClient) -> None:
    client.place(1, "BUY", 100, orderRef="why", account=ACCOUNT)
    gateway.place_by_hand(ACCOUNT, "QQQ", "SELL", 10)
    await client.hear()
    client.ask("reqCompletedOrders", apiOnly=True)
    completed, _ = await client.hear()
    assert (completed.values["orderRef"], completed.values["filledQuantity"]) == ("why", 100)
    client.ask("reqCompletedOrders", apiOnly=False)
    assert len(await client.hear()) == 3


async def test_executions_are_everybodys_of_today(gateway: Gateway, client: RawClient) -> None:
    gateway.place_by_hand(ACCOUNT, "QQQ", "BUY", 10)
    client.ask("reqExecutions", version=3, reqId=5)
    execution, _, _ = await client.hear()
    assert (execution.values["reqId"], execution.values["clientId"], execution.values["orderRef"]) == (5, 0, "")
    assert execution.values["time"] == "20260105 12:00:00 US/Eastern"


async def test_executions_of_yesterday_are_not_told() -> None:
    now = [NOON]
    async with Gateway(clock=lambda: now[0]) as gateway, RawClient(gateway) as client:
        gateway.place_by_hand(ACCOUNT, "QQQ", "BUY", 10, price=500)
        now[0] += timedelta(hours=13)
        client.ask("reqExecutions", version=3, reqId=5)
        assert outline(await client.hear()) == ["execDetailsEnd"]


async def test_executions_are_filtered_by_client(gateway: Gateway, client: RawClient) -> None:
    gateway.place_by_hand(ACCOUNT, "QQQ", "BUY", 10)
    client.place(1, "BUY", 20, account=ACCOUNT)
    await client.hear()
    client.ask("reqExecutions", version=3, reqId=5, clientId=1)
    assert [m.values["shares"] for m in await client.hear() if m.name == "execDetails"] == [20]


async def test_what_is_flat_is_no_position(gateway: Gateway, client: RawClient) -> None:
    gateway.place_by_hand(ACCOUNT, "QQQ", "BUY", 10)
    gateway.place_by_hand(ACCOUNT, "QQQ", "SELL", 10)
    client.ask("reqPositions", version=1)
    assert outline(await client.hear()) == ["positionEnd"]


async def test_an_order_that_is_not_transmitted_is_in_no_list(gateway: Gateway, client: RawClient) -> None:
    client.place(1, "BUY", 100, account=ACCOUNT, transmit=False)
    client.ask("reqAllOpenOrders", version=1)
    assert outline(await client.hear()) == ["openOrderEnd"]


async def test_there_are_at_most_two_account_summaries(gateway: Gateway, client: RawClient) -> None:
    for request_id in (5, 6, 7):
        client.ask("reqAccountSummary", version=1, reqId=request_id, group="All", tags="AccountType")
    heard = await client.hear()
    assert outline(heard)[-1] == "error 322"
    assert heard[-1].values["id"] == 7


async def test_another_accounts_execution_can_be_heard(gateway: Gateway, client: RawClient) -> None:
    gateway.announce(gateway.place_by_hand("DU9", "QQQ", "BUY", 10))
    execution, _ = await client.hear()
    assert execution.values["account"] == "DU9"


async def test_bars_of_five_seconds_go_to_those_who_asked(gateway: Gateway, client: RawClient) -> None:
    client.ask("reqRealTimeBars", version=3, reqId=5, barSize=5, whatToShow="TRADES", **_CONTRACT)
    await client.hear()
    gateway.market.bar("SPY", NOON, 600, 600, 600, 600, 1)
    gateway.market.bar("QQQ", NOON, 500, 502, 499, 501, 1_200)
    (bar,) = await client.hear()
    assert [bar.values[key] for key in ("time", "open", "high", "low", "close", "volume")] == [
        int(NOON.timestamp()),
        500,
        502,
        499,
        501,
        1_200,
    ]
    client.ask("cancelRealTimeBars", version=1, reqId=5)
    await client.hear()
    gateway.market.bar("QQQ", NOON, 500, 502, 499, 501, 1_200)
    assert await client.hear() == []


async def test_after_lost_data_bars_must_be_asked_for_again(gateway: Gateway, client: RawClient) -> None:
    client.ask("reqRealTimeBars", version=3, reqId=5, barSize=5, whatToShow="TRADES", **_CONTRACT)
    await client.hear()
    gateway.lose_servers()
    gateway.restore_servers(data_lost=True)
    gateway.market.bar("QQQ", NOON, 500, 502, 499, 501, 1_200)
    assert outline(await client.hear()) == ["error 1100", "error 1101"]


async def test_history_is_put_together_and_kept_up_to_date(gateway: Gateway, client: RawClient) -> None:
    for second in range(0, 120, 5):
        at = NOON - timedelta(seconds=120 - second)
        gateway.market.bar("QQQ", at, 500, 500 + second, 499, 500, 10)
    asked: dict[str, Cell] = {
        "duration": "1 D",
        "whatToShow": "TRADES",
        "useRTH": True,
        "formatDate": 1,
        "keepUpToDate": True,
    }
    client.ask("reqHistoricalData", reqId=5, barSize="1 min", **asked, **_CONTRACT)
    (history,) = await client.hear()
    assert [(bar["date"], bar["high"], bar["volume"]) for bar in _rows(history)] == [
        ("20260105 11:58:00 US/Eastern", 555, 120),
        ("20260105 11:59:00 US/Eastern", 615, 120),
    ]
    gateway.market.bar("QQQ", NOON, 500, 501, 499, 500, 10)
    (update,) = await client.hear()
    assert (update.values["date"], update.values["volume"]) == ("20260105 12:00:00 US/Eastern", 10)


async def test_history_goes_back_as_far_as_it_was_asked_to(gateway: Gateway, client: RawClient) -> None:
    for hours in (30, 1):
        gateway.market.bar("QQQ", NOON - timedelta(hours=hours), 500, 500, 500, 500, 10)
    asked: dict[str, Cell] = {"barSize": "1 hour", "duration": "7200 S", "whatToShow": "TRADES", "formatDate": 2}
    client.ask("reqHistoricalData", reqId=5, **asked, **_CONTRACT)
    (history,) = await client.hear()
    assert [bar["date"] for bar in _rows(history)] == [str(int((NOON - timedelta(hours=1)).timestamp()))]


async def test_from_version_196_on_a_history_has_an_end_of_its_own() -> None:
    async with Gateway(server_version=196, clock=lambda: NOON) as gateway, RawClient(gateway) as client:
        gateway.market.bar("QQQ", NOON, 500, 500, 500, 500, 10)
        client.ask("reqHistoricalData", reqId=5, barSize="1 day", duration="1 D", formatDate=1, **_CONTRACT)
        history, end = await client.hear()
        assert [bar["date"] for bar in _rows(history)] == ["20260105"]
        assert end.name == "historicalDataEnd"


async def test_history_that_is_not_there_is_error_162(gateway: Gateway, client: RawClient) -> None:
    client.ask("reqHistoricalData", reqId=5, barSize="1 min", duration="1 D", formatDate=1, **_CONTRACT)
    assert outline(await client.hear()) == ["error 162"]


async def test_ticks_follow_the_last_price(gateway: Gateway, client: RawClient) -> None:
    client.ask("reqMktData", version=11, reqId=5, **_CONTRACT)
    assert outline(await client.hear())[:2] == ["tickReqParams", "marketDataType"]
    gateway.market.trade("QQQ", 501)
    prices = [m.values for m in await client.hear() if m.name == "tickPrice"]
    assert [(tick["tickType"], tick["price"]) for tick in prices] == [
        (1, Decimal("500.99")),
        (2, Decimal("501.01")),
        (4, 501),
    ]


async def test_a_halt_is_a_tick_and_stops_the_trading(gateway: Gateway, client: RawClient) -> None:
    client.ask("reqMktData", version=11, reqId=5, **_CONTRACT)
    await client.hear()
    gateway.market.halt("QQQ")
    client.place(1, "BUY", 100, account=ACCOUNT)
    heard = await client.hear()
    assert [m.values["value"] for m in heard if m.name == "tickGeneric"] == [1]
    assert gateway.truth.positions(ACCOUNT) == {}
    gateway.market.resume("QQQ")
    assert [m.values["value"] for m in await client.hear() if m.name == "tickGeneric"] == [0]
    assert gateway.truth.positions(ACCOUNT) == {"QQQ": 100}


@pytest.mark.parametrize(("entitled", "heard"), [(3, "error 10167"), (0, "error 354")])
async def test_without_live_data_the_client_is_told(
    gateway: Gateway, client: RawClient, entitled: int, heard: str
) -> None:
    gateway.set_market_data_type(entitled)
    client.ask("reqMktData", version=11, reqId=5, **_CONTRACT)
    assert outline(await client.hear())[0] == heard


def _rows(history: Message) -> list[Row]:
    bars = history.values["bars"]
    assert isinstance(bars, list)
    return bars
