"""A whole trading day through the socket, with everything that can go wrong in it."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from proof.day import FULL, HALF, Session, a_day
from proof.virtual_time import in_virtual_time

_SEED = 8
_LEAST_FILLS_PER_H = 9
_LEAST_TROUBLES_PER_H = 15


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A normal run has the day after Thanksgiving, which ends at one o'clock; with --everything a whole one."""
    metafunc.parametrize("session", [FULL if metafunc.config.getoption("everything") else HALF])


def test_a_day_of_troubles_ends_flat_and_right(
    session: Session, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    began = time.monotonic()
    day = in_virtual_time(partial(a_day, tmp_path, _SEED, session))
    took = time.monotonic() - began
    kinds = ", ".join(f"{name} {times}" for name, times in sorted(day.fired.items()))
    record_property(
        "proof day",
        f"{day.fills} fills, {day.lives} lives, {day.troubles} troubles, {sum(day.fired.values())} faults of "
        f"{len(day.fired)} kinds, violations {len(day.violations)}, {took:.0f} s: {kinds}",
    )
    assert day.violations == [], "\n".join([*day.violations, "", *day.log[-400:]])
    assert day.is_flat
    hours = (session.closes - session.opens).total_seconds() / 3600
    assert day.fills >= _LEAST_FILLS_PER_H * hours
    assert day.troubles >= _LEAST_TROUBLES_PER_H * hours
    assert day.fired["TwoPermIds"]
