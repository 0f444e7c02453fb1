"""A seed and a commit say everything: what was seen once can be seen again."""

import pytest
from two_hundred_days import AGAIN, RUNS, Made, made_twice


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> tuple[Made, Made]:
    return made_twice(tmp_path_factory, worker_id)


def test_a_seed_does_the_same_in_another_process_with_other_hashes(made: tuple[Made, Made]) -> None:
    one, other = made
    assert len(other.traces) == AGAIN
    assert set(other.traces) - set(one.traces) == set()


def test_no_two_seeds_do_the_same(made: tuple[Made, Made]) -> None:
    traces = [line.split()[1] for line in made[0].traces]
    assert len(traces) == len(set(traces)) == RUNS
