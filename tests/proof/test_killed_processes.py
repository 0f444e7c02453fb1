"""A process that is killed by SIGKILL in the middle of a stage and started again finds everything right, and so does
one that is stopped by SIGSTOP and goes on.

The cells of `test_matrix` kill a daemon in virtual time; here it is a real process on a real clock, with a writer's
thread and a disk.
"""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path

import pytest

from proof.fast_time import FastLoop
from proof.matrix import Outcome, lived, parametrize, told
from proof.own_process import ProcessDaemon
from proof.rig import a_rig
from proof.stages import MAIN, STAGES, Stage
from proof.troubles import TROUBLES, Trouble

_STAYS_RIGHT_S = 10.0
_TROUBLES = {trouble.name: trouble for trouble in TROUBLES}
_SUSPENDED = ("place", "bracket exit: stop", "kill")
_CELLS = [
    *((stage, _TROUBLES["killed"]) for stage in STAGES),
    *((stage, _TROUBLES["killed, filled while down"]) for stage in STAGES if stage.name == "partial fill"),
    *((stage, _TROUBLES["killed, its id lingers"]) for stage in STAGES if stage.name == "place"),
    *((stage, _TROUBLES["suspended"]) for stage in STAGES if stage.name in _SUSPENDED),
]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A normal run has the main stages."""
    everything = metafunc.config.getoption("everything")
    parametrize(metafunc, (cell for cell in _CELLS if everything or cell[0].name in MAIN))


def test_a_killed_or_suspended_process_is_right_again(
    stage: Stage, trouble: Trouble, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    outcome, log = _in_fast_time(partial(_live_through, tmp_path, stage, trouble))
    how = "SIGSTOP" if "suspended" in trouble.name else "SIGKILL"
    record_property("cell", told(stage, trouble._replace(name=f"{trouble.name} ({how})"), outcome))
    assert not outcome.violations, "\n".join([*outcome.violations, "", *log])
    assert not outcome.not_fired, outcome.not_fired


async def _live_through(folder: Path, stage: Stage, trouble: Trouble) -> tuple[Outcome, list[str]]:
    daemon = ProcessDaemon(folder)
    async with a_rig(folder, stage.begins_at, daemon, stage.settings) as rig:
        daemon.by(rig.clock)
        return await lived(rig, stage, trouble, _STAYS_RIGHT_S), daemon.log


def _in_fast_time(what: Callable[[], Coroutine[None, None, tuple[Outcome, list[str]]]]) -> tuple[Outcome, list[str]]:
    loop = FastLoop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(what())
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        asyncio.set_event_loop(None)
        loop.close()
