"""How fast market data may be asked for.

Interactive Brokers refuses data to who asks too fast, and may close the connection. Its documentation ("Historical Data
Limitations", "5 Second Real Time Bars") names these limits:

    60 questions for history, and 60 new subscriptions, in any ten minutes
    the same question for history not twice within 15 s
    five for the history of one contract within 2 s: the sixth is refused
    50 of them open at once

Ten of each sixty are kept for symbols that are held: after one lost connection upon another their prices come first.

They are stated for bars shorter than a minute. Whether IB is as strict with minutes it does not say; we keep to them.

That orders go before data, and how many messages a second may leave, is seen to where they leave: `outgoing.py`.

`Pacing` is pure: `now_s` is any clock that only goes forward, in seconds. `turn` waits by the loop's.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
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
_KEPT_FOR_HELD = 10
_OF_THE_OTHERS = _OF_A_KIND._replace(most=_OF_A_KIND.most - _KEPT_FOR_HELD)
_OF_A_CONTRACT = _Limit(5, 2)
_IDENTICAL = _Limit(1, 15)
_LOOK_AGAIN_S = 0.1
_KEPT_S = max(limit.within_s for limit in (_OF_A_KIND, _OF_A_CONTRACT, _IDENTICAL))


class Pacing:
    """What was asked in the last ten minutes, and when the next request may be sent."""

    def __init__(self) -> None:
        self._sent: deque[_Sent] = deque()
        self._open = 0
        self.held: Callable[[], Collection[str]] = tuple
        """Says of which symbols shares are held at the moment."""

    def held_first(self, symbols: Iterable[str]) -> list[str]:
        """Whose price an exit hangs on, then the others, each in their order."""
        held = self.held()
        return sorted(symbols, key=lambda symbol: symbol not in held)

    def wait_s(self, request: Request, now_s: float) -> float | None:
        """Say in how many seconds a request may be sent, 0.0 for now; None when an open one must be answered first."""
        of_its_kind = [sent for sent in reversed(self._sent) if sent.request.kind is request.kind]
        wait_s = _wait_s(_OF_A_KIND if request.symbol in self.held() else _OF_THE_OTHERS, of_its_kind, now_s)
        if request.kind is Kind.SUBSCRIPTION:
            return wait_s
        if self._open >= MOST_OPEN:
            return None
        of_its_contract = [sent for sent in of_its_kind if sent.request.symbol == request.symbol]
        identical = [sent for sent in of_its_contract if sent.request == request]
        return max(wait_s, _wait_s(_OF_A_CONTRACT, of_its_contract, now_s), _wait_s(_IDENTICAL, identical, now_s))

    def room(self, kind: Kind, now_s: float) -> int:
        """How many requests of a kind, for symbols that are not held, the ten minutes until now have room for."""
        recent = sum(sent.request.kind is kind and sent.at_s > now_s - _OF_A_KIND.within_s for sent in self._sent)
        return max(_OF_THE_OTHERS.most - recent, 0)

    def sent(self, request: Request, now_s: float) -> None:
        """Count a request that goes out now; one for history is open until `answered`."""
        while self._sent and self._sent[0].at_s <= now_s - _KEPT_S:
            self._sent.popleft()
        self._sent.append(_Sent(now_s, request))
        self._open += request.kind is Kind.HISTORY

    def answered(self) -> None:
        """A request for history is not open any more, whatever came of it."""
        self._open -= 1


async def turn(pacing: Pacing, request: Request) -> None:
    """Wait until a request may be sent, and count it as sent."""
    loop = asyncio.get_running_loop()
    while (wait_s := pacing.wait_s(request, loop.time())) != 0:  # noqa: ASYNC110  (only time ends most of these waits)
        await asyncio.sleep(_LOOK_AGAIN_S if wait_s is None else wait_s)
    pacing.sent(request, loop.time())


def _wait_s(limit: _Limit, newest_first: Sequence[_Sent], now_s: float) -> float:
    """How long until the oldest of as many as the limit allows is old enough."""
    if len(newest_first) < limit.most:
        return 0.0
    return max(newest_first[limit.most - 1].at_s + limit.within_s - now_s, 0.0)
