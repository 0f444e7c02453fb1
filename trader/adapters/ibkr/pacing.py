"""How fast market data may be asked for.

Interactive Brokers refuses data to who asks too fast, and may close the connection. Its documentation ("Historical Data
Limitations", "5 Second Real Time Bars") names these limits, for requests of one kind:

    60 in any ten minutes
    the same question never twice within 15 s
    five for one contract within 2 s: the sixth is refused
    50 questions open at once

That orders go before data, and how many messages a second may leave, is seen to where they leave: `outgoing.py`.

`Pacing` is pure: `now_s` is any clock that only goes forward, in seconds. `turn` waits by the loop's.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

MOST_OPEN = 50


class Kind(Enum):
    """Requests that are counted apart."""

    HISTORY = auto()
    SUBSCRIPTION = auto()


@dataclass(frozen=True, slots=True)
class Request:
    """A question to the market data servers."""

    kind: Kind
    symbol: str
    question: str = ""
    """What else tells it from others, in words: two that are the same in all are identical."""


class _Sent(NamedTuple):
    at_s: float
    request: Request


class _Limit(NamedTuple):
    """At most so many within so many seconds."""

    most: int
    within_s: float


_OF_A_KIND = _Limit(60, 600)
_OF_A_CONTRACT = _Limit(5, 2)
_IDENTICAL = _Limit(1, 15)
_LOOK_AGAIN_S = 0.1
_KEPT_S = max(limit.within_s for limit in (_OF_A_KIND, _OF_A_CONTRACT, _IDENTICAL))


class Pacing:
    """What was asked in the last ten minutes, and when the next request may be sent."""

    def __init__(self) -> None:
        self._sent: deque[_Sent] = deque()
        self._open = 0

    def wait_s(self, request: Request, now_s: float) -> float | None:
        """Say in how many seconds a request may be sent, 0.0 for now; None when an open one must be answered first."""
        if request.kind is Kind.HISTORY and self._open >= MOST_OPEN:
            return None
        return max(
            _wait_s(_OF_A_KIND, self._sent_by(kind=request.kind), now_s),
            _wait_s(_OF_A_CONTRACT, self._sent_by(kind=request.kind, symbol=request.symbol), now_s),
            _wait_s(_IDENTICAL, self._sent_by(request), now_s),
        )

    def sent(self, request: Request, now_s: float) -> None:
        """Count a request that goes out now; one for history is open until `answered`."""
        while self._sent and self._sent[0].at_s <= now_s - _KEPT_S:
            self._sent.popleft()
        self._sent.append(_Sent(now_s, request))
        self._open += request.kind is Kind.HISTORY

    def answered(self) -> None:
        """A request for history is not open any more, whatever came of it."""
        self._open -= 1

    def _sent_by(
        self, same: Request | None = None, *, kind: Kind | None = None, symbol: str | None = None
    ) -> Iterator[float]:
        """When such requests were sent, newest first."""
        for at_s, request in reversed(self._sent):
            if same in (None, request) and kind in (None, request.kind) and symbol in (None, request.symbol):
                yield at_s


async def turn(pacing: Pacing, request: Request) -> None:
    """Wait until a request may be sent, and count it as sent."""
    loop = asyncio.get_running_loop()
    while (wait_s := pacing.wait_s(request, loop.time())) != 0:  # noqa: ASYNC110  (only time ends most of these waits)
        await asyncio.sleep(_LOOK_AGAIN_S if wait_s is None else wait_s)
    pacing.sent(request, loop.time())


def _wait_s(limit: _Limit, sent_at_s: Iterable[float], now_s: float) -> float:
    """How long until the oldest of as many as the limit allows is old enough."""
    for number, at_s in enumerate(sent_at_s, start=1):
        if number == limit.most:
            return max(at_s + limit.within_s - now_s, 0.0)
    return 0.0
