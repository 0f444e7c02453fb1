"""`trader ibkr probe` says what is there, sends no order, and names what stands in the way."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from gateway import Gateway
from gateway.fault_script import Fault
from gateway.faults import Drop, Ignore, Refuse

from trader.adapters.clock import SystemClock
from trader.adapters.ibkr.probe import Probe, probe
from trader.adapters.ibkr.session import Address
from trader.domain.errors import BrokerUnreachable


async def test_a_gateway_that_is_ready_is_told_as_such_and_gets_no_order() -> None:
    async with Gateway(accounts=("DU1000001", "DU1000002")) as gateway:
        gateway.market.trade("SPY", 500)
        found = await probe(Address("127.0.0.1", gateway.port, 18), SystemClock(), 2)
        assert (found.accounts, found.servers, found.farms) == (("DU1000001", "DU1000002"), True, ())
        assert found.data == "live"
        assert found.writable
        assert found.skew_s is not None
        assert abs(found.skew_s) < 2
        assert not gateway.truth.orders


async def looked(gateway: Gateway) -> Probe:
    gateway.market.trade("SPY", 500)
    return await probe(Address("127.0.0.1", gateway.port, 18), SystemClock(), 2)


@pytest.mark.parametrize(
    ("fault", "writable", "why"),
    [
        (
            Refuse("placeOrder", 321, "Error validating request: The API interface is currently in Read-Only mode."),
            False,
            "Read-Only mode",
        ),
        (Refuse("placeOrder", 201, "Order rejected - reason:"), True, ""),
        (Ignore("placeOrder"), None, ""),
    ],
)
async def test_whether_orders_are_taken_is_seen_by_one_that_is_only_tried(
    fault: Fault, writable: bool | None, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trader.adapters.ibkr.probe._REQUEST_S", 0.5)
    async with Gateway() as gateway:
        gateway.faults.add(fault)
        found = await looked(gateway)
        assert found.writable is writable
        assert why in found.why_not_writable
        assert bool(why) == bool(found.why_not_writable)


@pytest.mark.parametrize(
    ("before", "data"),
    [
        (lambda gateway: gateway.set_market_data_type(3), "delayed"),
        (lambda gateway: gateway.set_market_data_type(0), "IB error 354"),
        (lambda gateway: gateway.faults.add(Ignore("reqMktData")), "nothing came"),
    ],
)
async def test_how_market_data_come_is_said(
    before: Callable[[Gateway], object], data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trader.adapters.ibkr.probe._REQUEST_S", 0.5)
    async with Gateway() as gateway:
        before(gateway)
        assert (await looked(gateway)).data.startswith(data)


async def test_a_clock_beside_ours_is_said() -> None:
    async with Gateway(clock=lambda: datetime.now(UTC) + timedelta(seconds=20)) as gateway:
        skew_s = (await looked(gateway)).skew_s
        assert skew_s is not None
        assert 18 < skew_s < 22


async def test_where_nobody_listens_is_said() -> None:
    with pytest.raises(BrokerUnreachable, match=r"127\.0\.0\.1:1, client id 18: nobody listens there; start TWS"):
        await probe(Address("127.0.0.1", 1, 18), SystemClock(), 2)


@pytest.mark.parametrize("message", ["currentTime", "marketDataType"])
async def test_a_gateway_that_goes_away_while_it_is_looked_at_is_unreachable(message: str) -> None:
    async with Gateway() as gateway:
        gateway.market.trade("SPY", 500)
        gateway.faults.add(Drop(on=message))
        with pytest.raises(BrokerUnreachable, match="client id 18: the other side has closed the connection"):
            await probe(Address("127.0.0.1", gateway.port, 18), SystemClock(), 2)
