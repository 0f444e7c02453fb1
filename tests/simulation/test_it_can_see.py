"""Each invariant of the simulation sees the bug that it is there for."""

import os
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import pytest
from planting import ONLY_REMEMBERS
from simulation.invariants import ALL

_HERE = Path(__file__).resolve().parent
_ROOT = _HERE.parents[1]
_LONGEST_S = 900

MODULES = {path.stem: import_module(path.stem).BUGS for path in sorted(_HERE.glob("planted_*.py"))}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A normal run plants one bug of each number, and what the public failures took away; with --everything all."""
    if "bug" not in metafunc.fixturenames:
        return
    all_of_them = [(module, bug) for module, bugs in MODULES.items() for bug in bugs]
    chosen = all_of_them if metafunc.config.getoption("everything") else _one_of_each_number(all_of_them)
    metafunc.parametrize(("module", "bug"), chosen)


def _one_of_each_number(all_of_them: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The last one."""
    of_number = {MODULES[module][bug].number: (module, bug) for module, bug in all_of_them}
    public = [named for failure in PUBLIC_FAILURES.values() for named in failure]
    return list(dict.fromkeys([*of_number.values(), *public]))


def test_a_planted_bug_is_seen_by_its_number(module: str, bug: str) -> None:
    paths = [str(path) for path in (_HERE, _ROOT / "scripts", _ROOT / "tests", _ROOT)]
    ran = subprocess.run(
        [sys.executable, "-m", "planting", module, bug],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=_LONGEST_S,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr[-3000:]


PUBLIC_FAILURES = {
    "a chain of good components that failed together": (
        ("planted_orders", "inverse_is_long"),
        ("planted_exits", "never_flattened"),
    ),
    "one symbol, fifty-two buys": (("planted_orders", "a_cancel_frees_the_lock"),),
    "two accounts, one query": (("planted_restarts", "any_account_is_ours"),),
    "positions without exits": (("planted_exits", "exits_not_watched"),),
}
"""Of tests/incidents, and of the many accounts to come: what took their protection away."""


@pytest.mark.parametrize("failure", PUBLIC_FAILURES)
def test_the_public_failures_are_among_the_bugs(failure: str) -> None:
    assert all(bug in MODULES[module] for module, bug in PUBLIC_FAILURES[failure])


def test_every_check_has_a_bug_that_it_sees_without_those_beside_it() -> None:
    of_number: dict[int, set[str]] = {}
    for each in ALL:
        of_number.setdefault(each.number, set()).add(each.check.__name__)
    beside_others = {name for names in of_number.values() if len(names) > 1 for name in names}
    seen = {bug.check for bugs in MODULES.values() for bug in bugs.values()}
    assert {name for name in beside_others - seen if not name.startswith(ONLY_REMEMBERS)} == set()
    assert seen - {""} <= {each.check.__name__ for each in ALL}


def test_every_number_has_a_bug_that_it_sees() -> None:
    assert {bug.number for bugs in MODULES.values() for bug in bugs.values()} == {check.number for check in ALL}
