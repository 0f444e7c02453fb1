"""The watchdog is fed by work: looks of the scanner, commits that were due, a loop that is not late."""

from pathlib import Path

import pytest
from builders import Market, a_machine, an_unwritable_book

from trader.adapters.service_manager import WORKS
from trader.app.pulse import Pulse


class Fed:
    """A pulse and what it has said."""

    def __init__(self, market: Market) -> None:
        self.said: list[str] = []
        self.pulse = Pulse(market.engine, market.clock, self.said.append)
        self.now_s = 1000.0

    def is_fed(self, *, lag_s: float = 0.0) -> bool:
        """Whether the next beat, a while later, feeds."""
        before = len(self.said)
        self.now_s += 2
        self.pulse.beat(self.now_s, lag_s)
        assert set(self.said) <= {WORKS}
        return len(self.said) > before


async def test_a_look_of_the_scanner_feeds_and_time_does_not(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        fed = Fed(market)
        assert fed.is_fed()
        assert not any(fed.is_fed() for _ in range(100))
        await market.wait(0.1)
        assert fed.is_fed()
        assert not fed.is_fed()


async def test_outside_the_session_the_scanner_looks_too(tmp_path: Path) -> None:
    async with a_machine(tmp_path, clock="16:30") as market:
        fed = Fed(market)
        for _ in range(3):
            await market.wait(3600)
            assert fed.is_fed()


async def test_a_late_loop_does_not_feed(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        fed = Fed(market)
        assert not fed.is_fed(lag_s=5.1)
        assert fed.is_fed(lag_s=0.2)


async def test_a_scanner_that_looks_at_nothing_does_not_feed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_machine(tmp_path) as market:
        fed = Fed(market)
        assert fed.is_fed()
        monkeypatch.setattr(market.engine.trading.exits, "scan", lambda *_: None)
        for _ in range(5):
            await market.wait(1)
            assert not fed.is_fed()


async def test_a_commit_that_is_missing_while_something_is_held_does_not_feed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        await market.bars(2, {"QQQ": 0.8})
        fed = Fed(market)
        assert fed.is_fed()
        monkeypatch.setattr(market.engine._marks, "are_due", lambda _: False)
        for minute in range(7):
            await market.bar()
            assert fed.is_fed() is (minute < 5)


async def test_nothing_held_needs_no_commit(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        fed = Fed(market)
        for _ in range(20):
            await market.wait(60)
            assert fed.is_fed()


async def test_a_book_that_cannot_be_written_is_no_reason_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        await market.bars(2, {"QQQ": 0.8})
        fed = Fed(market)
        with an_unwritable_book(monkeypatch):
            for _ in range(20):
                await market.bar()
                assert fed.is_fed()


async def test_it_says_how_old_the_work_is(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        fed = Fed(market)
        fed.is_fed(lag_s=0.25)
        answer = fed.pulse.as_answer()
        assert answer["loop_lag_s"] == 0.25
        assert answer["commit_missing"] is False
        assert answer["unwritable"] == ""
