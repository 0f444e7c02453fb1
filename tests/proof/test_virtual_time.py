"""A run in virtual time is always the same, though real bytes go over a real socket."""

import re
from functools import partial
from pathlib import Path

import pytest

from proof.matrix import live_through
from proof.stages import STAGES
from proof.troubles import TROUBLES
from proof.virtual_time import in_virtual_time

_BY_CHANCE = re.compile(r"127\.0\.0\.1:\d+|/\S+")
"""The port, and the folder."""


@pytest.mark.parametrize("trouble", ["late", "killed", "gateway restarts", "no end of executions"])
def test_the_same_cell_says_the_same(trouble: str, tmp_path: Path) -> None:
    [stage], [chosen] = (
        [one for one in STAGES if one.name == "kill"],
        [one for one in TROUBLES if one.name == trouble],
    )
    logs = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        outcome, log = in_virtual_time(partial(live_through, tmp_path / name, stage, chosen))
        logs.append([str(outcome), *(_BY_CHANCE.sub("", line) for line in log)])
    assert logs[0] == logs[1]
