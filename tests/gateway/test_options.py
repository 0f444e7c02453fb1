"""Options at the gateway: told as the real one tells them, and never taken for their underlying."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from gateway import Gateway
from gateway.raw_client import RawClient, outline
from gateway.wire import Cell

ACCOUNT = "DU1000001"
CALL = "QQQ261218C00500000"
PADDED = "QQQ   261218C00500000"
_OPTION: dict[str, Cell] = {"secType": "OPT", "symbol": "", "exchange": "SMART", "currency": "USD"}


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with Gateway(seed=7) as running:
        running.market.list_option(CALL)
        running.market.trade("QQQ", 500)
        running.market.trade(CALL, "4.20")
        yield running


async def test_its_details_are_found_by_its_padded_symbol(gateway: Gateway, client: RawClient) -> None:
    client.ask("reqContractDetails", version=8, reqId=1, localSymbol=PADDED, **_OPTION)
    details, _ = await client.hear()
    told = {key: details.values[key] for key in ("symbol", "secType", "localSymbol", "multiplier", "right")}
    assert told == {"symbol": "QQQ", "secType": "OPT", "localSymbol": PADDED, "multiplier": "100", "right": "C"}
    assert (details.values["strike"], details.values["underSecType"]) == ("500", "STK")


@pytest.mark.parametrize(
    "named",
    [
        {"localSymbol": "QQQ   261218C00505000"},
        {"symbol": "QQQ"},
        {"localSymbol": PADDED, "symbol": "SPY"},
        {"localSymbol": PADDED, "secType": "STK"},
        {"conId": 320227571},
    ],
)
async def test_what_is_named_otherwise_is_not_found(
    gateway: Gateway, client: RawClient, named: dict[str, Cell]
) -> None:
    client.ask("reqContractDetails", **{"version": 8, "reqId": 1, **_OPTION, **named})
    assert outline(await client.hear()) == ["error 200"]


async def test_an_execution_of_it_moves_a_hundred_times_its_premium(gateway: Gateway, client: RawClient) -> None:
    client.place(1, "BUY", 3, "MKT", **_OPTION, localSymbol=PADDED)
    heard = await client.hear()
    execution = next(message.values for message in heard if message.name == "execDetails")
    assert (execution["symbol"], execution["localSymbol"], execution["secType"]) == ("QQQ", PADDED, "OPT")
    assert (execution["multiplier"], execution["shares"], execution["price"]) == ("100", 3, Decimal("4.2"))
    assert heard[-1].values["commission"] == Decimal("1.95")
    assert gateway.truth.positions(ACCOUNT) == {CALL: 3}
    assert gateway.truth.cash(ACCOUNT) == 1_000_000 - 1_260 - Decimal("1.95")
    assert gateway.truth.equity(ACCOUNT, gateway.market) == 1_000_000 - Decimal("1.95")
    client.ask("reqPositions", version=1)
    position, _ = await client.hear()
    assert (position.values["localSymbol"], position.values["position"]) == (PADDED, 3)
    assert position.values["avgCost"] == Decimal("420.65")
    gateway.correct(gateway.truth.executions[0].exec_id, 3, Decimal(4))
    assert gateway.truth.cash(ACCOUNT) == 1_000_000 - 1_200 - Decimal("1.95")


async def test_shares_and_contracts_of_one_underlying_are_two_positions(gateway: Gateway, client: RawClient) -> None:
    client.place(1, "BUY", 100)
    client.place(2, "BUY", 1, "MKT", **_OPTION, localSymbol=PADDED)
    client.place(3, "SELL", 1, "MKT", **_OPTION, localSymbol=PADDED)
    await client.hear()
    assert gateway.truth.positions(ACCOUNT) == {"QQQ": 100}
