"""What a disk may hold after the power was lost: of everything since the last sync, anything or nothing.

Rule 1: what was synced is there.
Rule 2: of writes that were not, each sector of 512 bytes is there or not, whatever the order; so are truncations.
Rule 3: files are made and removed in the order in which it was done, but perhaps only up to some point since their
folder was synced. A file whose making is not on the disk is not there, whatever was written into it.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from simulation.seen_disk import Kind, Operation

_SECTOR_BYTES = 512

Image = Mapping[str, bytes]
"""Name -> content of every file in the book's folder."""

_Choice = Callable[[Sequence[Operation]], Iterable[Operation]]
"""Which of the waiting operations have reached the disk."""


@dataclass(slots=True)
class _Inode:
    """A file apart from its name."""

    durable: bytearray = field(default_factory=bytearray)
    waiting: list[Operation] = field(default_factory=list)


class _Naming(NamedTuple):
    """A name is given to a file, or taken away."""

    name: str
    inode: _Inode | None


class Disk:
    """The files of a folder, of which every operation is told in order."""

    def __init__(self, files: Image) -> None:
        self._durable = {name: _Inode(bytearray(content)) for name, content in files.items()}
        self._names = dict(self._durable)
        self._waiting: list[_Naming] = []

    def do(self, operation: Operation) -> None:
        """Do the next operation."""
        name = operation.path.name
        if operation.kind is Kind.CREATE:
            self._names[name] = _Inode()
            self._waiting.append(_Naming(name, self._names[name]))
        elif operation.kind is Kind.DELETE:
            del self._names[name]
            self._waiting.append(_Naming(name, None))
        elif operation.kind is Kind.SYNC:
            inode = self._names[name]
            _apply(inode.durable, inode.waiting)
            inode.waiting = []
        else:
            self._names[name].waiting.append(operation)
        if operation.folder_too:
            self._durable, self._waiting = dict(self._names), []

    def nothing_unsynced(self) -> Image:
        """All that was not synced is lost."""
        return {name: bytes(inode.durable) for name, inode in self._durable.items()}

    def everything(self) -> Image:
        """Nothing is lost, as when only the process dies."""
        return {name: _applied(inode.durable, inode.waiting) for name, inode in self._names.items()}

    def some_sectors(self, chance: random.Random) -> Image:
        """Each unsynced sector and truncation is there or not."""
        likely = chance.choice((0.1, 0.5, 0.9))
        return self._some(chance, lambda waiting: _some_of(waiting, chance, likely))

    def torn(self, chance: random.Random) -> Image:
        """Everything up to some write of each file, of which only the first sectors are there, and nothing after it."""
        return self._some(chance, lambda waiting: _up_to_a_tear(waiting, chance))

    def _some(self, chance: random.Random, chosen: _Choice) -> Image:
        names = dict(self._durable)
        for naming in self._waiting[: chance.randint(0, len(self._waiting))]:
            if naming.inode is None:
                names.pop(naming.name, None)
            else:
                names[naming.name] = naming.inode
        return {name: _applied(inode.durable, chosen(inode.waiting)) for name, inode in names.items()}


def _applied(content: bytearray, operations: Iterable[Operation]) -> bytes:
    """A file after these, if they come to the disk."""
    changed = bytearray(content)
    _apply(changed, operations)
    return bytes(changed)


def _apply(content: bytearray, operations: Iterable[Operation]) -> None:
    """Do these to a file; what was never written between two writes is zeros."""
    for kind, _, offset, data, _ in operations:
        if kind is Kind.TRUNCATE:
            del content[offset:]
        else:
            content.extend(bytes(max(0, offset - len(content))))
            content[offset : offset + len(data)] = data


def _sectors(write: Operation) -> Iterator[Operation]:
    """A write, cut where the disk's sectors begin."""
    at = 0
    while at < len(write.data):
        length = _SECTOR_BYTES - (write.offset + at) % _SECTOR_BYTES
        yield write._replace(offset=write.offset + at, data=write.data[at : at + length])
        at += length


def _some_of(waiting: Sequence[Operation], chance: random.Random, likely: float) -> Iterator[Operation]:
    for operation in waiting:
        for part in _sectors(operation) if operation.kind is Kind.WRITE else (operation,):
            if chance.random() < likely:
                yield part


def _up_to_a_tear(waiting: Sequence[Operation], chance: random.Random) -> Iterator[Operation]:
    if not waiting:
        return
    last = chance.randrange(len(waiting))
    yield from waiting[:last]
    if waiting[last].kind is Kind.WRITE:
        sectors = list(_sectors(waiting[last]))
        yield from sectors[: chance.randint(0, len(sectors))]


def put(image: Image, folder: Path) -> None:
    """Put the files into a folder."""
    for name, content in image.items():
        (folder / name).write_bytes(content)
