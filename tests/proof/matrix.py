"""One cell: the daemon comes into a stage, something happens, it is healed, and all has to be right in bounded time."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest
from gateway.fault_script import FOR_EVER, Fault

from proof.exits import Watch
from proof.in_process import TaskDaemon
from proof.rig import Rig, a_rig
from proof.stages import Stage
from proof.summary import Cell
from proof.troubles import TROUBLES, Trouble
from proof.truth import Allowed, differences

STRIKES_WITHIN_S = 75.0
"""Once a minute everything is asked, so that also what waits for such a question has struck by then."""
RIGHT_WITHIN_S = 180.0
STAYS_RIGHT_S = 65.0
"""Over one more of these questions."""
_LOOK_S = 2.0


class Outcome(NamedTuple):
    """What became of a cell."""

    fired: Counter[str]
    """What went wrong, by its name, and how often."""
    not_fired: list[str]
    violations: list[str]
    right_after_s: float
    """From the healing on."""
    virtual_s: float


def applies(stage: Stage, trouble: Trouble) -> bool:
    """Whether it can strike there at all."""
    return trouble.needs <= stage.traits


def cells(stages: tuple[Stage, ...], troubles: tuple[Trouble, ...] = TROUBLES) -> list[tuple[Stage, Trouble]]:
    """All that there are."""
    return [(stage, trouble) for stage in stages for trouble in troubles if applies(stage, trouble)]


def parametrize(metafunc: pytest.Metafunc, chosen: Iterable[tuple[Stage, Trouble]]) -> None:
    """A test for each cell, named by both."""
    named_cells = [pytest.param(stage, trouble, id=f"{stage.name} x {trouble.name}") for stage, trouble in chosen]
    metafunc.parametrize(("stage", "trouble"), named_cells)


async def live_through(
    folder: Path, stage: Stage, trouble: Trouble, stays_right_s: float = STAYS_RIGHT_S
) -> tuple[Outcome, list[str]]:
    """Go through it with a daemon that is a task; give the log too."""
    daemon = TaskDaemon()
    async with a_rig(folder, stage.begins_at, daemon, stage.settings) as rig:
        daemon.by(rig.clock)
        return await lived(rig, stage, trouble, stays_right_s), daemon.log


async def lived(rig: Rig, stage: Stage, trouble: Trouble, stays_right_s: float) -> Outcome:
    """Go through it."""
    Watch(rig)
    await rig.start()
    await stage.prepare(rig)
    faults = [rig.gateway.faults.add(fault) for fault in trouble.arm(rig, stage)]
    await trouble.before(rig)
    await stage.go(rig)
    await trouble.then(rig)
    await rig.until(lambda: not _left(rig, faults) or not rig.daemon.is_alive, STRIKES_WITHIN_S)
    await heal(rig, trouble)
    healed_at = rig.clock.now()
    await stage.finish(rig)
    allowed = trouble.allowed._replace(halted=trouble.allowed.halted or stage.halts)
    wrong = await until_right(rig, stage, allowed)
    right_after_s = (rig.clock.now() - healed_at).total_seconds()
    if not wrong:
        await rig.passes(stays_right_s)
        wrong = await _wrong(rig, stage, allowed)
    virtual_s = (rig.clock.now() - stage.begins_at).total_seconds()
    return Outcome(named(rig), _left(rig, faults), wrong, right_after_s, virtual_s)


async def until_right(rig: Rig, stage: Stage, allowed: Allowed, within_s: float = RIGHT_WITHIN_S) -> list[str]:
    """What is wrong when the time is up; empty as soon as nothing is."""
    for _ in range(int(within_s / _LOOK_S)):
        if not await _wrong(rig, stage, allowed):
            return []
        await rig.passes(_LOOK_S)
    return await _wrong(rig, stage, allowed)


async def heal(rig: Rig, trouble: Trouble) -> None:
    """A dead daemon is started again while its troubles last; then nothing goes wrong any more."""
    await trouble.heal(rig)
    if not rig.daemon.is_alive:
        await rig.daemon.is_buried()
        await rig.start()
    rig.gateway.faults.clear()
    rig.gateway.faults.release()


async def _wrong(rig: Rig, stage: Stage, allowed: Allowed) -> list[str]:
    return [*await differences(rig, allowed), *stage.wants(rig)]


def _left(rig: Rig, faults: Iterable[Fault]) -> list[str]:
    """Faults that have still to strike, all the times that they can."""
    fired = rig.gateway.faults.fired
    return [str(fault) for fault in faults if fired[fault] < (1 if fault.times == FOR_EVER else fault.times)]


def named(rig: Rig) -> Counter[str]:
    """What has gone wrong so far, by its name."""
    fired = Counter(rig.fired)
    for fault, times in rig.gateway.faults.fired.items():
        fired[_word(fault)] += times
    return fired


def _word(fault: Fault) -> str:
    name, on = type(fault).__name__, getattr(fault, "on", "")
    return f"{name} {on}".strip()


def told(stage: Stage, trouble: Trouble, outcome: Outcome) -> Cell:
    """A cell, to be told."""
    return Cell(
        stage=stage.name,
        trouble=trouble.name,
        fired=dict(outcome.fired),
        violations=len(outcome.violations),
        right_after_s=outcome.right_after_s,
        virtual_s=outcome.virtual_s,
    )
