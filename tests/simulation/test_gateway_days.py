"""Trading days by Interactive Brokers' protocol, on which anything may go wrong at the gateway and on its wire."""

from collections import Counter

import pytest
from two_hundred_days import AT_THE_GATEWAY, Made, made_twice

_LEAST_KINDS = 12
"""Of faults that have to strike; 18 did when this was written."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> tuple[Made, Made]:
    return made_twice(tmp_path_factory, worker_id, AT_THE_GATEWAY)


def test_nothing_is_violated_at_the_gateway(made: tuple[Made, Made]) -> None:
    assert [violation for line in made[0].lines for violation in line.violations] == [], made[0].told
    assert sum(line.days for line in made[0].lines) == AT_THE_GATEWAY.days
    assert {line.broker for line in made[0].lines} == {AT_THE_GATEWAY.broker}


def test_many_faults_strike_at_the_gateway_and_orders_are_filled(made: tuple[Made, Made]) -> None:
    struck: Counter[str] = Counter()
    for line in made[0].lines:
        struck.update(line.faults)
    assert len(struck) >= _LEAST_KINDS, sorted(struck)
    assert sum(line.crashes for line in made[0].lines) > 0
    assert sum(line.fills for line in made[0].lines) >= 50


def test_a_seed_does_the_same_at_the_gateway_in_another_process_with_other_hashes(made: tuple[Made, Made]) -> None:
    assert made[1].traces
    assert set(made[1].traces) - set(made[0].traces) == set()
    assert len({trace.split()[1] for trace in made[0].traces}) == AT_THE_GATEWAY.days // AT_THE_GATEWAY.days_per_run
