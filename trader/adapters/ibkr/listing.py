"""A request whose answer carries no id: one at a time, complete or None."""

import asyncio
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from trader.adapters.ibkr.outgoing import Outgoing

_Item = TypeVar("_Item")

_LOST_IN_A_ROW = 2


class Line(Protocol):
    """The connection that it is asked on."""

    ended: asyncio.Event
    outgoing: Outgoing

    @property
    def is_open(self) -> bool:
        """Whether it can be spoken on."""
        ...

    def end(self, reason: str) -> None:
        """End it."""
        ...

    def spoilt(self, name: str, why: str) -> None:
        """Take note that an answer is not whole."""
        ...


class ListingRequest(Generic[_Item]):
    """Positions, open orders, completed orders, the time."""

    def __init__(self, name: str, line: Line, *, is_urgent: bool = False) -> None:
        self._name = name
        self._line = line
        self._is_urgent = is_urgent
        self._turn = asyncio.Lock()
        self._items: list[_Item] | None = None
        """None while nobody asks."""
        self._is_spoilt = False
        self._done = asyncio.Event()
        self._ends_to_come = 0
        """End markers of answers that were given up: they end nothing."""
        self._lost = 0
        """Answers in a row that were not complete."""

    async def ask(self, send: Callable[[], None], deadline_s: float) -> tuple[_Item, ...] | None:
        """Ask, and give the complete answer, or None."""
        async with self._turn:
            if not self._line.is_open:
                return None
            items: list[_Item] = []
            self._items, self._is_spoilt = items, False
            self._done.clear()
            if self._is_urgent:
                self._line.outgoing.order(send, lambda: None)
            else:
                self._line.outgoing.request(send)
            try:
                async with asyncio.timeout(deadline_s):
                    await self._done.wait()
            except TimeoutError:
                self._lose(deadline_s)
                return None
            except asyncio.CancelledError:
                self._ends_to_come += 1
                raise
            finally:
                self._items = None
            self._lost = 0
            return None if self._line.ended.is_set() or self._is_spoilt else tuple(items)

    def add(self, item: Any) -> None:
        """Take in one of its items; nobody but the wire adds, and to each listing what belongs into it."""
        if self._items is not None:
            self._items.append(item)

    def spoil(self, why: str) -> bool:
        """One of its items could not be read: the answer is not complete. False when nobody asks."""
        if self._items is None:
            return False
        self._is_spoilt = True
        self._line.spoilt(self._name, why)
        return True

    def finish(self) -> None:
        """Take in an end marker."""
        if self._ends_to_come:
            self._ends_to_come -= 1
            self._is_spoilt = False
            if self._items is not None:
                self._items.clear()
            return
        self._done.set()

    def give_up(self) -> None:
        """The connection has ended."""
        self._done.set()

    def _lose(self, deadline_s: float) -> None:
        self._ends_to_come += 1
        self._lost += 1
        if self._lost >= _LOST_IN_A_ROW:
            self._line.end(f"{self._name} not told completely, {self._lost} times in a row, in {deadline_s:g} s each")
