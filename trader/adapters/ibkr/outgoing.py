"""What leaves: at most 45 messages a second, as IB demands, and orders before everything else.

What has to wait, waits here, where it is known: an order that was never sent is certainly not at the broker.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

_PER_SECOND = 45
_REQUESTS_PER_SECOND = 35
"""The rest is kept free for orders."""


class _Waiting(NamedTuple):
    send: Callable[[], None]
    dropped: Callable[[], None]


class Outgoing:
    """One connection's way out."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._orders: deque[_Waiting] = deque()
        self._requests: deque[_Waiting] = deque()
        self._sent: deque[float] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False

    def order(self, send: Callable[[], None], dropped: Callable[[], None]) -> None:
        """Send before all requests; `dropped` is called when the connection ends before it was sent."""
        self._take(self._orders, _Waiting(send, dropped))

    def request(self, send: Callable[[], None]) -> None:
        """Send when no order waits; a request that is dropped is one that gets no answer."""
        self._take(self._requests, _Waiting(send, lambda: None))

    def close(self) -> None:
        """The connection has ended: drop what waits."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        waiting = [*self._orders, *self._requests]
        self._orders.clear()
        self._requests.clear()
        for one in waiting:
            one.dropped()

    def _take(self, queue: deque[_Waiting], one: _Waiting) -> None:
        if self._is_closed:
            one.dropped()
            return
        queue.append(one)
        self._flow()

    def _flow(self) -> None:
        now = self._loop.time()
        while self._sent and now - self._sent[0] >= 1:
            self._sent.popleft()
        while self._orders and len(self._sent) < _PER_SECOND:
            self._leave(self._orders, now)
        while self._requests and len(self._sent) < _REQUESTS_PER_SECOND:
            self._leave(self._requests, now)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._orders or self._requests:
            self._timer = self._loop.call_at(self._sent[0] + 1, self._flow)

    def _leave(self, queue: deque[_Waiting], now: float) -> None:
        one = queue.popleft()
        self._sent.append(now)
        try:
            one.send()
        except ConnectionError:
            one.dropped()
