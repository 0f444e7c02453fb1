"""Real bar files against the figures of their manifest. Skipped where TRADER_MARKET_DATA names no folder of them."""

import csv
import os
from collections import defaultdict
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from trader.adapters.calendar import load_calendar
from trader.adapters.feeds.files import read_tape
from trader.domain.errors import DataError
from trader.domain.session import NEW_YORK

CALENDAR = load_calendar()
MINUTE = timedelta(minutes=1)

MARKET_DATA = os.environ.get("TRADER_MARKET_DATA", "")
pytestmark = pytest.mark.skipif(not MARKET_DATA, reason="TRADER_MARKET_DATA names no folder of market data")


def manifest(group: str = "") -> dict[str, dict[str, dict[str, str]]]:
    """Folder -> symbol -> figures, of the data folder's own manifest."""
    groups: dict[str, dict[str, dict[str, str]]] = defaultdict(dict)
    if MARKET_DATA:
        with (Path(MARKET_DATA) / "MANIFEST.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                groups[row["group"]][row["sym"]] = row
    return {name: rows for name, rows in groups.items() if name.startswith(group)}


def starts_of(group: str) -> dict[str, list[datetime]]:
    """Symbol -> starts of its bars as they play."""
    starts = defaultdict(list)
    for bar_time in read_tape([Path(MARKET_DATA) / group], CALENDAR):
        for bar in bar_time.bars:
            starts[bar.symbol].append(bar.timestamp)
    return dict(starts)


def interval_of(group: str) -> timedelta:
    """The bar's length that a folder's name says: `5m_2025`."""
    return MINUTE * int(group.partition("m_")[0])


def test_real_files_give_the_bars_that_their_manifest_counts() -> None:
    intraday = {group: rows for group, rows in manifest().items() if not group.startswith("1d")}
    assert len(intraday) >= 7
    for group, rows in intraday.items():
        tape = read_tape([Path(MARKET_DATA) / group], CALENDAR)
        assert (tape.interval, tape.symbols) == (interval_of(group), tuple(sorted(rows)))
        for report in tape.report:
            row = rows[report.symbol]
            outside = int(row["note"].partition("out_rth=")[2].split()[0])
            assert (report.rows, report.outside_session, report.refused) == (int(row["rows"]), outside, {})
            assert report.used == report.rows - outside
            assert report.sha256 == row["sha256"]


def test_real_bars_play_once_each_in_time_order_within_their_sessions() -> None:
    for group in manifest("1m") | manifest("5m"):
        tape = read_tape([Path(MARKET_DATA) / group], CALENDAR)
        played = list(tape)
        assert all(one.ends_at < other.ends_at for one, other in pairwise(played))
        assert sum(len(bar_time.bars) for bar_time in played) == tape.bars
        for bar_time in played:
            day = CALENDAR.session_at(bar_time.bars[0].timestamp)
            assert day is not None
            assert day.opens_at < bar_time.ends_at <= day.closes_at


def test_real_sessions_have_as_many_bars_as_their_manifest_says() -> None:
    for group, rows in (manifest("1m") | manifest("5m")).items():
        for symbol, starts in starts_of(group).items():
            by_day: dict[date, int] = defaultdict(int)
            for start in starts:
                by_day[start.astimezone(NEW_YORK).date()] += 1
            fewest, _, most = map(int, rows[symbol]["rth_min/med/max"].split("/"))
            assert (len(by_day), min(by_day.values()), max(by_day.values())) == (
                int(rows[symbol]["sess"]),
                fewest,
                most,
            )


def test_real_daily_files_are_refused() -> None:
    daily = manifest("1d")
    assert daily
    for group in daily:
        with pytest.raises(DataError, match="daily bars cannot be replayed: not intraday"):
            read_tape([Path(MARKET_DATA) / group], CALENDAR)


def test_real_files_of_minutes_and_of_five_minutes_do_not_mix() -> None:
    paths = [Path(MARKET_DATA) / "1m_2025" / "TNA.csv.gz", Path(MARKET_DATA) / "5m_2025" / "QQQ.csv.gz"]
    with pytest.raises(DataError, match=r"QQQ\.csv\.gz has a bar every 5 min, not every 1 min"):
        read_tape(paths, CALENDAR)
