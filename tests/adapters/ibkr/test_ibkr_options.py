"""Options at Interactive Brokers: qualified to the last word, ordered by id, never mixed up with their underlying."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from gateway.faults import Alter
from ibkr_rig import ACCOUNT, Rig, a_desk, an_entry, an_exit, fills, ref

from trader.domain.decision import Side
from trader.domain.errors import ConfigurationError
from trader.domain.events import OrderLost, OrderRejected
from trader.domain.money import micros

CALL = "QQQ261218C00500000"
PADDED = "QQQ   261218C00500000"


@asynccontextmanager
async def an_option_desk() -> AsyncIterator[Rig]:
    """A desk that has a call on QQQ at 4.20, too."""
    async with a_desk() as rig:
        rig.gateway.market.list_option(CALL)
        rig.gateway.market.trade(CALL, "4.20")
        await rig.contracts.qualify([CALL])
        yield rig


async def test_it_is_known_by_an_id_of_its_own() -> None:
    async with an_option_desk() as rig:
        found, underlying = rig.contracts.get(CALL), rig.contracts.get("QQQ")
        assert found is not None
        assert underlying is not None
        assert found.con_id == rig.gateway.market.listings[CALL].con_id != underlying.con_id
        assert (found.contract.secType, found.contract.localSymbol, found.min_tick_micros) == ("OPT", PADDED, 10_000)
        asked = rig.gateway.asked("reqContractDetails")[-1]
        assert (asked.text("secType"), asked.text("localSymbol"), asked.text("symbol")) == ("OPT", PADDED, "")


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("localSymbol", "QQQ   261218C00505000", "QQQ261218C00505000 in USD, not that option"),
        ("localSymbol", "QQQ1  261218C00500000", "not that option in US dollars"),
        ("secType", "STK", "not that option in US dollars"),
        ("secType", "FOP", "not that option in US dollars"),
        ("currency", "EUR", "not that option in US dollars"),
        ("multiplier", "10", "a contract on 10, not on 100 shares"),
        ("underSecType", "IND", "an option on IND"),
        ("strike", "505", "20261218 C 505 there"),
        ("right", "P", "20261218 P 500 there"),
        ("lastTradeTimes", "20261219", "20261219 C 500 there"),
        ("minTick", "0", "without an id or a tick"),
    ],
)
async def test_a_contract_that_differs_in_one_word_is_refused(field: str, value: str, why: str) -> None:
    async with a_desk() as rig:
        rig.gateway.market.list_option(CALL)
        rig.gateway.faults.add(Alter(on="contractDetails", field=field, value=value))
        with pytest.raises(ConfigurationError, match=f"{CALL} .*{why}"):
            await rig.contracts.qualify([CALL])
        assert rig.contracts.get(CALL) is None


async def test_one_that_is_not_listed_is_refused_by_name() -> None:
    async with a_desk() as rig:
        with pytest.raises(ConfigurationError, match=f"{CALL} is no option in US dollars there"):
            await rig.contracts.qualify([CALL])


async def test_an_order_names_the_option_and_not_its_underlying() -> None:
    async with an_option_desk() as rig:
        rig.broker.place(an_entry(1, 3, 4.5, CALL))
        [fill] = await rig.filled()
        [sent] = rig.gateway.asked("placeOrder")
        assert sent.whole("conId") == rig.gateway.market.listings[CALL].con_id
        assert (sent.text("secType"), sent.text("localSymbol")) == ("OPT", PADDED)
        assert (fill.symbol, fill.quantity, fill.price_micros) == (CALL, 3, micros(4.2))
        rig.broker.place(an_exit(2, 3, CALL))
        await rig.filled(2)
        assert rig.gateway.truth.positions(ACCOUNT) == {}


async def test_one_that_was_not_qualified_is_not_sent() -> None:
    """Nor is anything else in its place."""
    async with a_desk() as rig:
        rig.gateway.market.list_option(CALL)
        rig.broker.place(an_exit(1, 3, CALL))
        [rejected] = await rig.told(OrderRejected)
        assert "was not qualified" in rejected.reason
        assert rig.placed() == 0


async def test_what_another_process_has_bought_is_named_by_the_option_though_it_was_never_qualified_here() -> None:
    async with a_desk() as rig:
        rig.gateway.market.list_option(CALL)
        rig.gateway.endow(ACCOUNT, CALL, 2, 420)
        rig.gateway.endow(ACCOUNT, "QQQ", 7, 500)
        assert (await rig.broker.evidence([])).positions == {CALL: 2, "QQQ": 7}


@pytest.mark.parametrize(("symbol", "multiplier"), [(CALL, 10), ("QQQ1261218C00500000", 100)])
async def test_an_adjusted_option_is_foreign_and_no_share(symbol: str, multiplier: int) -> None:
    async with a_desk() as rig:
        rig.gateway.market.list_option(symbol, multiplier)
        rig.gateway.endow(ACCOUNT, symbol, 2, 42)
        assert (await rig.broker.evidence([])).positions == {}
        [found] = rig.broker.foreign
        assert (found.kind, found.what) == ("position", "2 of OPT in USD")
        assert "QQQ" in found.symbol


async def test_an_option_that_somebody_trades_by_hand_is_a_foreign_execution_of_its_own_name() -> None:
    async with an_option_desk() as rig:
        rig.gateway.place_by_hand(ACCOUNT, CALL, "BUY", 1)
        await rig.broker.evidence([])
        assert {found.symbol for found in rig.broker.foreign} == {CALL}
        assert fills(rig) == []


async def test_its_execution_is_found_after_a_reconnection() -> None:
    async with an_option_desk() as rig:
        rig.gateway.market.depth(CALL, 0)
        rig.broker.place(an_entry(1, 3, 4.5, CALL))
        await rig.quiet()
        rig.gateway.disconnect()
        rig.gateway.market.depth(CALL, None)
        await rig.reconnected()
        evidence = await rig.broker.evidence([ref(1)])
        assert evidence.executions is not None
        [fill] = evidence.executions
        assert (fill.symbol, fill.side, fill.quantity) == (CALL, Side.BUY, 3)
        assert evidence.positions == {CALL: 3}


async def test_a_level_is_on_a_tick_that_the_contract_has() -> None:
    """A premium of 2.45 is on the grid of every class of options; one of 2.455 on none."""
    async with an_option_desk() as rig:
        rig.broker.place(an_entry(1, 1, 2.45, CALL))
        await rig.quiet()
        assert (rig.of(OrderRejected), rig.of(OrderLost)) == ([], [])
        rig.broker.place(an_entry(2, 1, 2.455, CALL))
        [rejected] = await rig.told(OrderRejected)
        assert "not on the tick" in rejected.reason
