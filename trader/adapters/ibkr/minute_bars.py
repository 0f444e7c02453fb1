"""Five-second bars -> one-minute bars, as Interactive Brokers sends the ones and strategies want the others.

Rule 1: a symbol's minute is finished when its last five seconds, from :55 on, are in. What is not finished is not
given: its close would be older than it says.
Rule 2: a bar time is given when everybody who is expected has finished, or `GRACE` after its end with those that have;
never before its end. What comes later is counted, and is not given: no bar time is given twice, or after a later one.
Rule 3: nothing is made up. Five seconds without a trade repeat the last price: they say that data flow, and nothing
else. A minute without a trade has no bar, and where no symbol has one there is no bar time.
Rule 4: five seconds that are missing are named, for whoever can find the minute elsewhere.

Pure: the time comes in.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from trader.domain.market import Bar, BarTime

MINUTE = timedelta(minutes=1)
FIVE_SECONDS = timedelta(seconds=5)
GRACE = timedelta(seconds=2)
PIECES = MINUTE // FIVE_SECONDS


class FiveSeconds(NamedTuple):
    """What was traded in five seconds."""

    bar: Bar
    traded: bool
    """False: no trade; the prices are the last one again."""

    @property
    def ends_at(self) -> datetime:
        """When it is known."""
        return self.bar.timestamp + FIVE_SECONDS


class Minute(NamedTuple):
    """A bar time, and how many five seconds each symbol lacks that has some of the minute but not all.

    Such a symbol has a bar here when its last five seconds are in, and none when they are not.
    """

    bar_time: BarTime
    lacking: Mapping[str, int]


@dataclass(slots=True)
class _Pieces:
    """A symbol's minute so far."""

    seen: set[datetime] = field(default_factory=set)
    traded: list[Bar] = field(default_factory=list)

    def take(self, piece: FiveSeconds) -> None:
        self.seen.add(piece.bar.timestamp)
        if piece.traded:
            self.traded.append(piece.bar)

    def finished(self, ends_at: datetime) -> bool:
        return ends_at - FIVE_SECONDS in self.seen

    def bar(self, starts_at: datetime) -> Bar:
        bars = sorted(self.traded, key=lambda bar: bar.timestamp)
        return Bar(
            bars[0].symbol,
            starts_at,
            bars[0].open_micros,
            max(bar.high_micros for bar in bars),
            min(bar.low_micros for bar in bars),
            bars[-1].close_micros,
            sum(bar.volume for bar in bars),
        )


class MinuteBars:
    """The minutes that are not given yet."""

    def __init__(self) -> None:
        self._minutes: dict[datetime, dict[str, _Pieces]] = {}
        self._given_until = datetime.min.replace(tzinfo=UTC)
        self.late = 0
        """Five seconds that came after their minute was given."""

    @property
    def given_until(self) -> datetime:
        """The end of the newest minute that was given, or passed over."""
        return self._given_until

    def take(self, piece: FiveSeconds) -> bool:
        """Take five seconds in. False when they are late. The same ones again change nothing."""
        ends_at = minute_end(piece.bar.timestamp)
        if ends_at <= self._given_until:
            self.late += 1
            return False
        pieces = self._minutes.setdefault(ends_at, {}).setdefault(piece.bar.symbol, _Pieces())
        if piece.bar.timestamp not in pieces.seen:
            pieces.take(piece)
        return True

    def due(self, now: datetime, expected: Collection[str]) -> Iterator[Minute]:
        """Give the minutes that are finished, oldest first, each once. `expected`: the symbols that are waited for."""
        for ends_at in sorted(self._minutes):
            symbols = self._minutes[ends_at]
            if now < ends_at or (now < ends_at + GRACE and not _have_finished(expected, symbols, ends_at)):
                return
            self.pass_over(ends_at)
            minute = _minute(symbols, ends_at)
            if minute.bar_time.bars or minute.lacking:
                yield minute

    def pass_over(self, until: datetime) -> None:
        """All minutes that end up to an instant have been given by somebody else: what comes of them is late."""
        self._given_until = max(self._given_until, until)
        for ends_at in [ends_at for ends_at in self._minutes if ends_at <= until]:
            del self._minutes[ends_at]


def minute_end(instant: datetime) -> datetime:
    """The end of the minute that an instant lies in."""
    return instant.replace(second=0, microsecond=0) + MINUTE


def _have_finished(expected: Collection[str], symbols: Mapping[str, _Pieces], ends_at: datetime) -> bool:
    return all(name in symbols and symbols[name].finished(ends_at) for name in expected)


def _minute(symbols: Mapping[str, _Pieces], ends_at: datetime) -> Minute:
    finished = {name: pieces for name, pieces in sorted(symbols.items()) if pieces.finished(ends_at)}
    bars = tuple(pieces.bar(ends_at - MINUTE) for pieces in finished.values() if pieces.traded)
    lacking = {name: PIECES - len(pieces.seen) for name, pieces in sorted(symbols.items()) if len(pieces.seen) < PIECES}
    return Minute(BarTime(ends_at, MINUTE, bars), lacking)
