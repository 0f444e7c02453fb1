"""Chores: one that fails says so once, and again when it works."""

import asyncio

import pytest
from freezegun import freeze_time

from trader.adapters.schedule import Schedule


class Sentences:
    """A log that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, *messages: str) -> None:
        """Keep a sentence."""
        self.lines += messages

    warning = error = info


def unheard(name: str, failure: str) -> None:
    """Nobody listens."""


async def test_a_chore_that_fails_again_and_again_is_said_once() -> None:
    log = Sentences()
    outcomes: list[Exception | None] = [
        ValueError("a"), ValueError("a"), ValueError("b"), None, None, ValueError("b"), None
    ]  # fmt: skip
    done = asyncio.Event()

    async def chore() -> None:
        if not outcomes:
            done.set()
            return
        outcome = outcomes.pop(0)
        if outcome is not None:
            raise outcome

    failures: list[tuple[str, str]] = []
    schedule = Schedule(log, lambda *failure: failures.append(failure))
    schedule.every(0.01, "sweeping", chore)
    running = asyncio.create_task(schedule.run())
    await asyncio.wait_for(done.wait(), 10)
    await schedule.stop()
    await running
    assert log.lines == [
        "CHORE sweeping failed: ValueError: a",
        "CHORE sweeping failed: ValueError: b",
        "CHORE sweeping works again",
        "CHORE sweeping failed: ValueError: b",
        "CHORE sweeping works again",
    ]
    assert failures == [("sweeping", f"ValueError: {which}") for which in "abb"]


async def test_a_stop_lets_a_chore_finish_and_begins_no_other() -> None:
    log = Sentences()
    begun, may_end = asyncio.Event(), asyncio.Event()
    told: list[str] = []

    async def chore() -> None:
        told.append("begun")
        begun.set()
        await may_end.wait()
        told.append("ended")

    schedule = Schedule(log, unheard)
    schedule.every(0.01, "sweeping", chore)
    running = asyncio.create_task(schedule.run())
    await asyncio.wait_for(begun.wait(), 10)
    stopping = asyncio.create_task(schedule.stop())
    await asyncio.sleep(0.05)
    assert not stopping.done()
    may_end.set()
    await stopping
    await running
    assert told == ["begun", "ended"]
    assert log.lines == []


async def test_a_chore_that_does_not_end_is_broken_off_in_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("trader.adapters.schedule._LONGEST_CHORE_S", 0.01)
    log = Sentences()
    begun = asyncio.Event()

    async def chore() -> None:
        begun.set()
        await asyncio.Event().wait()

    schedule = Schedule(log, unheard)
    schedule.every(0.01, "sweeping", chore)
    running = asyncio.create_task(schedule.run())
    await asyncio.wait_for(begun.wait(), 10)
    await schedule.stop()
    await running
    assert log.lines == ["CHORE sweeping was broken off by the stop"]
    assert [record for record in caplog.records if record.exc_info] == []


async def test_a_clock_that_is_set_back_holds_up_no_interval() -> None:
    """Orders of unknown fate are asked about by one: an hour without an answer is an hour without an exit."""
    asked, asked_again = asyncio.Event(), asyncio.Event()

    async def chore() -> None:
        (asked_again if asked.is_set() else asked).set()

    schedule = Schedule(Sentences(), unheard)
    schedule.every(0.01, "asking", chore)
    with freeze_time("2025-06-23 15:45:00", real_asyncio=True) as clock:
        running = asyncio.create_task(schedule.run())
        await asyncio.wait_for(asked.wait(), 10)
        clock.move_to("2025-06-23 14:45:00")
        await asyncio.wait_for(asked_again.wait(), 10)
        await schedule.stop()
        await running
