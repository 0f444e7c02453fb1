"""The whole run, when it is over."""

from collections.abc import Iterator

from simulation.history_checker import unexplained
from simulation.invariants.registry import When, invariant
from simulation.scene import Scene


@invariant(41, When.OVER)
def what_the_ledger_showed_can_be_explained(scene: Scene) -> Iterator[str]:
    """Number 41 is not in the list: the history checker that stands below it."""
    yield from unexplained(scene.history)
