"""A fault is counted when it strikes, and not when it might have."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from builders import a_bar, bar_time
from simulation.faults import Fault, Faults
from simulation.history import History
from simulation.life import Life
from simulation.market import TroubledFeed
from simulation.venue import Venue
from simulation.wire import Wire
from simulation.world import World

from trader.domain.decision import Purpose, Side
from trader.domain.market import BarTime
from trader.domain.order import Order, OrderState
from trader.domain.rules import Costs

_AT = datetime(2000, 3, 1, 15, 0, tzinfo=UTC)
_SEEDS = ("s0", "s1", "s2", "s3")


class Standing:
    """A clock on which it is always the same time."""

    def now(self) -> datetime:
        return _AT


def eager(*eager_ones: Fault) -> Faults:
    """Only these strike, whenever they are asked."""
    faults = Faults("eager")
    faults.eagerness = {each: 1_000.0 if each in eager_ones else 0.0 for each in Fault}
    return faults


def an_exit(quantity: int = 1) -> Order:
    return Order(
        ref="sim-1-0001",
        account="sim",
        symbol="QQQ",
        side=Side.SELL,
        quantity=quantity,
        limit_micros=None,
        purpose=Purpose.EXIT,
        reason="signal",
        signal_id="",
        state=OrderState.CREATED,
        filled=0,
        created_at=_AT,
        updated_at=_AT,
    )


def a_minute(number: int) -> BarTime:
    return bar_time(a_bar("QQQ", start=_AT + timedelta(minutes=number)))


def test_a_cancel_is_ignored_when_one_is_sent() -> None:
    faults = eager(Fault.CANCEL_IGNORED)
    venue = Venue(Costs(), "sim", faults)
    ref = an_exit().ref
    venue.place(an_exit())
    assert faults.struck[Fault.CANCEL_IGNORED] == 0
    venue.cancel(ref)
    venue.cancel(ref)
    assert faults.struck[Fault.CANCEL_IGNORED] == 1
    assert ref in venue.working
    venue.cancel("sim-1-0002")
    assert faults.struck[Fault.CANCEL_IGNORED] == 1


def test_an_order_is_late_at_the_bar_that_would_have_filled_it() -> None:
    faults = eager(Fault.SLOW_FILL)
    venue = Venue(Costs(), "sim", faults)
    venue.place(an_exit())
    assert faults.struck[Fault.SLOW_FILL] == 0
    venue.match(a_minute(0))
    assert (faults.struck[Fault.SLOW_FILL], venue.filled("sim-1-0001")) == (1, 0)
    for number in range(1, 8):
        venue.match(a_minute(number))
    assert (faults.struck[Fault.SLOW_FILL], venue.filled("sim-1-0001")) == (1, 1)


def test_an_order_is_filled_in_parts_and_not_to_its_end_at_the_bars_at_which_it_is_so() -> None:
    faults = eager(Fault.PARTIAL_FILL, Fault.REST_UNFILLED)
    venue = Venue(Costs(), "sim", faults)
    venue.place(an_exit(100))
    assert faults.struck.total() == 0
    venue.match(a_minute(0))
    part = venue.filled("sim-1-0001")
    assert 0 < part < 100
    assert (faults.struck[Fault.PARTIAL_FILL], faults.struck[Fault.REST_UNFILLED]) == (1, 0)
    for number in range(1, 6):
        venue.match(a_minute(number))
    assert (faults.struck[Fault.REST_UNFILLED], venue.filled("sim-1-0001")) == (1, part)


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
