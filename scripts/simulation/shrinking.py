"""A failure cut down to the faults that it needs: the smallest number of first strikes with which it is still there.

Whatever struck after them has nothing to do with it. With one strike less, the same invariant holds (or the search has
run out of its time).
"""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from simulation.runs import Ran, Run

_LONGEST_S = 45.0

All = Callable[[Iterable[Run]], Iterator[Ran]]
"""Carries out some runs."""


class Shortest(NamedTuple):
    """What a failure has come down to."""

    ran: Ran
    """With its `limit`; the failure itself where nothing shorter fails."""
    is_proved: bool
    """With one strike less it does not fail."""
    discarded: list[Ran]
    """Others that failed on the way."""


def shortest(failure: Ran, all_of: All, at_once: int) -> Shortest:
    """Search; `at_once` runs are tried at a time. A violation seen by the same check is the same."""
    assert failure.violation is not None  # noqa: S101
    until_s = time.monotonic() + _LONGEST_S
    best, discarded = failure, list[Ran]()
    holds, fails = -1, failure.violation.strikes
    while fails - holds > 1 and time.monotonic() < until_s:
        limits = [holds + (fails - holds) * part // (at_once + 1) for part in range(1, at_once + 1)]
        limits = sorted({*limits} - {holds})
        tried = list(all_of(failure.run._replace(limit=limit) for limit in limits))
        if len(tried) < len(limits):
            break
        still = sorted((ran for ran in tried if _is_the_same(ran, failure)), key=_limit)
        if still:
            discarded += [ran for ran in (*still[1:], best) if ran is not failure]
            best, fails = still[0], _limit(still[0])
        holds = max([limit for limit in limits if limit < fails], default=holds)
    return Shortest(best, fails - holds <= 1, discarded)


def _is_the_same(ran: Ran, failure: Ran) -> bool:
    found, sought = ran.violation, failure.violation
    if found is None or sought is None:
        return False
    return (found.number, found.fault.partition(":")[0]) == (sought.number, sought.fault.partition(":")[0])


def _limit(ran: Ran) -> int:
    assert ran.run.limit is not None  # noqa: S101
    return ran.run.limit
