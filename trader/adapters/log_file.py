"""The log's file under loguru's thread. When it cannot be written, that is said once, and the lines are counted.

Loguru itself would print a traceback for each line. Its rotating file has no public name; it is wrapped here, in this
one place, and has a test of its own.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Protocol, cast

from loguru import _file_sink


class _RotatingFile(Protocol):
    """What is used of loguru's file."""

    def write(self, message: str) -> None:
        """Append, rotating when due."""
        ...

    def stop(self) -> None:
        """Flush and close."""
        ...


class LogFile:
    """Takes lines from loguru's thread."""

    def __init__(self, path: Path, rotation: str, retention: str) -> None:
        self._path = path
        self._rotation = rotation
        self._retention = retention
        self._file = self._opened(delay=False)
        self._failed: OSError | None = None
        self._lost = 0

    def write(self, message: str) -> None:
        """Append a record of one or more lines; what cannot be written is lost, and counted."""
        try:
            if self._failed is not None:
                self._end_torn_line()
            self._file.write(message)
        except OSError as error:
            self._give_up(error, message.count("\n"))
        else:
            self._works_again()

    def stop(self) -> None:
        """Close the file. Raises OSError when its end could not be written."""
        self._file.stop()
        if self._failed is not None:
            raise self._failed

    def _opened(self, *, delay: bool) -> _RotatingFile:
        literal = str(self._path).replace("{", "{{").replace("}", "}}")
        sink = _file_sink.FileSink(  # type: ignore[no-untyped-call]
            literal,
            rotation=self._rotation,
            retention=self._retention,
            watch=True,
            delay=delay,
            errors="backslashreplace",
            opener=_for_the_owner,
        )
        return cast("_RotatingFile", sink)

    def _give_up(self, error: OSError, lines: int) -> None:
        """Begin with a new file object: the old one keeps what it could not write, and would stumble over it again."""
        if self._failed is None:
            _say(f"the log {self._path} cannot be written: {error.strerror or error}; its lines are lost until it can")
        self._failed = error
        self._lost += lines
        with suppress(OSError):
            self._file.stop()
        self._file = self._opened(delay=True)

    def _end_torn_line(self) -> None:
        """A line that was written in part must not run into the next one."""
        if not self._path.is_file():
            return
        with self._path.open("r+b") as file:
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")

    def _works_again(self) -> None:
        if self._failed is not None:
            _say(f"the log {self._path} can be written again; {self._lost} lines are lost")
            self._failed, self._lost = None, 0


def _for_the_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _say(sentence: str) -> None:
    """To whoever sees standard error; nobody may."""
    with suppress(OSError, ValueError):
        if sys.stderr is not None:
            sys.stderr.write(f"trader: {sentence}\n")
            sys.stderr.flush()
