"""Where the files of runs under way lie: in memory, and gone with the processes that they belong to.

Rule 1: a folder is locked by whoever has made it and by all its children; one that nobody holds belongs to the dead,
and the next start clears it.
Rule 2: a child ends when its parent does, however that ends.
"""

import ctypes
import fcntl
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108  (where there is one; nothing of a run needs to outlive the host)
_PREFIX = "trader-simulation-"
_PARENT_DEATH_SIGNAL = 1
"""Of Linux: PR_SET_PDEATHSIG."""


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder, in memory where that can be had; what the dead have left is cleared first."""
    base = _MEMORY if os.access(_MEMORY, os.W_OK) else Path(tempfile.gettempdir())
    _clear_what_is_left(base)
    folder, lock = _locked(base)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _locked(base: Path) -> tuple[Path, int]:
    """A new folder and its lock; another start may have cleared it before it was locked."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
        with suppress(OSError):
            lock = os.open(folder, os.O_RDONLY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.exists():
                return folder, lock
            os.close(lock)


def _clear_what_is_left(base: Path) -> None:
    for folder in base.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another's, or another start is faster
            lock = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def end_with(parent: int) -> None:
    """From now on this process is killed when its parent is gone; at once, if it is gone already."""
    if os.uname().sysname == "Linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
