"""What the host is measured by, tick by tick: a clock that was set is one thing, a host that slept another."""

from datetime import UTC, datetime, timedelta

import pytest

from trader.adapters.clock import SystemClock
from trader.app.host_watch import HostWatch
from trader.domain.breaker import DEFAULT_BREAKERS, Breaker

NOON = datetime(2025, 6, 23, 16, tzinfo=UTC)


async def free_bytes() -> int:
    return 10**11


async def jump_s(watch: HostWatch) -> tuple[float, str]:
    """What the breaker would hear."""
    [measured] = [one for one in await watch.measured() if one.breaker is Breaker.CLOCK_JUMP]
    return measured.measured, measured.cause


@pytest.fixture
def watch() -> HostWatch:
    """Of a host that has run for 1,000 s, and was suspended for an hour before."""
    watch = HostWatch(DEFAULT_BREAKERS[Breaker.LOOP_LAG], free_bytes)
    assert watch.beat(1000.0, 0.0, NOON, 3600.0) == 0
    return watch


@pytest.mark.parametrize("seconds", [120, -120])
async def test_a_clock_that_was_set_has_jumped(watch: HostWatch, seconds: int) -> None:
    assert watch.beat(1001.0, 0.0, NOON + timedelta(seconds=1 + seconds), 3600.0) == 0
    assert await jump_s(watch) == (120.0, f"the host's clock has jumped by {seconds:+.1f} s")
    assert await jump_s(watch) == (0.0, "the host's clock has jumped by +0.0 s")


async def test_a_host_that_has_slept_has_not_jumped(watch: HostWatch) -> None:
    """The loop's time has stood still; the wall's has not."""
    assert watch.beat(1001.0, 0.0, NOON + timedelta(seconds=901), 4500.0) == 900
    assert (await jump_s(watch))[0] == 0
    assert watch.beat(1002.0, 0.0, NOON + timedelta(seconds=902), 4500.0) == 0, "it is said once"


async def test_a_clock_that_was_set_while_the_host_slept_has_jumped(watch: HostWatch) -> None:
    assert watch.beat(1001.0, 0.0, NOON + timedelta(seconds=901 + 3600), 4500.0) == 900
    assert (await jump_s(watch))[0] == 3600


async def test_a_host_that_cannot_tell_that_it_slept_has_jumped(watch: HostWatch) -> None:
    assert watch.beat(1001.0, 0.0, NOON + timedelta(seconds=901), 3600.0) == 0
    assert (await jump_s(watch))[0] == 900


def test_what_the_clocks_of_a_host_differ_by_is_how_long_it_has_slept(monkeypatch: pytest.MonkeyPatch) -> None:
    times = {11: 5000.0, 1: 1400.0}
    monkeypatch.setattr("trader.adapters.clock._SINCE_BOOT", 11)
    monkeypatch.setattr("time.CLOCK_MONOTONIC", 1)
    monkeypatch.setattr("time.clock_gettime", times.__getitem__)
    assert SystemClock().suspended_s() == 3600
    monkeypatch.setattr("trader.adapters.clock._SINCE_BOOT", None)
    assert SystemClock().suspended_s() == 0


def test_the_clocks_of_this_host_agree_from_one_reading_to_the_next() -> None:
    clock = SystemClock()
    assert abs(clock.suspended_s() - clock.suspended_s()) < 1
