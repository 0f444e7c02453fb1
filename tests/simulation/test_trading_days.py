"""Two hundred trading days on which anything may go wrong, and nothing that must not be."""

from collections import Counter
from collections.abc import Callable

import pytest
from two_hundred_days import RUNS, Made, made_twice

_LEAST_KINDS = 50
"""Of faults that have to strike; 56 of 62 kinds did when this was written."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Made:
    return made_twice(tmp_path_factory, worker_id)[0]


def test_nothing_is_violated_in_two_hundred_days(made: Made, record_property: Callable[[str, object], None]) -> None:
    seconds = sum(line.seconds for line in made.lines)
    record_property("simulated", f"{RUNS} days in {seconds:.0f} s, beside a second making and other tests")
    assert [violation for line in made.lines for violation in line.violations] == [], made.told
    assert sum(line.days for line in made.lines) == RUNS


def test_most_faults_strike_in_two_hundred_days(made: Made) -> None:
    struck: Counter[str] = Counter()
    for line in made.lines:
        struck.update(line.faults)
    assert len(struck) >= _LEAST_KINDS, sorted(struck)
    assert sum(line.crashes for line in made.lines) >= RUNS // 4
