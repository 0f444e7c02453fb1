"""One daemon per (book, account): an advisory lock that dies with its process, with a note of who holds it.

A lock file that somebody removes is made again by its holder; who comes in between makes the holder stop.
"""

import fcntl
import json
import os
import signal
import time
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, TextIO

from trader import __version__
from trader.adapters.fingerprint import code_fingerprint
from trader.adapters.same_file import is_at
from trader.domain.errors import AlreadyRunning, BookUnwritable

_TRIES = 5
_BETWEEN_TRIES_S = 0.02

RESTART = "Use --restart to stop it in order and start anew"


class Holder(NamedTuple):
    """The process that runs, as it described itself at its start."""

    pid: int
    version: str
    fingerprint: str
    started_at: str


def lock_path(db: Path, account: str) -> Path:
    """Where the run lock of a (book, account) lies: beside the book. A book reached by two names is one book."""
    book = db.resolve()
    return book.with_name(f"{book.name}.{account}.lock")


class RunLock:
    """Held for the life of a daemon."""

    def __init__(self, path: Path, handle: TextIO, holder: Holder) -> None:
        self._path = path
        self._handle = handle
        self._holder = holder

    @classmethod
    def take(cls, path: Path, holder: Holder, way_out: str = RESTART) -> "RunLock":
        """Take the lock. Raises AlreadyRunning, naming the holder and what to do, and BookUnwritable."""
        return cls(path, _taken(path, holder, way_out), holder)

    def keep(self) -> bool:
        """See whether the lock file is still there; make it again when it was removed. True when it had to be.

        Raises AlreadyRunning when another process has taken the lock meanwhile.
        """
        if is_at(self._handle.fileno(), self._path):
            return False
        try:
            anew = _taken(self._path, self._holder, "This one stops")
        except AlreadyRunning as error:
            raise AlreadyRunning(
                f"the run lock {self._path} was removed while it was held, and another took it: {error}"
            ) from error
        self._handle.close()
        self._handle = anew
        return True

    def release(self, *, remove: bool = False) -> None:
        """Give the lock back; the file stays, empty, unless it is to be removed."""
        if remove and is_at(self._handle.fileno(), self._path):
            self._path.unlink(missing_ok=True)
        self._handle.truncate(0)
        self._handle.close()


def this_process(at: datetime) -> Holder:
    """Who takes a lock here."""
    return Holder(os.getpid(), __version__, code_fingerprint(), at.isoformat(timespec="seconds"))


def _taken(path: Path, holder: Holder, way_out: str) -> TextIO:
    """The lock file, locked, and signed by the holder."""
    for _ in range(_TRIES):
        handle = _opened(path)
        if not _locked(handle):
            handle.close()
            raise _refused(path, holder, way_out)
        if is_at(handle.fileno(), path):
            _sign(handle, path, holder)
            return handle
        handle.close()  # its holder has removed it on leaving
    raise BookUnwritable(f"cannot keep {path}: it is removed as soon as it is made; find out by whom")


def _refused(path: Path, holder: Holder, way_out: str) -> AlreadyRunning:
    running = running_daemon(path)
    who = f"process {running.pid}, version {running.version}" if running else "another process"
    return AlreadyRunning(
        f"a trader runs on this book already ({who} since {running.started_at if running else '?'}; on disk is "
        f"version {holder.version}, {_same(running, holder)}). {way_out}"
    )


def _sign(handle: TextIO, path: Path, holder: Holder) -> None:
    try:
        handle.truncate(0)
        os.write(handle.fileno(), json.dumps(holder._asdict()).encode())  # past the buffer, which would try again
    except OSError as error:
        handle.close()
        raise BookUnwritable(f"cannot write {path}: {error.strerror}; free some space and start again") from error


def _opened(path: Path) -> TextIO:
    try:
        return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8")
    except OSError as error:
        raise BookUnwritable(
            f"cannot write {path}: {error.strerror}; the folder of the book has to be writable"
        ) from error


def _locked(handle: TextIO) -> bool:
    """Lock the file; again for a moment when it is taken, for `running_daemon` may be looking just now."""
    for _ in range(_TRIES):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_BETWEEN_TRIES_S)  # noqa: TID251  (before there is a loop: another process lets go)
        else:
            return True
    return False


def running_daemon(path: Path) -> Holder | None:
    """Who holds the lock, or None when nobody does. Raises BookUnwritable when that cannot be seen."""
    try:
        handle = path.open(encoding="utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BookUnwritable(f"cannot read {path}: {error.strerror}; start as the owner of the book") from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            try:
                return Holder(**json.load(handle))
            except (ValueError, TypeError):
                return Holder(0, "?", "?", "?")
        return None


def terminate(holder: Holder) -> None:
    """Send SIGTERM to a holder, but only to a process that is a trader: a note may name a pid of another machine."""
    try:
        command = Path(f"/proc/{holder.pid}/cmdline").read_bytes()
        if b"trader" in command:
            os.kill(holder.pid, signal.SIGTERM)
    except OSError:
        return  # it has ended, or is not ours to end: the lock shows which


def _same(running: Holder | None, holder: Holder) -> str:
    if running is None:
        return "which may differ"
    return "the same code" if running.fingerprint == holder.fingerprint else "with DIFFERENT code"
