"""Runs in which the simulation once found a bug of the daemon. What a seed does changes with the code, so that each bug
has a test of its own as well, where it was mended."""

from pathlib import Path

import pytest
from simulation.world import World

_FOUND = {
    ("115", 2): "a disk that could not be read at the start ended a daemon that already held positions",
    ("25", 2): "an order whose end nobody had heard of worked on in the book for ever",
    ("s209", 1): "a wall clock set back an hour kept the broker from being asked for an hour",
    ("u12", 2): "what was watched again was said in the order of a set",
    ("419", 2): "a closing that was journaled was journaled again with its spilled exit",
    (
        "630",
        2,
    ): "a purchase taken back in the step that booked a spilled exit of it made the book refuse them all",
    ("night:131", 4): "an exit was spilled of shares that a bust had given back, and the book did not know them yet",
}


@pytest.mark.parametrize(("seed", "days"), _FOUND, ids=[seed for seed, _ in _FOUND])
def test_a_run_that_found_something_finds_nothing_any_more(seed: str, days: int, tmp_path: Path) -> None:
    assert World(seed, days, tmp_path).run().violation is None
