"""What a broker tells no more is said; nothing is assumed of it."""

from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from builders import MONDAY, Market, a_machine, an_unwritable_book, new_york
from test_reconciliation import an_answer

from trader.domain.events import NO_EVIDENCE, EvidenceGiven, JournalType
from trader.domain.session import new_york_day

TUESDAY = MONDAY + timedelta(days=1)


async def told(market: Market, at: datetime, of: date) -> None:
    """A complete answer at an instant, with what has happened on a date."""
    market.clock.set(at)
    await market.handle(EvidenceGiven((), an_answer(told_since=new_york_day(of)[0])))


def untold(market: Market) -> int:
    return market.journaled(JournalType.EXECUTIONS_UNTOLD)


async def test_a_session_that_nobody_heard_to_its_end_is_said_once(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await told(market, new_york("14:00"), MONDAY)
        await told(market, new_york("09:00", TUESDAY), TUESDAY)
        await told(market, new_york("09:01", TUESDAY), TUESDAY)
        [line] = market.log.said("EXECUTIONS UNTOLD between 2025-06-23 18:00 and 2025-06-24 04:00 UTC")
        assert "compare its statement" in line
        assert untold(market) == 1


@pytest.mark.parametrize("last", ["16:00", "23:59"])
async def test_a_night_in_which_nothing_trades_is_not_said(tmp_path: Path, last: str) -> None:
    async with a_machine(tmp_path) as market:
        await told(market, new_york(last), MONDAY)
        await told(market, new_york("09:00", TUESDAY), TUESDAY)
        assert untold(market) == 0


async def test_a_connection_that_is_lost_within_a_day_hides_nothing(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await told(market, new_york("10:00"), MONDAY)
        await told(market, new_york("15:00"), MONDAY)
        assert untold(market) == 0


async def test_a_restart_counts_from_the_end_of_the_run_before(tmp_path: Path) -> None:
    async with a_machine(tmp_path, clock="14:00") as market:
        await market.bar()
        await market.restart()
        market.clock.set(new_york("09:00", TUESDAY))
        await market.restart(recovering=False)
        await told(market, new_york("09:00", TUESDAY), TUESDAY)
        assert untold(market) == 1


async def test_an_answer_that_is_not_complete_tells_nothing(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await told(market, new_york("14:00"), MONDAY)
        market.clock.set(new_york("23:59"))
        await market.handle(EvidenceGiven((), NO_EVIDENCE))
        await told(market, new_york("09:00", TUESDAY), TUESDAY)
        assert untold(market) == 1


async def test_it_is_said_again_when_it_could_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_machine(tmp_path) as market:
        await told(market, new_york("14:00"), MONDAY)
        with an_unwritable_book(monkeypatch):
            await told(market, new_york("09:00", TUESDAY), TUESDAY)
        await told(market, new_york("09:01", TUESDAY), TUESDAY)
        assert untold(market) == 1
