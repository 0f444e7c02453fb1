"""Signals from outside by file: one JSON object a line, appended by anybody, followed here.

A line counts once: its offset is committed with its signal. A bad line is refused by number and kept. A line is read
only when it is finished by a line feed. What was written while nobody was reading has to carry its time: without one
it could be of any age.

A file that was replaced, or written anew, is read from its beginning; one that holds what was read, and more, goes on.
A file that cannot be read now is said once, and read when it can be.
"""

import asyncio
import os
import stat
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from trader.adapters.feeds.inbox_lines import read_line
from trader.domain.events import BadLine, InboxOffset, SignalReceived

Publish = Callable[[SignalReceived | BadLine], Awaitable[None]]
Aside = Callable[[Callable[[], "list[SignalReceived | BadLine]"]], Awaitable["list[SignalReceived | BadLine]"]]
Say = Callable[[str], None]

_AT_ONCE = 1_000_000
_REMEMBERED = 4_096


class _Look(NamedTuple):
    """What a file looks like from outside; while that stays, so does its content."""

    device: int
    inode: int
    size: int
    changed_ns: int


class InboxFile:
    """Follows one file from where the book says it was read."""

    def __init__(self, path: Path, start: InboxOffset | None, say: Say = lambda _: None) -> None:
        self._path = path
        self._key = str(path)
        self._say = say
        self._offset = start.offset if start is not None else 0
        self._line = start.line if start is not None else 0
        self._backlog_ends: int | None = None
        """Where the file ended when it was first looked at; None until then."""
        self._look: _Look | None = None
        self._last_read: bytes | None = None
        """The end of what was read, by which the file is known again; None before this process has read."""
        self._passed = 0
        """Bytes of a line without an end, seen after the offset."""
        self._head = b""
        self._trouble = ""

    def begin(self) -> None:
        """From now on somebody reads: what is written later need not carry its time."""
        if self._backlog_ends is None:
            try:
                self._backlog_ends = self._path.stat().st_size
            except OSError:
                self._backlog_ends = 0

    async def run(self, publish: Publish, aside: Aside, every_s: float = 0.2) -> None:
        """Follow the file for ever, reading it `aside`. A file that is not there yet is waited for."""
        while True:
            for event in await aside(self.read):
                await publish(event)
            await asyncio.sleep(every_s)

    def read(self) -> list[SignalReceived | BadLine]:
        """Take the finished lines that are new, a megabyte at most. What is in the way is said, not raised."""
        try:
            return self._read()
        except FileNotFoundError:
            self._backlog_ends = self._backlog_ends or 0
        except OSError as error:
            self._complain(f"cannot be read ({error.strerror or error})")
        return []

    def _read(self) -> list[SignalReceived | BadLine]:
        if not stat.S_ISREG(self._path.stat().st_mode):  # before it is opened: that alone would wake a pipe's writer
            self._complain("is not a regular file")
            return []
        with os.fdopen(os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as handle:
            found = os.fstat(handle.fileno())
            look = _Look(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
            if self._backlog_ends is None:
                self._backlog_ends = look.size
            if look != self._look and not self._is_known(handle, look.size):
                self._begin_anew()
            events = self._take_from(handle)
            self._look = self._last_read = None
            with suppress(OSError):  # what was taken is given out all the same
                self._last_read = self._before_offset(handle)
                self._look = look
        self._complain("")
        return events

    def _is_known(self, handle: BinaryIO, size: int) -> bool:
        """Whether the file still holds what was read of it; at a start no more is known than where a line ended."""
        if size < self._offset:
            return False
        before = self._before_offset(handle)
        return before.endswith(b"\n") or not before if self._last_read is None else before == self._last_read

    def _before_offset(self, handle: BinaryIO) -> bytes:
        start = max(0, self._offset - _REMEMBERED)
        handle.seek(start)
        return handle.read(self._offset - start)

    def _begin_anew(self) -> None:
        self._say(
            f"INBOX {self._path} is another file than the one that was read up to line {self._line}: it was replaced "
            "or written anew, and is read from its beginning"
        )
        self._offset = self._line = self._passed = 0
        if self._last_read is not None:  # else nobody was reading when it was put there
            self._backlog_ends = 0

    def _complain(self, trouble: str) -> None:
        """Once, and again when the words change."""
        if trouble and trouble != self._trouble:
            self._say(f"INBOX {self._path} {trouble}; no signal is taken from it until it is a file that can be read")
        elif self._trouble and not trouble:
            self._say(f"INBOX {self._path} can be read again")
        self._trouble = trouble

    def _take_from(self, handle: BinaryIO) -> list[SignalReceived | BadLine]:
        handle.seek(self._offset + self._passed)
        text = handle.read(_AT_ONCE)
        finished, newline, _ = text.rpartition(b"\n")
        if newline:
            events = [self._take(raw) for raw in finished.split(b"\n")]
            return [event for event in events if event is not None]
        if len(text) == _AT_ONCE:  # one line, however long: it is passed over until its end is found
            self._head = self._head if self._passed else text[:_REMEMBERED]
            self._passed += len(text)
        return []

    def _take(self, raw: bytes) -> SignalReceived | BadLine | None:
        length = self._passed + len(raw)
        text = self._head if self._passed else raw
        self._offset += length + 1
        self._line += 1
        self._passed = 0
        if not text.strip() and length == len(text):
            return None
        offset = InboxOffset(self._key, self._offset, self._line)
        dated = self._offset <= (self._backlog_ends or 0)
        try:
            return SignalReceived(read_line(text, length, dated=dated), f"inbox:{self._path.name}", offset)
        except Exception as error:  # noqa: BLE001  (whatever a stranger has written, it costs his line and no more)
            return BadLine(ascii(text[:200].decode("utf-8", "replace")), f"{error}"[:200], offset)
