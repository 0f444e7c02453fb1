"""A whole trading day through the socket, with everything that can go wrong in it."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from proof.day import a_day
from proof.virtual_time import in_virtual_time

_SEED = 7
_LEAST_FILLS = 60
_LEAST_TROUBLES = 100


def test_a_day_of_troubles_ends_flat_and_right(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    began = time.monotonic()
    day = in_virtual_time(partial(a_day, tmp_path, _SEED))
    took = time.monotonic() - began
    kinds = ", ".join(f"{name} {times}" for name, times in sorted(day.fired.items()))
    record_property(
        "proof day",
        f"{day.fills} fills, {day.lives} lives, {day.troubles} troubles, {sum(day.fired.values())} faults of "
        f"{len(day.fired)} kinds, violations {len(day.violations)}, {took:.0f} s: {kinds}",
    )
    assert day.violations == [], "\n".join([*day.violations, "", *day.log[-400:]])
    assert day.is_flat
    assert day.fills >= _LEAST_FILLS
    assert day.troubles >= _LEAST_TROUBLES
    assert day.fired["TwoPermIds"]
