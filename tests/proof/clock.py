"""The wall's time, of the daemon and of the gateway alike: that of the loop, from a given instant on."""

import asyncio
from datetime import datetime, timedelta


class LoopClock:
    """It goes as the loop goes."""

    def __init__(self, at: datetime, loop_s: float | None = None) -> None:
        """`at` is the time when the loop's is `loop_s`, or now."""
        self._loop = asyncio.get_running_loop()
        self.origin = at - timedelta(seconds=self._loop.time() if loop_s is None else loop_s)

    def now(self) -> datetime:
        """The time, aware UTC."""
        return self.origin + timedelta(seconds=self._loop.time())
