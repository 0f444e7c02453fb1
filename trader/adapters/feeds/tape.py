"""Tape: the checked bars of all files, in time order.

The bars rest in columns, 48 bytes each. Bar objects are made while the tape plays, a few sessions ahead at most.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import chain, islice, repeat
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from trader.adapters.feeds.session_hours import DAY_US, EPOCH, MICROSECOND
from trader.domain.market import Bar, BarTime

if TYPE_CHECKING:  # polars is slow to import, and most commands read no bars
    import polars as pl

PRICES = ("open", "high", "low", "close")

_BARS_AHEAD = 20_000


class BadBar(NamedTuple):
    """A row that was refused. `line` counts from 1, the header included; in a Parquet file it is the row."""

    file: str
    line: int
    fault: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """What became of a file's rows: rows = used + outside_session + outside_dates + those refused."""

    file: str
    symbol: str
    sha256: str
    """Of the file's bytes."""
    rows: int
    used: int
    outside_session: int
    outside_dates: int
    """In a session, but not of the dates asked for."""
    refused: Mapping[str, int]
    """Fault -> rows, the most frequent first."""
    bad_bars: tuple[BadBar, ...]
    """The first thousand, by line; `refused` counts all."""


class Reel(NamedTuple):
    """One file's part of the tape. Columns: `at` (start, microseconds since 1970 UTC), PRICES in micros, `volume`."""

    report: FileReport
    bars: "pl.DataFrame"
    smallest_gap: timedelta | None
    """The shortest time between two good bars, in or out of session; None where there is one bar at most."""
    usual_gap: timedelta | None
    """The time between most of them; None where no gap is most frequent."""
    grid: timedelta | None
    """The longest time of which all times between bars of one session are multiples: bars may be as long as that."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tape:
    """Bars of one interval, one reel for each symbol, by symbol. Iterating plays it, as often as it is asked to."""

    interval: timedelta
    reels: tuple[Reel, ...]
    ignored: tuple[Path, ...] = ()
    """Bar files of a folder that were left alone, as their names are not symbols."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """Every symbol that has a file, sorted."""
        return tuple(reel.report.symbol for reel in self.reels)

    @property
    def starts_at(self) -> datetime:
        """The start of the first bar, aware UTC."""
        return EPOCH + min(int(reel.bars["at"][0]) for reel in self.reels if reel.bars.height) * MICROSECOND

    @property
    def report(self) -> tuple[FileReport, ...]:
        """What became of each file's rows, by symbol."""
        return tuple(reel.report for reel in self.reels)

    @property
    def bars(self) -> int:
        """How many bars it plays."""
        return sum(reel.report.used for reel in self.reels)

    def __iter__(self) -> Iterator[BarTime]:
        """Each distinct start of a bar, in time order, with the bars that share it by symbol."""
        import polars as pl

        breaks = self._breaks()
        stops = [reel.bars["at"].search_sorted(breaks).to_list() for reel in self.reels]
        reels = [reel.bars.with_columns(symbol=pl.lit(place, pl.UInt16)) for place, reel in enumerate(self.reels)]
        played: tuple[int, ...] = (0,) * len(reels)
        for stop in zip(*stops, strict=True):
            part = [bars.slice(begin, end - begin) for bars, begin, end in zip(reels, played, stop, strict=True)]
            yield from self._bar_times(pl.concat(part).sort("at", maintain_order=True))
            played = stop

    def _breaks(self) -> "pl.Series":
        """Midnights, some sessions apart, so that few bars are made ahead and few steps are taken."""
        import polars as pl

        days = pl.concat([(reel.bars["at"] // DAY_US).unique() for reel in self.reels]).unique().sort()
        step = max(1, _BARS_AHEAD * len(days) // max(self.bars, 1))
        last_of_part = [*range(step - 1, len(days) - 1, step), len(days) - 1]
        return (days.gather(last_of_part) + 1) * DAY_US

    def _bar_times(self, merged: "pl.DataFrame") -> Iterator[BarTime]:
        runs = merged["at"].rle().struct.unnest()
        starts = [EPOCH + at * MICROSECOND for at in runs["value"].to_list()]
        counts = runs["len"].to_list()
        # Bar's own constructor would take longer than all the rest; one datetime serves all bars of its time.
        bars = map(
            partial(tuple.__new__, Bar),
            zip(
                map(self.symbols.__getitem__, merged["symbol"].to_list()),
                chain.from_iterable(map(repeat, starts, counts)),
                *(merged[name].to_list() for name in (*PRICES, "volume")),
                strict=True,
            ),
        )
        interval = self.interval
        for start, count in zip(starts, counts, strict=True):
            yield BarTime(start + interval, interval, tuple(islice(bars, count)))
