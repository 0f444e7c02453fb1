"""A plugin of pytest: of a test with many cases a mutant is asked only the first, until it has survived once.

Nearly every mutant dies of the first case, and one that does not is asked all of them by `--survivors`.
"""

import os
from collections.abc import Iterable

import pytest

EVERY_CASE = "MUTATION_EVERY_CASE"
"""Set in the environment where all cases are asked."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the other cases out, where a mutant is under test."""
    if "__mutmut_" not in os.environ.get("MUTANT_UNDER_TEST", "") or os.environ.get(EVERY_CASE):
        return
    first = first_of_each([item.nodeid for item in items])
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in first])
    items[:] = [item for item in items if item.nodeid in first]


def first_of_each(ids: Iterable[str]) -> set[str]:
    """Of the ids of cases the first of each test, by name."""
    return set({id_.partition("[")[0]: id_ for id_ in sorted(ids, reverse=True)}.values())
