"""A plugin of pytest: of a test with many cases a mutant is asked only the first, until it has survived once.

Nearly every mutant dies of the first case, and one that does not is asked all of them by `--survivors`.
"""

import os

import pytest

EVERY_CASE = "MUTATION_EVERY_CASE"
"""Set in the environment where all cases are asked."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the other cases out, where a mutant is under test."""
    if "__mutmut_" not in os.environ.get("MUTANT_UNDER_TEST", "") or os.environ.get(EVERY_CASE):
        return
    first = {item.nodeid.partition("[")[0]: item for item in reversed(items)}
    left_out = [item for item in items if item not in first.values()]
    config.hook.pytest_deselected(items=left_out)
    items[:] = list(first.values())[::-1]
