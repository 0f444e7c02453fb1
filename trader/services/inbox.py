"""The engine's one inbox: everything comes in by this door, in one order."""

import asyncio
from collections import deque

from trader.domain.events import Event


class Inbox:
    """A bounded queue from which everything that waits is taken at once.

    Who only hands in waits for room, in the order in which he came; as many are let in as there is room for, not all
    to see who is first. `post` goes in beyond the bound: what the broker reports must never be dropped or wait for us,
    and who waits for an answer gains nothing by waiting twice.
    """

    def __init__(self, bound: int = 4096) -> None:
        self._bound = bound
        self._events: deque[Event] = deque()
        self._arrivals_s: deque[float] = deque()
        self.arrivals_s: list[float] = []
        """When the events that were taken last had come, by the loop's time, one for each."""
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._arrived = asyncio.Event()

    def __len__(self) -> int:
        return len(self._events)

    async def put(self, event: Event) -> None:
        """Add an event, waiting for room."""
        while len(self._events) >= self._bound:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn
        self.post(event)

    def post(self, event: Event) -> None:
        """Add an event at once. Called on the loop, which says when it came: RuntimeError from elsewhere, with nothing
        added."""
        arrived_s = asyncio.get_running_loop().time()
        self._events.append(event)
        self._arrivals_s.append(arrived_s)
        self._arrived.set()

    async def take(self, at_most: int) -> list[Event]:
        """Wait for something; take what waits, up to a number that keeps one step short."""
        await self._arrived.wait()
        count = min(at_most, len(self._events))
        taken = [self._events.popleft() for _ in range(count)]
        self.arrivals_s = [self._arrivals_s.popleft() for _ in range(count)]
        if not self._events:
            self._arrived.clear()
        self._let_in(self._bound - len(self._events))
        return taken

    def _let_in(self, room: int) -> None:
        """Wake as many as there is room for. One that gave up meanwhile takes no place."""
        while self._waiting and room > 0:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                room -= 1
