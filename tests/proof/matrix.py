"""One cell: the daemon comes into a stage, something happens, it is healed, and all has to be right in bounded time."""

from pathlib import Path
from typing import NamedTuple

from proof.rig import Rig, a_rig
from proof.stages import Stage
from proof.troubles import TROUBLES, Trouble
from proof.truth import differences

STRIKES_WITHIN_S = 75.0
"""Once a minute everything is asked, so that also what waits for such a question has struck by then."""
RIGHT_WITHIN_S = 180.0
_STAYS_RIGHT_S = 65.0
"""Over one more of these questions."""


class Outcome(NamedTuple):
    """What became of a cell."""

    fired: dict[str, int]
    """What went wrong, by its name, and how often."""
    not_fired: list[str]
    violations: list[str]
    right_after_s: float
    """From the healing on."""


def applies(stage: Stage, trouble: Trouble) -> bool:
    """Whether it can strike there at all."""
    return trouble.needs <= stage.traits


def cells(stages: tuple[Stage, ...], troubles: tuple[Trouble, ...] = TROUBLES) -> list[tuple[Stage, Trouble]]:
    """All that there are."""
    return [(stage, trouble) for stage in stages for trouble in troubles if applies(stage, trouble)]


async def live_through(folder: Path, stage: Stage, trouble: Trouble) -> tuple[Outcome, Rig]:
    """Go through it."""
    async with a_rig(folder, stage.begins_at, **stage.settings) as rig:
        await rig.start()
        await stage.prepare(rig)
        faults = [rig.gateway.faults.add(fault) for fault in trouble.arm(rig, stage)]
        await trouble.before(rig)
        await stage.go(rig)
        fired = rig.gateway.faults.fired
        while not await rig.until(lambda: all(fired[fault] for fault in faults) or not rig.is_alive, STRIKES_WITHIN_S):
            break
        await _heal(rig, trouble)
        healed_at = rig.clock.now()
        await stage.finish(rig)

        def wrong() -> list[str]:
            return [*differences(rig, trouble.allowed), *stage.wants(rig)]

        is_right = await rig.until(lambda: not wrong(), RIGHT_WITHIN_S, every_s=2)
        right_after_s = (rig.clock.now() - healed_at).total_seconds()
        await rig.passes(_STAYS_RIGHT_S if is_right else 0)
        told = {_word(fault): times for fault, times in fired.items()} | rig.fired
        not_fired = [str(fault) for fault in faults if not fired[fault]]
        return Outcome(told, not_fired, wrong(), right_after_s), rig


async def _heal(rig: Rig, trouble: Trouble) -> None:
    faults = rig.gateway.faults
    if not rig.is_alive:
        await rig.is_buried()
        await rig.start()
    faults.clear()
    faults.release()
    await trouble.heal(rig)


def _word(fault: object) -> str:
    name, on = type(fault).__name__, getattr(fault, "on", "")
    return f"{name} {on}".strip()
