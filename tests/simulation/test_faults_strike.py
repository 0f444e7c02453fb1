"""A fault is counted when it strikes, and not when it might have."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from simulation.faults import Fault, Faults
from simulation.life import Life
from simulation.history import History
from simulation.market import TroubledFeed
from simulation.venue import Venue
from simulation.wire import Wire
from simulation.world import World

from trader.domain.decision import Purpose, Side
from trader.domain.order import Order, OrderState
from trader.domain.rules import Costs

_AT = datetime(2000, 3, 1, 15, 0, tzinfo=UTC)
_SEEDS = ("s0", "s1", "s2", "s3")


class Standing:
    """A clock on which it is always the same time."""

    def now(self) -> datetime:
        return _AT


def eager(fault: Fault) -> Faults:
    """Only this one strikes, whenever it is asked."""
    faults = Faults("eager")
    faults.eagerness = {each: 1_000.0 if each is fault else 0.0 for each in Fault}
    return faults


def test_a_cancel_is_ignored_when_one_is_sent() -> None:
    faults = eager(Fault.CANCEL_IGNORED)
    venue = Venue(Costs(), "sim", faults)
    ref = "sim-1-0001"
    venue.place(
        Order(
            ref=ref,
            account="sim",
            symbol="QQQ",
            side=Side.SELL,
            quantity=1,
            limit_micros=None,
            purpose=Purpose.EXIT,
            reason="signal",
            signal_id="",
            state=OrderState.CREATED,
            filled=0,
            created_at=_AT,
            updated_at=_AT,
        )
    )
    assert faults.struck[Fault.CANCEL_IGNORED] == 0
    venue.cancel(ref)
    venue.cancel(ref)
    assert faults.struck[Fault.CANCEL_IGNORED] == 1
    assert ref in venue.working
    venue.cancel("sim-1-0002")
    assert faults.struck[Fault.CANCEL_IGNORED] == 1


def test_a_clock_that_jumps_is_somewhere_else_and_who_sleeps_over_the_deadline_is_awake_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble = TroubledFeed._trouble_the_clock
    seen = {Fault.MARKET_CLOCK_JUMPS: 0, Fault.SUSPENDED_OVER_FLATTEN: 0}

    def watched(self: TroubledFeed, now: datetime) -> None:
        offset, before = self._offset, {fault: self._faults.struck[fault] for fault in seen}
        trouble(self, now)
        session = self._truth.calendar.session(now.date())
        assert session is not None
        if self._faults.struck[Fault.MARKET_CLOCK_JUMPS] > before[Fault.MARKET_CLOCK_JUMPS]:
            seen[Fault.MARKET_CLOCK_JUMPS] += 1
            assert self._offset != offset
        if self._faults.struck[Fault.SUSPENDED_OVER_FLATTEN] > before[Fault.SUSPENDED_OVER_FLATTEN]:
            seen[Fault.SUSPENDED_OVER_FLATTEN] += 1
            assert now < session.flatten_at < self._slept_until + timedelta(microseconds=1)

    monkeypatch.setattr(TroubledFeed, "_trouble_the_clock", watched)
    for seed in _SEEDS:
        world = World(seed, 1, tmp_path / seed)
        for fault in seen:
            world._faults.eagerness[fault] = 10.0
        world.run()
    assert all(seen.values())


def test_one_that_has_come_through_its_recovery_is_not_killed_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, dies_of = World._plan_death, World._death_of

    def planned(self: World) -> None:
        plan(self)
        self._death, self._dies_at = Fault.KILLED_IN_RECOVERY, 400 if self.outcome.lives < 4 else 0

    def watched(self: World, life: Life) -> Fault:
        fault = dies_of(self, life)
        assert not (life.is_running and fault is Fault.KILLED_IN_RECOVERY)
        came_through.append(life.is_running)
        return fault

    came_through: list[bool] = []
    monkeypatch.setattr(World, "_plan_death", planned)
    monkeypatch.setattr(World, "_death_of", watched)
    World("s2", 1, tmp_path).run()
    assert any(came_through)


async def test_a_broker_that_says_it_holds_nothing_tells_the_truth_next() -> None:
    faults, history = eager(Fault.POSITIONS_EMPTY), History()
    venue = Venue(Costs(), "sim", faults)
    venue.foreign["QQQ"] = 3
    wire = Wire(venue, faults, history, lambda _: None, Standing(), asyncio.get_running_loop())
    told = [(await wire.evidence(())).positions for _ in range(5)]
    assert told == [{}, {"QQQ": 3}, {"QQQ": 3}, {"QQQ": 3}, {}]
    assert (wire.true_answers, wire.has_told_all) == (3, True)
    assert faults.struck[Fault.POSITIONS_EMPTY] == 2
