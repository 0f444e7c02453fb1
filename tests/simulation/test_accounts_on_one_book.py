"""Three accounts whose daemons take turns on one book, each with its own troubles: nothing crosses over."""

from collections import Counter

import pytest
from two_hundred_days import ON_ONE_BOOK, Made, made_twice

_LEAST_KINDS = 40
"""Of faults that have to strike; 56 did when this was written."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> tuple[Made, Made]:
    return made_twice(tmp_path_factory, worker_id, ON_ONE_BOOK)


def test_nothing_crosses_over_and_nothing_else_is_violated(made: tuple[Made, Made]) -> None:
    lines = made[0].lines
    assert [violation for line in lines for violation in line.violations] == [], made[0].told
    assert sum(line.days for line in lines) == ON_ONE_BOOK.days
    assert {line.broker for line in lines} == {ON_ONE_BOOK.broker}


def test_every_account_trades_and_suffers(made: tuple[Made, Made]) -> None:
    struck: Counter[str] = Counter()
    for line in made[0].lines:
        struck.update(line.faults)
    runs = ON_ONE_BOOK.days // ON_ONE_BOOK.days_per_run
    assert len(struck) >= _LEAST_KINDS, sorted(struck)
    assert sum(line.lives for line in made[0].lines) >= 3 * runs
    assert sum(line.fills for line in made[0].lines) >= 500


def test_a_seed_does_the_same_in_another_process_with_other_hashes(made: tuple[Made, Made]) -> None:
    assert made[1].traces
    assert set(made[1].traces) - set(made[0].traces) == set()
    assert len({trace.split()[1] for trace in made[0].traces}) == len(made[0].traces)
