"""One daemon per (book, account): an advisory lock that dies with its process, with a note of who holds it."""

import fcntl
import json
import os
import signal
import time
from pathlib import Path
from typing import NamedTuple, TextIO

from trader.domain.errors import AlreadyRunning, BookUnwritable

_TRIES = 5
_BETWEEN_TRIES_S = 0.02


class Holder(NamedTuple):
    """The process that runs, as it described itself at its start."""

    pid: int
    version: str
    fingerprint: str
    started_at: str


class RunLock:
    """Held for the life of a daemon."""

    def __init__(self, path: Path, handle: TextIO) -> None:
        self._path = path
        self._handle = handle

    @classmethod
    def take(cls, path: Path, holder: Holder) -> "RunLock":
        """Take the lock. Raises AlreadyRunning, naming the holder."""
        try:
            handle = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8")
        except OSError as error:
            raise BookUnwritable(
                f"cannot write {path}: {error.strerror}; the folder of the book has to be writable"
            ) from error
        if not _locked(handle):
            handle.close()
            running = running_daemon(path)
            who = f"process {running.pid}, version {running.version}" if running else "another process"
            raise AlreadyRunning(
                f"a trader runs on this book already ({who} since {running.started_at if running else '?'}; on disk is "
                f"version {holder.version}, {_same(running, holder)}). Use --restart to stop it in order and start anew"
            )
        try:
            handle.truncate(0)
            os.write(handle.fileno(), json.dumps(holder._asdict()).encode())  # past the buffer, which would try again
        except OSError as error:
            handle.close()
            raise BookUnwritable(f"cannot write {path}: {error.strerror}; free some space and start again") from error
        return cls(path, handle)

    def release(self) -> None:
        """Give the lock back; the file stays, empty."""
        self._handle.truncate(0)
        self._handle.close()


def _locked(handle: TextIO) -> bool:
    """Lock the file; again for a moment when it is taken, for `running_daemon` may be looking just now."""
    for _ in range(_TRIES):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_BETWEEN_TRIES_S)
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
