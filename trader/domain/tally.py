"""Counting what has happened within a time, without looking at all of it again."""

from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple


class Tally(NamedTuple):
    """How often, in the order of time. A value: a step that is thrown away leaves the one before it."""

    times: tuple[tuple[datetime, int], ...] = ()
    """Each moment, and how often in it."""
    total: int = 0

    @classmethod
    def of(cls, moments: Iterable[datetime], within: timedelta) -> "Tally":
        """Once at each moment, told in any order; what is older than `within` at the newest is forgotten."""
        times = sorted(moments)
        kept = times[bisect_right(times, times[-1] - within) :] if times else []
        return cls(tuple((at, 1) for at in kept), len(kept))

    def plus(self, at: datetime, count: int, within: timedelta) -> "Tally":
        """The same, so many later; what is older than `within` then is forgotten."""
        kept = self.since(at - within)
        return Tally((*kept.times, (at, count)), kept.total + count)

    def since(self, at: datetime) -> "Tally":
        """What has happened after a moment."""
        old, forgotten = 0, 0
        for moment, count in self.times:
            if moment > at:
                break
            old, forgotten = old + 1, forgotten + count
        return Tally(self.times[old:], self.total - forgotten) if old else self
