"""What an account holds, looked at beside the daemon: complete, or not at all."""

import pytest
from gateway import Gateway
from gateway.fault_script import Fault
from gateway.faults import Drop, EmptyPositions, Ignore
from ibkr_rig import ACCOUNT, PATIENCE_S, QUICK

from trader.adapters.clock import SystemClock
from trader.adapters.ibkr.look import positions_at_ib
from trader.adapters.ibkr.session import Address
from trader.domain.errors import BrokerUnreachable, ConfigurationError


async def look(gateway: Gateway, account: str = ACCOUNT) -> dict[str, int]:
    address = Address("127.0.0.1", gateway.port, 2017)
    return await positions_at_ib(address, account, SystemClock(), PATIENCE_S, QUICK)


async def test_shares_are_told_by_symbol_and_nothing_is_placed() -> None:
    async with Gateway(accounts=(ACCOUNT,)) as gateway:
        gateway.endow(ACCOUNT, "QQQ", 10, 500)
        assert await look(gateway) == {"QQQ": 10}
        reads = {"startApi", "reqAllOpenOrders", "reqCurrentTime", "reqPositions"}
        assert {request.name for request in gateway.requests} <= reads


async def test_an_account_that_holds_nothing_is_told_as_such() -> None:
    async with Gateway(accounts=(ACCOUNT,)) as gateway:
        assert await look(gateway) == {}


@pytest.mark.parametrize(
    "fault", [Ignore(on="reqPositions", times=1_000), Drop(on="position"), Drop(on="positionEnd")], ids=repr
)
async def test_what_is_not_told_completely_is_no_answer(fault: Fault) -> None:
    async with Gateway(accounts=(ACCOUNT,)) as gateway:
        gateway.endow(ACCOUNT, "QQQ", 10, 500)
        gateway.faults.add(fault)
        with pytest.raises(BrokerUnreachable, match="does not tell completely what DU1000001 holds"):
            await look(gateway)


async def test_an_empty_answer_just_after_a_log_in_is_not_believed() -> None:
    async with Gateway(accounts=(ACCOUNT,)) as gateway:
        gateway.endow(ACCOUNT, "QQQ", 10, 500)
        gateway.faults.add(EmptyPositions())
        assert await look(gateway) == {"QQQ": 10}


async def test_another_account_is_not_looked_at() -> None:
    async with Gateway(accounts=("DU9999999",)) as gateway:
        with pytest.raises(ConfigurationError, match="logged in to DU9999999, not to DU1000001"):
            await look(gateway)
