"""A loop whose time is the host's, and so many times as fast: two processes can share it."""

import asyncio
import selectors
import time

SPEED = 8


class _FastSelector(selectors.DefaultSelector):
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(None if timeout is None else timeout / SPEED)


class FastLoop(asyncio.SelectorEventLoop):
    """The loop of one process."""

    def __init__(self) -> None:
        super().__init__(_FastSelector())

    def time(self) -> float:
        """Seconds since the host was started, so many times as fast."""
        return time.monotonic() * SPEED
