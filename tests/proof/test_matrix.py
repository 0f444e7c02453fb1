"""Whatever happens in whichever stage: after healing the book is what the broker has, nothing was sent twice, and what
is held is protected; in bounded time.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from proof.matrix import RIGHT_WITHIN_S, cells, live_through, parametrize, told
from proof.stages import MAIN, OWN_EXITS, STAGES, Stage
from proof.troubles import Trouble
from proof.virtual_time import in_virtual_time

_EVERY_THIRD, _EVERY_NINTH = 3, 9
"""So many of the cells of the main stages, and of the others, a normal run lives through; with --everything all."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "trouble" not in metafunc.fixturenames:
        return
    everything = metafunc.config.getoption("everything")
    chosen = [
        (stage, trouble)
        for number, (stage, trouble) in enumerate(cells((*STAGES, *OWN_EXITS)))
        if everything or number % (_EVERY_THIRD if stage.name in MAIN else _EVERY_NINTH) == 0
    ]
    parametrize(metafunc, chosen)


def test_all_is_right_after_healing(
    stage: Stage, trouble: Trouble, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    outcome, log = in_virtual_time(partial(live_through, tmp_path, stage, trouble))
    record_property("cell", told(stage, trouble, outcome))
    assert not outcome.violations, "\n".join([*outcome.violations, "", *log])
    assert not outcome.not_fired, outcome.not_fired
    assert outcome.right_after_s < RIGHT_WITHIN_S
