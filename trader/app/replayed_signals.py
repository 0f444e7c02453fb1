"""Signals from outside in a replay: a file as the inbox takes it, in which each line carries its time.

Unlike a line of the inbox, one that is no signal stops the replay before it starts: it is named with its file and line.
"""

import hashlib
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from trader.adapters.feeds.inbox_lines import read_line
from trader.domain.errors import DataError
from trader.domain.events import SignalReceived
from trader.domain.symbol import read_symbol


class ReplayedSignals:
    """The signals of a file, by their times."""

    def __init__(self, path: Path | None) -> None:
        """Raises DataError for a file that cannot be read, and for a line that is no signal."""
        content = _read(path) if path is not None else b""
        lines = enumerate(content.splitlines(), start=1)
        read = [_signal(path, number, line) for number, line in lines if line.strip()]
        self._waiting = deque(sorted(read, key=lambda received: received.signal.timestamp))
        self.sha256 = hashlib.sha256(content).hexdigest()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def until(self, instant: datetime) -> Iterator[SignalReceived]:
        """Take those whose time is not after an instant."""
        while self._waiting and self._waiting[0].signal.timestamp <= instant:
            yield self._waiting.popleft()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); check the path") from error


def _signal(path: Path | None, number: int, line: bytes) -> SignalReceived:
    try:
        signal = read_line(line, len(line), dated=True)
        read_symbol(signal.symbol)
    except ValueError as error:
        raise DataError(f"{path} line {number}: {error}") from None
    return SignalReceived(signal)
