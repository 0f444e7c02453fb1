"""`trader ibkr probe` says what is there, sends no order, and names what stands in the way."""

import pytest
from gateway import Gateway
from gateway.faults import Drop

from trader.adapters.clock import SystemClock
from trader.adapters.ibkr.probe import probe
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
