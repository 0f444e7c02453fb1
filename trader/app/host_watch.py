"""What breakers measure of the host: how late the loop comes, how the clock goes, what is free on the disk.

Rule 1: a host that was suspended has not had its clock set. The loop's time stands still meanwhile and the wall's goes
on; what differs by more than that is a jump. What a suspension has made old is the business of who has that: prices,
the broker's word, an overdue scan.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timedelta

from trader.domain.breaker import Breaker, BreakerRule
from trader.domain.events import BreakerMeasured

_LATE_S = 1.0
_MB = 1_000_000


class HostWatch:
    """Of one daemon. It is told of each tick, and asked now and then."""

    def __init__(self, loop_lag: BreakerRule, free_bytes: Callable[[], Awaitable[int]]) -> None:
        self._within_s = loop_lag.within_s
        self._free_bytes = free_bytes
        self._late: deque[float] = deque()
        """When ticks came late, by the loop's time."""
        self._latest_s = 0.0
        self._before: tuple[float, datetime, float] | None = None
        self._jump = timedelta()
        """The farthest since it was asked last."""

    def beat(self, now_s: float, lag_s: float, wall: datetime, suspended_s: float) -> float:
        """A tick, at the loop's time and the host's, that came so late, with how long the host has been suspended in
        all. Gives how long of that since the tick before, seconds; what is too short to matter is 0."""
        if lag_s >= _LATE_S:
            self._late.append(now_s)
            self._latest_s = lag_s
        while self._late and now_s - self._late[0] > self._within_s:
            self._late.popleft()
        before, self._before = self._before, (now_s, wall, suspended_s)
        if before is None:
            return 0.0
        asleep_s = suspended_s - before[2]
        jump = wall - before[1] - timedelta(seconds=now_s - before[0] + asleep_s)
        self._jump = max(self._jump, jump, key=abs)
        return asleep_s if asleep_s >= _LATE_S else 0.0

    async def measured(self) -> list[BreakerMeasured]:
        """What there is to tell. A disk that cannot be asked has nothing free."""
        try:
            free_mb, why = await self._free_bytes() / _MB, ""
        except OSError as error:
            free_mb, why = 0.0, f" ({error.strerror})"
        return [*self._of_time(), _measured(Breaker.DISK_SPACE, free_mb, f"{free_mb:.0f} MB are free{why}")]

    def _of_time(self) -> Iterator[BreakerMeasured]:
        late = len(self._late)
        yield _measured(
            Breaker.LOOP_LAG, late, f"{late} ticks came late, the last by {self._latest_s:.1f} s", last_s=self._latest_s
        )
        jump_s, self._jump = self._jump.total_seconds(), timedelta()
        yield _measured(Breaker.CLOCK_JUMP, abs(jump_s), f"the host's clock has jumped by {jump_s:+.1f} s")


def _measured(breaker: Breaker, measured: float, cause: str, **inputs: float) -> BreakerMeasured:
    rounded = {name: round(value, 3) for name, value in inputs.items()}
    return BreakerMeasured(breaker, round(measured, 3), cause, rounded)
