"""A loop with real sockets and time of its own.

Rule 1: time stands while anything is ready, a socket too, and then jumps to whatever is due next.
Rule 2: both ends of a connection live on this loop, and so does everything else: bytes that are sent on this host can
be read when the sending is over, so that nothing is on its way when time jumps. Nothing may wait for a thread.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import TypeVar

_Result = TypeVar("_Result")


class Stuck(AssertionError):
    """Nothing is ready, nothing is due, and it is not over."""


class _PatientSelector(selectors.DefaultSelector):
    """Instead of waiting it lets time pass."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise Stuck("nothing is ready and nothing is due")
        if not ready and timeout is not None and timeout > 0:
            self.now_s += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop of one test."""

    def __init__(self) -> None:
        self._patient = _PatientSelector()
        super().__init__(self._patient)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._patient.now_s

    def sleep_for(self, seconds: float) -> None:
        """A host that sleeps, or a process that is stopped: time goes on, and nothing runs meanwhile."""
        self._patient.now_s += seconds

    def add_signal_handler(self, sig: int, callback: Callable[..., object], *args: object) -> None:
        """Nobody sends one."""


def in_virtual_time(what: Callable[[], Coroutine[None, None, _Result]]) -> _Result:
    """Run it to its end. What it leaves behind is cancelled."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)  # the client library asks for it there
    try:
        return loop.run_until_complete(what())
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        asyncio.set_event_loop(None)
        loop.close()
