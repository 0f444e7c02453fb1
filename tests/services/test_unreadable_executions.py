"""An execution told with what none can have bars its symbol, and is booked when it is told whole."""

from pathlib import Path
from typing import Any

import pytest
from builders import Market, a_fill, a_machine, an_unwritable_book, assert_sound

from trader.adapters.paper.broker import Treatment
from trader.domain.decision import Rule
from trader.domain.events import CommandName, Evidence, EvidenceGiven, FillReported, JournalType
from trader.domain.order import Fill

ID = "0001f4e8.65a1.01.01"
HALTED = "SELECT scope, target FROM book_halts WHERE cleared_us IS NULL"


async def an_execution(market: Market, id_: str = ID) -> Fill:
    """Of a working order of ours, as it should be told."""
    if not market.working():
        await market.bar({"JD": 0.9})
    return a_fill("JD", 10, 30.0, order_ref="paper-1-0001", execution_id=id_, at=market.now)


def a_market(tmp_path: Path) -> Any:
    return a_machine(tmp_path, script=lambda _: Treatment(parts=(0,)))


async def tell(market: Market, *fills: Fill) -> None:
    """The broker's complete answer has them."""
    shares = sum(fill.quantity for fill in fills if not fill.fault)
    evidence = Evidence(fills, frozenset({"paper-1-0001"}), {}, {"JD": shares} if shares else {})
    await market.handle(EvidenceGiven((), await market.engine.news_of(evidence)))


@pytest.mark.parametrize("wrong", [{"quantity": -1}, {"price_micros": 0}, {"quantity": 10**12}])
async def test_it_is_booked_by_the_answer_that_tells_it_whole(tmp_path: Path, wrong: dict[str, Any]) -> None:
    async with a_market(tmp_path) as market:
        whole = await an_execution(market)
        await market.report(whole._replace(**wrong))
        assert market.held() == {}
        assert market.sql(HALTED) == [("symbol", "JD")]
        assert ID in market.log.said("EXECUTION NOT READABLE JD")[0]
        await tell(market, whole)
        assert market.held() == {"JD": 10}
        assert market.sql(HALTED) == []
        assert market.log.said("EXECUTION READABLE JD")
        await assert_sound(market)


async def test_it_is_booked_by_a_report_of_its_own_and_once(tmp_path: Path) -> None:
    async with a_market(tmp_path) as market:
        whole = await an_execution(market)
        await market.report(whole._replace(price_micros=0))
        await market.report(whole, times=2)
        await tell(market, whole)
        assert market.trades() == [("BUY", "JD", 10)]


async def test_its_symbol_alone_is_barred_meanwhile(tmp_path: Path) -> None:
    async with a_market(tmp_path) as market:
        whole = await an_execution(market)
        await market.report(whole._replace(price_micros=0))
        await market.bar()
        refusal = (await market.submit("JD", 0.9)).refusal
        assert refusal is not None
        assert refusal.rule is Rule.HALTED
        assert (await market.submit("MSFT", 0.9)).refusal is None


async def test_it_is_said_once_as_it_is_told_and_again_when_it_is_told_otherwise(tmp_path: Path) -> None:
    async with a_market(tmp_path) as market:
        whole = await an_execution(market)
        for _ in range(3):
            await tell(market, whole._replace(price_micros=0))
        again = Evidence((whole._replace(price_micros=0),), frozenset({"paper-1-0001"}), {}, {})
        assert (await market.engine.news_of(again)).executions == ()
        assert market.journaled(JournalType.ALARM) == 1
        await tell(market, whole._replace(quantity=-1))
        assert len(market.log.said("EXECUTION NOT READABLE JD")) == 2


async def test_what_a_run_before_has_barred_ends_too(tmp_path: Path) -> None:
    async with a_market(tmp_path) as market:
        whole = await an_execution(market)
        await market.report(whole._replace(price_micros=0))
        await market.restart(keep_broker=True)
        assert market.sql(HALTED) == [("symbol", "JD")]
        await market.report(whole)
        assert market.held() == {"JD": 10}
        assert market.sql(HALTED) == []


async def test_another_one_of_the_symbol_goes_on_barring_it(tmp_path: Path) -> None:
    async with a_market(tmp_path) as market:
        first, second = await an_execution(market), await an_execution(market, "0001f4e8.65a2.01.01")
        for fill in (first, second):
            await market.report(fill._replace(price_micros=0))
        await market.report(first)
        assert market.sql(HALTED) == [("symbol", "JD")]
        await market.report(second)
        assert market.sql(HALTED) == []
        assert market.held() == {"JD": 20}


async def test_a_correction_that_can_be_read_stands_for_what_could_not(tmp_path: Path) -> None:
    async with a_market(tmp_path) as market:
        whole = await an_execution(market)
        await market.report(whole._replace(price_micros=0))
        await market.report(whole._replace(execution_id="0001f4e8.65a1.01.02", corrects=(ID,)))
        assert market.held() == {"JD": 10}
        assert market.sql(HALTED) == []


async def test_a_person_s_halt_of_the_symbol_stays(tmp_path: Path) -> None:
    async with a_market(tmp_path) as market:
        whole = await an_execution(market)
        await market.command(CommandName.HALT, "symbol", "JD")
        await market.report(whole._replace(price_micros=0))
        await market.report(whole)
        assert market.held() == {"JD": 10}
        assert market.sql(HALTED) == [("symbol", "JD")]


async def test_a_step_that_is_not_written_has_not_heard_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_market(tmp_path) as market:
        whole = await an_execution(market)
        with an_unwritable_book(monkeypatch):
            await market.handle(FillReported(whole._replace(price_micros=0)))
        await market.wait(1)
        assert market.sql(HALTED) == [("symbol", "JD")]
        with an_unwritable_book(monkeypatch):
            await market.handle(FillReported(whole))
        await market.wait(1)
        assert market.held() == {"JD": 10}
        assert market.sql(HALTED) == []
