"""The embedded feed: its clock, its pace, and how it resumes. Time is the event loop's and takes no time here."""

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import chain, pairwise
from typing import TypeVar

import pytest

from trader.adapters.calendar import load_calendar
from trader.adapters.feeds.simulated import LEAD, SimulatedFeed
from trader.adapters.feeds.simulated_levels import ORIGIN
from trader.adapters.feeds.simulated_market import SimulatedMarket
from trader.domain.market import BarTime
from trader.domain.session import Calendar

CALENDAR = load_calendar()
MARKET = SimulatedMarket(7, CALENDAR)
THURSDAY = date(2025, 7, 3)  # a half day, before a holiday and a weekend
OPEN, CLOSE = datetime(2025, 7, 3, 13, 30, tzinfo=UTC), datetime(2025, 7, 3, 17, tzinfo=UTC)
NEXT_OPEN = datetime(2025, 7, 7, 13, 30, tzinfo=UTC)
Result = TypeVar("Result")
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)


class InstantSelector(selectors.DefaultSelector):
    """Does not wait: adds up what it would have waited."""

    waited_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("the loop would wait for ever")
        self.waited_s += max(timeout, 0)
        return super().select(0)


class InstantLoop(asyncio.SelectorEventLoop):
    """An event loop in which sleeping takes no time and only sleeping takes any."""

    def __init__(self) -> None:
        self._instant = InstantSelector()
        super().__init__(self._instant)

    def time(self) -> float:
        return 1_000.0 + self._instant.waited_s


def in_no_time(main: Coroutine[None, None, Result]) -> Result:
    """Run a coroutine on a loop of that kind."""
    with asyncio.Runner(loop_factory=InstantLoop) as runner:
        return runner.run(main)


def feed_from(starts_at: datetime, speed: float = 60, calendar: Calendar = CALENDAR) -> SimulatedFeed:
    return SimulatedFeed(SimulatedMarket(7, calendar), calendar, starts_at, speed)


def loop_time() -> float:
    return asyncio.get_running_loop().time()


def play(feed: SimulatedFeed, bars: int, on_bar: Callable[[BarTime], Awaitable[None]] | None = None) -> list[BarTime]:
    """Run the feed until it has published some bars."""
    played: list[BarTime] = []

    async def run() -> None:
        stop = asyncio.Event()

        async def publish(bar_time: BarTime) -> None:
            played.append(bar_time)
            if on_bar is not None:
                await on_bar(bar_time)
            if len(played) == bars:
                stop.set()

        await feed.run(publish, stop)

    in_no_time(run())
    return played


def sessions(*days: date) -> list[BarTime]:
    return list(chain.from_iterable(map(MARKET.session_bars, days)))


def ends(bars: Iterable[BarTime]) -> list[datetime]:
    return [bar_time.ends_at for bar_time in bars]


# What is published.


@pytest.mark.parametrize("speed", [0, 1, 60, 1e6])
def test_every_bar_is_published_once_and_in_order_across_a_holiday_and_a_weekend(speed: float) -> None:
    played = play(feed_from(OPEN, speed), 300)
    assert played == sessions(THURSDAY, date(2025, 7, 7))[:300]


@pytest.mark.parametrize(
    ("starts_at", "first_end"),
    [
        (OPEN - timedelta(hours=30), datetime(2025, 7, 2, 13, 31, tzinfo=UTC)),
        (OPEN - 10 * SECOND, OPEN + MINUTE),
        (OPEN, OPEN + MINUTE),
        (OPEN + 59 * SECOND, OPEN + MINUTE),
        (OPEN + MINUTE, OPEN + 2 * MINUTE),
        (CLOSE - SECOND, CLOSE),
        (CLOSE, NEXT_OPEN + MINUTE),
        (datetime(2025, 7, 5, 15, tzinfo=UTC), NEXT_OPEN + MINUTE),
    ],
)
def test_the_first_bar_is_the_first_that_ends_after_the_start(starts_at: datetime, first_end: datetime) -> None:
    assert ends(play(feed_from(starts_at), 1)) == [first_end]


@pytest.mark.parametrize("bars", [1, 100, 209, 210, 211])
def test_resuming_from_the_last_market_time_leaves_no_gap_and_repeats_nothing(bars: int) -> None:
    feed = feed_from(OPEN)
    before = play(feed, bars)
    after = play(feed_from(before[-1].ends_at), 20)
    assert before + after == play(feed_from(OPEN), bars + 20)
    assert play(feed, 20) == after


def test_resuming_from_any_time_the_clock_has_shown_leaves_no_gap() -> None:
    feed = feed_from(OPEN, speed=60)
    seen: list[tuple[datetime, int]] = []
    published = 0

    async def watch(_: BarTime) -> None:
        nonlocal published
        published += 1

    async def run() -> None:
        stop = asyncio.Event()
        feeding = asyncio.create_task(feed.run(watch, stop))
        while published < 215:
            await asyncio.sleep(0.25)
            seen.append((feed.now(), published))
        stop.set()
        await feeding

    in_no_time(run())
    expected = ends(sessions(THURSDAY, date(2025, 7, 7)))
    for shown, already in seen:
        assert next(end for end in expected if end > shown) == expected[already]


# The clock.


def test_the_clock_is_at_the_end_of_a_bar_while_it_is_published() -> None:
    for speed in (0, 60):
        feed = feed_from(OPEN, speed)
        shown: list[datetime] = []

        async def look(_: BarTime, feed: SimulatedFeed = feed, shown: list[datetime] = shown) -> None:
            shown.append(feed.now())

        assert ends(play(feed, 230, look)) == shown


def test_the_pace_is_the_speed_and_does_not_drift() -> None:
    at: list[float] = []

    async def look(_: BarTime) -> None:
        at.append(loop_time())
        await asyncio.sleep(0.3)

    play(feed_from(OPEN, speed=60), 200, look)
    assert at[0] == pytest.approx(1_001)
    assert at[-1] - at[0] == pytest.approx(199)
    assert {round(after - before, 6) for before, after in pairwise(at)} == {1.0}


def test_a_bar_begun_before_the_start_takes_only_the_rest_of_its_time() -> None:
    at: list[float] = []

    async def look(_: BarTime) -> None:
        at.append(loop_time())

    play(feed_from(OPEN + 45 * SECOND, speed=1), 2, look)
    assert at == pytest.approx([1_015, 1_075])


def test_between_bars_the_clock_runs_smoothly_at_its_speed() -> None:
    feed = feed_from(OPEN, speed=60)
    shown: list[datetime] = []

    async def run() -> None:
        stop = asyncio.Event()

        async def publish(_: BarTime) -> None:
            return

        feeding = asyncio.create_task(feed.run(publish, stop))
        await asyncio.sleep(0.05)
        for _ in range(50):
            shown.append(feed.now())
            await asyncio.sleep(0.1)
        stop.set()
        await feeding

    in_no_time(run())
    assert shown[0] - OPEN == pytest.approx(3 * SECOND, abs=SECOND / 1000)
    for before, after in pairwise(shown):
        assert after - before == pytest.approx(6 * SECOND, abs=SECOND / 1000)


def test_the_clock_waits_for_a_slow_consumer_and_skips_nothing() -> None:
    feed = feed_from(OPEN, speed=60)
    shown: list[tuple[datetime, datetime]] = []

    async def think(bar_time: BarTime) -> None:
        if bar_time.ends_at == OPEN + 3 * MINUTE:
            await asyncio.sleep(20)
        shown.append((bar_time.ends_at, feed.now()))

    played = play(feed, 6, think)
    assert played == sessions(THURSDAY)[:6]
    assert all(end == now for end, now in shown)


def test_a_little_lateness_is_made_up() -> None:
    at: list[float] = []

    async def think(bar_time: BarTime) -> None:
        at.append(loop_time())
        if bar_time.ends_at == OPEN + 3 * MINUTE:
            await asyncio.sleep(1.4)

    play(feed_from(OPEN, speed=60), 6, think)
    assert [after - before for before, after in pairwise(at)] == pytest.approx([1, 1, 1.4, 0.6, 1])


def test_after_a_slow_consumer_the_pace_is_the_usual_again() -> None:
    at: list[float] = []

    async def think(bar_time: BarTime) -> None:
        at.append(loop_time())
        if bar_time.ends_at == OPEN + 3 * MINUTE:
            await asyncio.sleep(20)

    play(feed_from(OPEN, speed=60), 8, think)
    assert [after - before for before, after in pairwise(at)] == pytest.approx([1, 1, 20, 1, 1, 1, 1])


def test_the_clock_never_comes_to_the_end_of_a_bar_that_is_not_published() -> None:
    """Even when the feed itself is late: its loop was busy with something else."""
    feed = feed_from(OPEN, speed=60)
    published: list[datetime] = []

    async def publish(bar_time: BarTime) -> None:
        published.append(bar_time.ends_at)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, InstantLoop)
        stop = asyncio.Event()
        feeding = asyncio.create_task(feed.run(publish, stop))
        await asyncio.sleep(1.5)
        loop._instant.waited_s += 30
        assert published == [OPEN + MINUTE]
        assert published[-1] < feed.now() < published[-1] + MINUTE
        stop.set()
        await feeding

    in_no_time(run())
    assert published[-1] <= feed.now() < published[-1] + MINUTE


def test_nights_weekends_and_holidays_take_no_time() -> None:
    at: list[float] = []

    async def look(_: BarTime) -> None:
        at.append(loop_time())

    played = play(feed_from(CLOSE - MINUTE, speed=60), 2, look)
    assert ends(played) == [CLOSE, NEXT_OPEN + MINUTE]
    assert at[1] - at[0] == pytest.approx((LEAD + MINUTE).total_seconds() / 60)


def test_the_clock_jumps_to_shortly_before_the_open() -> None:
    feed = feed_from(CLOSE, speed=60)
    shown: list[datetime] = []

    async def run() -> None:
        stop = asyncio.Event()
        feeding = asyncio.create_task(feed.run(lambda _: asyncio.sleep(0), stop))
        await asyncio.sleep(0)
        shown.append(feed.now())
        stop.set()
        await feeding

    in_no_time(run())
    assert shown == [NEXT_OPEN - LEAD]


def test_the_clock_stands_while_the_feed_does_not_run() -> None:
    feed = feed_from(OPEN)
    assert feed.now() == OPEN
    play(feed, 3)
    assert feed.now() == OPEN + 3 * MINUTE


def test_stop_ends_the_wait_for_the_next_bar() -> None:
    feed = feed_from(OPEN, speed=1)
    published: list[BarTime] = []

    async def publish(bar_time: BarTime) -> None:
        published.append(bar_time)

    async def run() -> float:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(7, stop.set)
        await feed.run(publish, stop)
        return loop_time()

    assert in_no_time(run()) == pytest.approx(1_007)
    assert published == []
    assert feed.now() - OPEN == pytest.approx(7 * SECOND, abs=SECOND / 1000)


def test_at_speed_zero_other_tasks_get_their_turn_at_every_bar() -> None:
    published = 0
    seen: list[int] = []

    async def run() -> None:
        stop = asyncio.Event()

        async def publish(_: BarTime) -> None:
            nonlocal published
            published += 1
            if published == 500:
                stop.set()

        feeding = asyncio.create_task(feed_from(OPEN, speed=0).run(publish, stop))
        while not stop.is_set():
            await asyncio.sleep(0)
            seen.append(published)
        await feeding

    in_no_time(run())
    assert max(after - before for before, after in pairwise(seen)) == 1


def test_what_publish_raises_ends_the_run() -> None:
    async def fail(_: BarTime) -> None:
        raise OSError("the inbox is gone")

    with pytest.raises(OSError, match="the inbox is gone"):
        play(feed_from(OPEN), 1, fail)


def test_the_end_of_the_calendar_is_an_error() -> None:
    short = Calendar(
        first=CALENDAR.first, last=THURSDAY, closures=CALENDAR.closures, early_closes=CALENDAR.early_closes
    )
    with pytest.raises(ValueError, match="the calendar knows"):
        play(feed_from(CLOSE - MINUTE, calendar=short), 2)


@pytest.mark.parametrize("speed", [-1, float("inf"), float("nan")])
def test_a_speed_that_cannot_be_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="speed"):
        feed_from(OPEN, speed)


def test_a_start_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="give the time a zone"):
        feed_from(OPEN.replace(tzinfo=None))


# History.


def test_history_ends_with_the_bar_before_the_first_published() -> None:
    for starts_at in (OPEN, OPEN + 30 * SECOND, OPEN + 100 * MINUTE, CLOSE, datetime(2025, 7, 5, 15, tzinfo=UTC)):
        feed = feed_from(starts_at)
        past = list(feed.history(starts_at, 700))
        everything = sessions(date(2025, 7, 1), date(2025, 7, 2), THURSDAY, date(2025, 7, 7))
        ahead = play(feed, 5)
        place = everything.index(ahead[0])
        assert past == everything[place - 700 : place]


def test_history_is_as_long_as_asked_for() -> None:
    feed = feed_from(OPEN)
    assert [len(list(feed.history(CLOSE, bars))) for bars in (0, 1, 209, 210, 211, 1_000)] == [
        0,
        1,
        209,
        210,
        211,
        1_000,
    ]


def test_history_is_shorter_where_the_market_begins() -> None:
    second_open = datetime(2000, 1, 4, 14, 30, tzinfo=UTC)
    past = list(feed_from(OPEN).history(second_open + 2 * MINUTE, 1_000))
    assert past == sessions(ORIGIN, date(2000, 1, 4))[:392]
