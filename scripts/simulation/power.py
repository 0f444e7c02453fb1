"""The power of one life: it may fail at any write, and then the disk holds only a part of what was not synced."""

from collections.abc import Callable
from pathlib import Path
from random import Random

from simulation.faults import Fault, Faults
from simulation.lost_power import Disk, Image
from simulation.seen_disk import Operation

_LONGEST = 6_000
"""Writes and syncs of a life; the power fails at one of so many, or not at all."""


class Power:
    """Watches the book's files, and fails at one write."""

    def __init__(self, db: Path, faults: Faults, random: Random, dies: Callable[[], None]) -> None:
        self.left_on_disk: Image | None = None
        """The book's files after the power has failed; None while it has not."""
        self._names = {db.name, f"{db.name}-wal", f"{db.name}-journal"}
        self._folder = db.parent
        self._faults = faults
        self._random = random
        self._dies = dies
        self._left = random.randint(1, _LONGEST)
        files = {path.name: path.read_bytes() for path in sorted(self._folder.iterdir()) if path.name in self._names}
        self._disk = Disk(files)

    def listen(self, operation: Operation) -> int:
        """One thing done to a file."""
        if self.left_on_disk is None and self._is_of_the_book(operation.path):
            self._disk.do(operation)
            self._left -= 1
            if self._left == 0:
                self._fail()
        return 0

    def _is_of_the_book(self, path: Path) -> bool:
        return path.name in self._names and path.parent == self._folder

    def _fail(self) -> None:
        fault = self._random.choice((Fault.WRITES_LOST, Fault.WRITE_TORN))
        if not self._faults.strikes(fault, 1.0):
            return
        chance = self._faults.chance(fault)
        if fault is Fault.WRITE_TORN:
            self.left_on_disk = self._disk.torn(chance)
        elif chance.random() < 0.4:
            self.left_on_disk = self._disk.nothing_unsynced()
        else:
            self.left_on_disk = self._disk.some_sectors(chance)
        self._dies()
