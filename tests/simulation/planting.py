"""Plants one bug into the daemon and runs the simulation until it is seen: `python -m planting MODULE NAME`.

A bug is one protection taken away. It is looked for by the invariant of its number alone, or by one of its checks, so
that each has to see for itself what it is there for; a process of its own keeps it away from everything else.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from simulation.configuration import Broker
from simulation.invariants import ALL
from simulation.neighbours import Neighbours
from simulation.scratch import scratch
from simulation.world import Outcome, World

OTHERS = tuple(f"s{number}" for number in range(40))
_MOST = {Broker.PAPER: len(OTHERS), Broker.GATEWAY: 4, Broker.SHARED: 4}
"""A bug that none of so many runs shows is not seen."""


ONLY_REMEMBERS = "remember_"
"""So begin the names of checks that say nothing: what comes after a death is compared with what they have kept."""


class Planted(NamedTuple):
    """A bug, and where it is seen."""

    number: int
    """Of the invariant that sees it."""
    plant: Callable[[], None]
    """Takes the protection away, in the product's own classes."""
    seeds: tuple[str, ...]
    """These runs have shown it first. What a seed does changes with the code, so `OTHERS` come after them."""
    check: str = ""
    """The function that sees it, beside those that only remember; without a name any of the number may."""
    broker: Broker = Broker.PAPER
    """Where the orders of these runs go."""


def put(owner: object, name: str, value: object) -> None:
    """Put something else into the place of a method."""
    setattr(owner, name, value)


def find(bug: Planted) -> str:
    """Plant it and run until it is seen. Gives nothing then, and otherwise what was seen instead."""
    ALL[:] = [each for each in ALL if each.number == bug.number and _looks(bug, each.check.__name__)]
    bug.plant()
    instead = []
    for seed in dict.fromkeys([*bug.seeds, *OTHERS[: _MOST[bug.broker]]]):
        at, fault = _seen(seed, bug.broker)
        if at == bug.number:
            return ""
        instead.append(f"{seed}: {at} {fault}")
    return f"{bug.number} {bug.check} was not seen; " + "; ".join(instead)


def _looks(bug: Planted, check: str) -> bool:
    return bug.check in ("", check) or check.startswith(ONLY_REMEMBERS)


def _seen(seed: str, broker: Broker) -> tuple[int | None, str]:
    """The violation of one run, of a day and a healed one: its number and its words."""
    with scratch() as folder:
        violation = _run(seed, folder, broker).violation
    return (violation.number, violation.fault) if violation is not None else (None, "nothing")


def _run(seed: str, folder: Path, broker: Broker) -> Outcome:
    if broker is Broker.SHARED:
        return Neighbours(seed, 1, folder).run()
    return World(seed, 1, folder, broker=broker).run()


def main() -> str:
    """The bug is named by its module and its name in there."""
    return find(import_module(sys.argv[1]).BUGS[sys.argv[2]])


if __name__ == "__main__":
    sys.exit(main() or 0)
