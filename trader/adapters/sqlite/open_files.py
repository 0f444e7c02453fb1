"""Whether the files of an open book are still the ones that its path names.

Somebody may remove or replace them while they are open. SQLite would not notice: it would go on writing into files
that have no name any more, and everything would be gone at the end of the process.
"""

import os
from pathlib import Path
from typing import NamedTuple

from trader.domain.errors import BookUnwritable


class _Identity(NamedTuple):
    device: int
    inode: int


class OpenFiles:
    """A book, its log of writes (-wal) and that one's index (-shm), as they were when the book was opened."""

    def __init__(self, path: Path) -> None:
        self._called = path
        real = str(path.resolve())  # SQLite puts the other two beside the file itself, not beside a link to it
        self._opened = {name: _identity(name) for name in (real, f"{real}-wal", f"{real}-shm")}

    def check(self) -> None:
        """Raise BookUnwritable when a file is not the one that was opened. Costs three looks at the folder: 7 us."""
        for name, opened in self._opened.items():
            if opened is not None and _identity(name) != opened:
                raise BookUnwritable(
                    f"the book {self._called} was removed or replaced while it was open ({Path(name).name} is not the "
                    "file that was opened); put it back where it was, or stop this trader and look at what is there "
                    "before the next start"
                )


def _identity(name: str) -> _Identity | None:
    try:
        found = os.stat(name)
    except OSError:
        return None
    return _Identity(found.st_dev, found.st_ino)
