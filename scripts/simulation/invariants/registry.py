"""Every invariant by its number, and when it is looked at."""

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import NamedTuple

from simulation.scene import Scene


class When(StrEnum):
    """The moments at which invariants are looked at."""

    STEP = "after every step of the daemon that has changed the book or sent something"
    CLOSE = "when a session has closed, a minute later"
    DEATH = "when a life is over, on its files"
    SETTLED = "when everything is healed and has had its time"
    OVER = "when the run is over, on its history"


Check = Callable[[Scene], Iterator[str]]
"""Yields its faults, in words. One that yields nothing holds."""


class Invariant(NamedTuple):
    """One check of an invariant; a number may have several, at different moments."""

    number: int
    when: When
    check: Check


ALL: list[Invariant] = []


def invariant(number: int, when: When = When.STEP) -> Callable[[Check], Check]:
    """Give a function its number and its moment."""

    def numbered(check: Check) -> Check:
        ALL.append(Invariant(number, when, check))
        return check

    return numbered


def broken(scene: Scene, when: When) -> Iterator[tuple[int, str]]:
    """Every fault of the invariants that are looked at now, with its number."""
    scene.venue.look()
    if when is When.STEP:
        scene.look()
    for number, at, check in ALL:
        if at is when:
            for fault in check(scene):
                yield number, f"{check.__name__}: {fault}"
