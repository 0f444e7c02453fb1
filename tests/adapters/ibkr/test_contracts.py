"""Qualification: which symbols are what, by id."""

import pytest
from gateway.faults import Alter, Ignore
from ibkr_rig import a_desk, an_entry, fills

from trader.adapters.ibkr.client_library import ContractDetails
from trader.adapters.ibkr.contracts import Qualified, the_one
from trader.adapters.ibkr.translate import stock
from trader.domain.errors import BrokerUnreachable, ConfigurationError
from trader.domain.events import FillReported


async def test_a_stock_is_known_by_its_id_and_tick() -> None:
    async with a_desk() as rig:
        found = rig.contracts.get("QQQ")
        assert found is not None
        assert (found.con_id, found.min_tick_micros, found.primary_exchange) == (320227571, 10_000, "NASDAQ")
        assert (found.contract.conId, found.contract.exchange) == (320227571, "SMART")


async def test_what_is_known_is_not_asked_again() -> None:
    async with a_desk() as rig:
        asked = len(rig.gateway.asked("reqContractDetails"))
        await rig.contracts.qualify(["QQQ", "AAPL"])
        assert len(rig.gateway.asked("reqContractDetails")) == asked


async def test_symbols_that_are_refused_are_all_named() -> None:
    async with a_desk() as rig:
        with pytest.raises(ConfigurationError, match=r"ZZZZA is no stock.*ZZZZB is no stock"):
            await rig.contracts.qualify(["ZZZZA", "JPM", "ZZZZB"])


async def test_what_is_not_refused_is_taken_beside_what_is() -> None:
    async with a_desk() as rig:
        refused = await rig.contracts.look_up(["ZZZZA", "JPM"])
        assert refused == {"ZZZZA": "ZZZZA is no stock or ETF in US dollars there"}
        assert rig.contracts.get("JPM") is not None


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("currency", "EUR", "not a stock in US dollars"),
        ("secType", "OPT", "not a stock in US dollars"),
        ("primaryExchange", "LSE", "not on a US exchange"),
        ("stockType", "RIGHT", "is a RIGHT"),
        ("minTick", "0", "without an id or a tick"),
    ],
)
async def test_anything_but_a_us_stock_or_etf_in_dollars_is_refused(field: str, value: str, why: str) -> None:
    async with a_desk() as rig:
        rig.gateway.faults.add(Alter(on="contractDetails", field=field, value=value))
        with pytest.raises(ConfigurationError, match=f"JPM .*{why}"):
            await rig.contracts.qualify(["JPM"])


def test_a_symbol_of_two_contracts_is_ambiguous_and_both_are_named() -> None:
    found = []
    for con_id, exchange in ((1, "NYSE"), (2, "AMEX")):
        contract = stock("JPM", con_id)
        contract.primaryExchange = exchange
        found.append(ContractDetails(contract=contract, minTick=0.01, stockType="COMMON"))
    assert the_one("JPM", tuple(found)) == "JPM is ambiguous: NYSE (1), AMEX (2)"
    assert isinstance(the_one("JPM", tuple(found[:1] * 2)), Qualified)


async def test_a_class_of_shares_keeps_the_name_that_we_have_for_it() -> None:
    async with a_desk() as rig:
        rig.gateway.market.list("BRK B", "NYSE")
        rig.gateway.market.trade("BRK B", 500)
        await rig.contracts.qualify(["BRK-B"])
        rig.broker.place(an_entry(1, symbol="BRK-B"))
        await rig.told(FillReported)
        assert fills(rig)[0].symbol == "BRK-B"
        assert (await rig.broker.evidence([])).positions == {"BRK-B": 100}


async def test_no_answer_is_no_refusal() -> None:
    async with a_desk() as rig:
        rig.gateway.faults.add(Ignore(on="reqContractDetails"))
        with pytest.raises(BrokerUnreachable, match="contract of JPM"):
            await rig.contracts.qualify(["JPM"])
