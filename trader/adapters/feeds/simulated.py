"""The embedded feed: plays the embedded market on a clock of its own, at any speed.

Rule 1: the clock comes to the end of a bar only when that bar is published. Nobody sees a bar early; what carries the
time of a bar's end, or a later one, came after that bar, so that a run may resume from it; and a slow consumer makes
the market wait, no bar is skipped.
Rule 2: nights, weekends and holidays are jumped over: after the last bar of a session the clock stands `LEAD` before
the next open.
Rule 3: it reads no clock but the event loop's, and that only to pace itself.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from itertools import chain, islice

from trader.adapters.feeds.simulated_levels import ORIGIN
from trader.adapters.feeds.simulated_market import MINUTE, SimulatedMarket
from trader.domain.market import BarTime
from trader.domain.session import Calendar, SessionDay, new_york_date

LEAD = timedelta(minutes=1)
"""How long before the open a market day begins."""

_MOMENT = timedelta(microseconds=1)
_DAY = timedelta(days=1)

Publish = Callable[[BarTime], Awaitable[None]]
Opening = Callable[[BarTime], None]


def _nobody(bar_time: BarTime) -> None:
    """Nobody fills orders on this market."""


class SimulatedFeed:
    """Feed and clock in one. The clock stands still while the feed does not run."""

    def __init__(self, market: SimulatedMarket, calendar: Calendar, starts_at: datetime, speed: float) -> None:
        """Set the clock to `starts_at`, aware: to resume, the last market time of the book.

        `speed` is market seconds per real second; 0 is as fast as the bars are taken, with a clock that goes from
        bar to bar. Raises ValueError for a negative speed or a time without a zone.
        """
        if starts_at.tzinfo is None:
            raise ValueError(f"the embedded market cannot start at {starts_at}: give the time a zone")
        if not 0 <= speed < float("inf"):
            raise ValueError(f"the speed of the embedded market must be 0 (no pacing) or more, not {speed}")
        self._market = market
        self._calendar = calendar
        self._speed = speed
        self._loop: asyncio.AbstractEventLoop | None = None
        # It was `_at` on the market's clock when it was `_since` on the loop's; `_until` is how far the clock may run.
        self._at = self._until = starts_at.astimezone(UTC)
        self._since = 0.0

    def now(self) -> datetime:
        """The market's time, aware UTC; always before the end of the next bar to be published."""
        if self._loop is None or self._speed == 0:
            return self._at
        elapsed = timedelta(seconds=(self._loop.time() - self._since) * self._speed)
        return min(self._at + elapsed, self._until)

    async def run(self, publish: Publish, stop: asyncio.Event, opening: Opening = _nobody) -> None:
        """Publish every bar time from the first that ends after now, each when the clock comes to its end.

        Ends when `stop` is set. `publish` should return when the bars have been dealt with: until then the clock
        stands. `opening` is called with the bars when the clock comes to their start: it is the market's own view, for
        the broker that fills at their opens. Raises what they raise, and ValueError where the calendar ends.
        """
        self._loop = asyncio.get_running_loop()
        self._set(self._at, self._loop.time())
        try:
            for bar_time in self._bars_after(self._at):
                starts_at = bar_time.ends_at - bar_time.interval
                self._skip_to(starts_at - LEAD, self._loop)
                await self._wait_for(starts_at, self._loop, stop)
                if stop.is_set():
                    return
                opening(bar_time)
                await self._wait_for(bar_time.ends_at, self._loop, stop)
                if stop.is_set():
                    return
                await publish(bar_time)
        finally:
            self._set(self.now(), self._since)
            self._loop = None

    def history(self, before: datetime, bars: int) -> Iterator[BarTime]:
        """Give the last bar times that ended at or before an instant, oldest first; fewer where the market begins."""
        days: list[date] = []
        found = 0
        for session in self._sessions_back(new_york_date(before)):
            if found >= bars:
                break
            days.append(session.day)
            found += max(min(before, session.closes_at) - session.opens_at, timedelta()) // MINUTE
        finished = chain.from_iterable(map(self._market.session_bars, reversed(days)))
        return islice(finished, max(found - bars, 0), found)

    def _skip_to(self, day_begins: datetime, loop: asyncio.AbstractEventLoop) -> None:
        if self._at < day_begins:
            self._set(day_begins, loop.time())

    async def _wait_for(self, instant: datetime, loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
        """Let the clock run up to an instant, and stand there."""
        if self._at >= instant:
            return
        self._until = instant - _MOMENT
        if self._speed == 0:
            await asyncio.sleep(0)
            reached = self._since
        else:
            reached = await self._pace(instant, loop, stop)
        if not stop.is_set():
            self._set(instant, reached)

    async def _pace(self, instant: datetime, loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> float:
        """Wait for an instant, or `stop`; say when that was on the loop's clock."""
        due = self._since + (instant - self._at).total_seconds() / self._speed
        with suppress(TimeoutError):
            async with asyncio.timeout_at(due):
                await stop.wait()
        late = loop.time() - due
        # A little lateness is made up, so that the pace holds; a bar's worth and more moves the whole clock.
        return due if late * self._speed < MINUTE.total_seconds() else loop.time()

    def _set(self, at: datetime, since: float) -> None:
        self._at = self._until = at
        self._since = since

    def _bars_after(self, instant: datetime) -> Iterator[BarTime]:
        day = new_york_date(instant) - _DAY
        while True:
            day = self._calendar.next_session(day).day
            yield from (bar_time for bar_time in self._market.session_bars(day) if bar_time.ends_at > instant)

    def _sessions_back(self, day: date) -> Iterator[SessionDay]:
        while day >= max(self._calendar.first, ORIGIN):
            session = self._calendar.session(day)
            if session is not None:
                yield session
            day -= _DAY
