"""How fast positions come to be: faster than configured is a fault, whatever the reason of each of them.

Rule 1: no more than so many in any hour, working entries included.
Rule 2: no more than so many of one symbol in a row at regular intervals, however slow: that is a clock, and no market.
Rule 3: both count the positions of the day, and of them those that came to be after a person has last resumed entries.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from trader.domain.decision import Refusal, Rule, Stage
from trader.domain.rules import Limits

HOUR = timedelta(hours=1)
_JITTER = timedelta(minutes=1)
"""What is opened by bars is opened on their grid."""
_SHORTEST_CYCLE = 4 * _JITTER
"""Below it the grid alone makes intervals equal; how many there may be is the business of the other rule."""
_SHARE_OF_JITTER = 10
"""Intervals that differ by less than this part of the shortest are the same."""


def too_many_in_an_hour(symbol: str, created: int, limits: Limits) -> Refusal | None:
    """Say no to the position of a symbol that would be, or is, the last of so many within an hour."""
    limit = limits.creations_per_hour
    if created <= limit:
        return None
    return Refusal(Stage.SIZING, Rule.CREATIONS_PER_HOUR, symbol, created, limit, "within an hour")


def too_regular(symbol: str, times: Sequence[datetime], limits: Limits) -> Refusal | None:
    """Say no to the newest position of a symbol when it goes on with a row of regular intervals for too long."""
    limit = limits.regular_creations
    created = regular_row(times) if len(times) > limit else len(times)
    if created <= limit:
        return None
    return Refusal(Stage.SIZING, Rule.REGULAR_CREATIONS, symbol, created, limit, "of one symbol at regular intervals")


def regular_row(times: Iterable[datetime]) -> int:
    """How many of these times, from the newest backwards, lie as far apart as one another."""
    newest_first = sorted(times, reverse=True)
    shortest, longest, row = timedelta.max, timedelta(), min(len(newest_first), 1)
    for after, before in pairwise(newest_first):
        shortest, longest = min(shortest, after - before), max(longest, after - before)
        if shortest < _SHORTEST_CYCLE or longest - shortest > max(_JITTER, shortest / _SHARE_OF_JITTER):
            break
        row += 1
    return row
