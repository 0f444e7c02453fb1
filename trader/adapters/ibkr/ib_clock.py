"""IB's clock beside this host's.

Rule 1: what IB has told goes on by the loop's time, which nobody can set: a jump of the host's clock is seen at once,
not when IB is asked the next time.
Rule 2: an answer that took long says nothing: it cannot be known when in that time it was given.
Rule 3: a time that cannot be is as far off as a time can be: entries stop, and exits go on.
"""

import asyncio
from typing import NamedTuple

from trader.adapters.ibkr.session import Session
from trader.services.ports import Clock

_HALF_A_SECOND = 0.5
"""IB tells whole seconds, rounded down."""
_LONGEST_S = 1.0
_LATEST_S = 4_102_444_800
"""The year 2100, in seconds since 1970."""


class IbClock(NamedTuple):
    """IB's time, by one answer."""

    ahead_of_loop_s: float
    took_s: float

    @property
    def is_sharp(self) -> bool:
        """Whether the answer came soon enough to say anything."""
        return self.took_s <= _LONGEST_S

    def skew_s(self, clock: Clock) -> float:
        """How far it is ahead of the host's now, to about half a second."""
        return asyncio.get_running_loop().time() + self.ahead_of_loop_s - clock.now().timestamp()


async def read_clock(session: Session, patience_s: float) -> IbClock | None:
    """Ask; None when there is no answer in time."""
    loop = asyncio.get_running_loop()
    asked_at = loop.time()
    told = await session.time.ask(session.client.reqCurrentTime, patience_s)
    if not told:
        return None
    took_s = loop.time() - asked_at
    seconds = min(max(told[-1], 0), _LATEST_S)
    return IbClock(seconds + _HALF_A_SECOND - asked_at - took_s / 2, took_s)
