"""The first page as it changes: rendered once a second for everybody who looks, and only what changed is sent.

Rule 1: while nobody looks nothing is read.
Rule 2: a browser that is slow misses steps, never the end: what it gets next is everything.
Rule 3: however many come at once, what they see first is rendered once.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress

from trader.domain.errors import TraderError

_EVERY_S = 1.0

Cards = Mapping[str, str]


class Live:
    """Tells browsers what has changed."""

    def __init__(self, render: Callable[[], Cards]) -> None:
        self._render = render
        self._cards: Cards = {}
        self._looking: set[asyncio.Queue[Cards | None]] = set()
        self._ended = False
        self._one_renders = asyncio.Lock()
        self._rendered_at_s: float | None = None

    async def keep_telling(self) -> None:
        """For as long as the dashboard runs."""
        while True:
            if self._looking:
                with suppress(TraderError):  # nothing is told: the page says that what is seen is old
                    await self._newest(0.0)
            await asyncio.sleep(_EVERY_S)

    async def told(self) -> AsyncIterator[str]:
        """Server-sent events for one browser; an empty one is a sign of life."""
        queue: asyncio.Queue[Cards | None] = asyncio.Queue(maxsize=1)
        self._looking.add(queue)
        try:
            yield _event(await self._newest(_EVERY_S))
            while not self._ended and (cards := await queue.get()) is not None:
                yield _event(cards)
        finally:
            self._looking.discard(queue)

    def end(self) -> None:
        """Let every browser go: the server waits for them."""
        self._ended = True
        for queue in self._looking:
            self._tell(queue, None)

    async def _newest(self, oldest_s: float) -> Cards:
        """What was rendered no longer ago than that, else anew, which everybody is told. Raises TraderError."""
        async with self._one_renders:
            now_s = time.monotonic()
            if self._rendered_at_s is None or now_s - self._rendered_at_s >= oldest_s:
                self._tell_all(await asyncio.to_thread(self._render))
                self._rendered_at_s = time.monotonic()
            return self._cards

    def _tell_all(self, cards: Cards) -> None:
        before, self._cards = self._cards, cards
        changed = {name: html for name, html in cards.items() if before.get(name) != html}
        for queue in self._looking:
            self._tell(queue, changed)

    def _tell(self, queue: asyncio.Queue[Cards | None], cards: Cards | None) -> None:
        if queue.full():
            queue.get_nowait()
            cards = self._cards if cards is not None else None
        queue.put_nowait(cards)


def _event(cards: Cards) -> str:
    return f"data: {json.dumps(cards)}\n\n"
