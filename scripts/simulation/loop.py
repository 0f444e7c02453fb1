"""An event loop without time and without chance of its own.

Rule 1: time stands while anything is ready, and then jumps to whatever is due next. Nothing waits for the real clock.
Rule 2: of everything that is ready, the seed says what runs first. asyncio promises an order that the product must not
need: no two tasks of it may depend on who comes first.
Rule 3: nothing comes from outside. A file descriptor that becomes readable would be chance; connections are those of
`network`.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import Context
from random import Random
from typing import TypeVar, TypeVarTuple, Unpack

from simulation.network import End, Listening, Network, ProtocolFactory

_Given = TypeVarTuple("_Given")
_Result = TypeVar("_Result")


class Stuck(Exception):
    """Nothing is ready, nothing is due, and it is not over."""


class SeededLoop(asyncio.SelectorEventLoop):
    """One life of a daemon runs on one of these."""

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]
    """asyncio's own: what is ready, and a heap of what is due later."""

    def __init__(self, random: Random, after_each: Callable[[], None]) -> None:
        """`after_each` is called after each callback: between any two of them a life may end, or be looked at."""
        super().__init__()
        self.callbacks = 0
        self.signals: dict[int, Callable[[], object]] = {}
        """By number: what a signal to the process would call."""
        self._random = random
        self.after_each = after_each
        self.network = Network(self, random)
        self._now_s = 0.0

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now_s

    def stall(self, seconds: float) -> None:
        """Let time pass in which nothing runs: a process that was stopped, or a host that slept."""
        self._now_s += seconds

    def add_signal_handler(self, sig: int, callback: Callable[..., object], *args: object) -> None:
        """Kept; nobody but the simulation sends one."""
        self.signals[sig] = lambda: callback(*args)

    def call_soon_threadsafe(
        self, callback: Callable[[Unpack[_Given]], object], *args: *_Given, context: Context | None = None
    ) -> asyncio.Handle:
        """There is one thread."""
        return self.call_soon(callback, *args, context=context)

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[_Given]], _Result], *args: *_Given
    ) -> asyncio.Future[_Result]:
        """There is one thread: who wants another has not gone by the host."""
        raise RuntimeError(f"{func} was sent to a thread past the host")

    async def create_connection(  # type: ignore[override]
        self, protocol_factory: ProtocolFactory, host: str, port: int
    ) -> tuple[End, asyncio.BaseProtocol]:
        """By the loop's own network. Raises ConnectionRefusedError."""
        del host
        return await self.network.connect(protocol_factory, port)

    async def create_server(  # type: ignore[override]
        self, protocol_factory: ProtocolFactory, host: str, port: int
    ) -> Listening:
        """In the loop's own network."""
        del host
        return self.network.listen(protocol_factory, port)

    def _run_once(self) -> None:
        """Run one callback."""
        self._take_what_is_due()
        if not self._ready:
            self._wait()
        at = self._random.randrange(len(self._ready)) if len(self._ready) > 1 else 0
        handle = self._ready[at]
        del self._ready[at]
        if handle.cancelled():
            return
        handle._run()  # noqa: SLF001  (only a loop runs it)
        self.callbacks += 1
        self.after_each()

    def _wait(self) -> None:
        while self._scheduled and self._scheduled[0].cancelled():
            heapq.heappop(self._scheduled)
        if not self._scheduled:
            raise Stuck("nothing is ready and nothing is due")
        self._now_s = max(self._now_s, self._scheduled[0].when())
        self._take_what_is_due()

    def _take_what_is_due(self) -> None:
        scheduled = self._scheduled
        while scheduled and scheduled[0].when() <= self._now_s:
            handle = heapq.heappop(scheduled)
            if not handle.cancelled():
                self._ready.append(handle)
