"""A failure is cut down to the strikes that it needs, and no further."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pytest
from simulation.runs import Ran, Run, failed
from simulation.shrinking import shortest
from simulation.world import Outcome, Violation

_NUMBER = 15


class Fails(NamedTuple):
    """A simulation in which the same invariant fails from so many strikes on, and another one before."""

    since: int

    def all_of(self, runs: Iterable[Run]) -> Iterator[Ran]:
        for run in runs:
            assert run.limit is not None
            number = _NUMBER if run.limit >= self.since else 8
            outcome = Outcome(run.seed, violation=Violation(number, "", 0, None, run.limit))
            yield Ran(run, outcome if run.limit != self.since - 2 else Outcome(run.seed))


def failure(strikes: int) -> Ran:
    return Ran(Run("s", 3, 5), Outcome("s:3", violation=Violation(_NUMBER, "", 0, None, strikes)))


@pytest.mark.parametrize("at_once", [1, 2, 7])
@pytest.mark.parametrize("since", [0, 1, 2, 40, 99])
def test_a_failure_is_cut_down_to_the_strikes_it_needs(since: int, at_once: int) -> None:
    found = shortest(failure(100), Fails(since).all_of, at_once)
    assert (found.ran.run, found.is_proved) == (Run("s", 3, 5, since), True)
    assert all(ran.run.limit != since for ran in found.discarded)


def test_a_failure_that_needs_every_strike_stays_as_it_is() -> None:
    found = shortest(failure(100), Fails(100).all_of, 2)
    assert (found.ran, found.is_proved) == (failure(100), True)


def test_a_run_that_never_struck_is_tried_without_faults() -> None:
    run = Run("s", 3, 5)
    found = shortest(Ran(run, failed(run, "its process ended")), Fails(0).all_of, 2)
    assert not found.discarded


def test_a_search_that_is_broken_off_proves_nothing() -> None:
    found = shortest(failure(100), lambda runs: iter(()), 2)
    assert (found.ran, found.is_proved) == (failure(100), False)
