"""Market data that went silent, noticed by their age: subscriptions die without a word, after a reset most of all.

A symbol's next five seconds are due five seconds after what came last, was subscribed last, or the session's open. Who
is `TOLERATED` behind that in regular hours is silent, and is subscribed anew: at once, then after 30, 60, 120, ...
seconds, five minutes at most. Who was said to be lost is subscribed anew in the same way, at any hour.

Pure: the time comes in.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from trader.adapters.ibkr.minute_bars import FIVE_SECONDS
from trader.domain.session import SessionDay

TOLERATED = timedelta(seconds=15)

_FIRST_PAUSE = timedelta(seconds=15)
_LONGEST_PAUSE = timedelta(minutes=5)


@dataclass(slots=True)
class _Ear:
    """What is known of one symbol's data."""

    subscribed_at: datetime | None = None
    heard_until: datetime | None = None
    """The end of its newest five seconds."""
    silent: bool = False
    lost: bool = False
    pause: timedelta = _FIRST_PAUSE

    def due_at(self, opens_at: datetime) -> datetime:
        return max(at for at in (opens_at, self.subscribed_at, self.heard_until) if at is not None) + FIVE_SECONDS


class Silence:
    """When each symbol was heard last, and who has to be subscribed anew."""

    def __init__(self, symbols: Iterable[str]) -> None:
        self._ears = {symbol: _Ear() for symbol in symbols}

    @property
    def silent(self) -> frozenset[str]:
        """From whom nothing can be expected."""
        return frozenset(symbol for symbol, ear in self._ears.items() if ear.silent or ear.lost)

    def subscribed(self, symbol: str, now: datetime) -> None:
        """A subscription was asked for, or has outlived a loss of the servers: its data need a moment."""
        self._ears[symbol].subscribed_at = now

    def heard(self, symbol: str, until: datetime) -> bool:
        """Five seconds have come that ended then. True when the symbol was silent before."""
        ear = self._ears[symbol]
        ear.heard_until = until if ear.heard_until is None else max(until, ear.heard_until)
        was_silent = ear.silent
        ear.silent, ear.lost, ear.pause = False, False, _FIRST_PAUSE
        return was_silent

    def lost(self, symbol: str) -> None:
        """Somebody has said that nothing comes any more."""
        self._ears[symbol].lost = True

    def newly_silent(self, session: SessionDay | None, now: datetime) -> list[str]:
        """Who has gone silent since this was asked last. Outside regular hours nobody is silent."""
        found = [symbol for symbol, ear in self._ears.items() if not ear.silent and _is_behind(ear, session, now)]
        for symbol in found:
            self._ears[symbol].silent = True
        return found

    def to_subscribe(self, session: SessionDay | None, now: datetime) -> list[str]:
        """Who is silent or lost, and has had time enough since the last subscription; the next time it is longer."""
        found: list[str] = []
        for symbol, ear in self._ears.items():
            wanted = ear.lost or (ear.silent and _is_behind(ear, session, now))
            if wanted and (ear.subscribed_at is None or now >= ear.subscribed_at + ear.pause):
                found.append(symbol)
                ear.pause = min(ear.pause * 2, _LONGEST_PAUSE)
        return found

    def ages_s(self, now: datetime) -> Mapping[str, float | None]:
        """How many seconds ago each symbol's newest five seconds ended; None for one that was never heard."""
        return {
            symbol: None if ear.heard_until is None else max((now - ear.heard_until).total_seconds(), 0.0)
            for symbol, ear in self._ears.items()
        }


def _is_behind(ear: _Ear, session: SessionDay | None, now: datetime) -> bool:
    """Whether the next five seconds should have come. A symbol that nobody has subscribed yet is not behind."""
    if session is None or ear.subscribed_at is None or not session.trades_at(now):
        return False
    return now > ear.due_at(session.opens_at) + TOLERATED
