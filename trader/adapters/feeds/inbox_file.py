"""Signals from outside by file: one JSON object a line, appended by anybody, followed here.

A line counts once: its offset is committed with its signal. A bad line is refused by number and kept. A line is read
only when it is finished by a line feed. What was written while nobody was reading has to carry its time: without one
it could be of any age.
"""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path

from trader.domain.decision import UNSTAMPED, Signal
from trader.domain.events import BadLine, InboxOffset, SignalReceived

Publish = Callable[[SignalReceived | BadLine], Awaitable[None]]

_KEYS = frozenset({"id", "symbol", "probability", "timestamp"})
_LONGEST_LINE = 10_000


class InboxFile:
    """Follows one file from where the book says it was read."""

    def __init__(self, path: Path, start: InboxOffset | None) -> None:
        self._path = path
        self._key = str(path)
        self._offset = start.offset if start is not None else 0
        self._line = start.line if start is not None else 0
        self._backlog = True

    async def run(self, publish: Publish, every_s: float = 0.2) -> None:
        """Follow the file for ever. A file that is not there yet is waited for."""
        while True:
            for event in await asyncio.to_thread(self.read):
                await publish(event)
            await asyncio.sleep(every_s)

    def read(self) -> list[SignalReceived | BadLine]:
        """Take the finished lines that are new. A file that became shorter was begun anew."""
        try:
            with self._path.open("rb") as handle:
                size = handle.seek(0, 2)
                if size < self._offset:
                    self._offset = self._line = 0
                handle.seek(self._offset)
                text = handle.read(1_000_000)
        except FileNotFoundError:
            return []
        finally:
            backlog, self._backlog = self._backlog, False
        finished, newline, _ = text.rpartition(b"\n")
        if not newline:
            return self._too_long(text)
        events = [self._take(raw, len(raw) + 1, backlog=backlog) for raw in finished.split(b"\n")]
        return [event for event in events if event is not None]

    def _too_long(self, text: bytes) -> list[SignalReceived | BadLine]:
        if len(text) < 1_000_000:
            return []
        event = self._take(text, len(text), backlog=False)
        return [event] if event is not None else []

    def _take(self, raw: bytes, length: int, *, backlog: bool) -> SignalReceived | BadLine | None:
        self._offset += length
        self._line += 1
        if not raw.strip():
            return None
        offset = InboxOffset(self._key, self._offset, self._line)
        try:
            return SignalReceived(_parse(raw, dated=backlog), f"inbox:{self._path.name}", offset)
        except (ValueError, RecursionError) as error:
            return BadLine(ascii(raw[:200].decode("utf-8", "replace")), f"{error}"[:200], offset)


def _parse(raw: bytes, *, dated: bool) -> Signal:
    """One line as a signal, which has to carry its time if `dated`. Raises ValueError saying what is wrong with it."""
    if len(raw) > _LONGEST_LINE:
        raise ValueError(f"longer than {_LONGEST_LINE} bytes")
    try:
        item = json.loads(raw.decode("utf-8"))
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from error
    if not isinstance(item, dict):
        raise ValueError("not a JSON object")
    unknown = sorted(set(item) - _KEYS)
    if unknown:
        raise ValueError(f"unknown key {ascii(unknown[0])[:40]}")
    symbol, probability, identity = item.get("symbol"), item.get("probability"), item.get("id", "")
    if not isinstance(symbol, str):
        raise ValueError("symbol is missing or not a text")
    if isinstance(probability, bool) or not isinstance(probability, int | float) or not math.isfinite(probability):
        raise ValueError("probability is missing or not a number")
    if not isinstance(identity, str) or not identity.isascii() or not identity.isprintable() or len(identity) > 64:
        raise ValueError("id is not a printable text of at most 64 characters")
    if dated and item.get("timestamp") is None:
        raise ValueError("no timestamp, and written while nobody was reading")
    return Signal(symbol, float(probability), _timestamp(item.get("timestamp")), identity)


def _timestamp(value: object) -> datetime:
    if value is None:
        return UNSTAMPED
    if not isinstance(value, str):
        raise ValueError("timestamp is not a text")
    at = datetime.fromisoformat(value)
    if at.tzinfo is None:
        raise ValueError("timestamp has no time zone")
    return at
