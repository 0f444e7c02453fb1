"""How long a bar of a replay is: found in its files, or said, and never so short that the future is seen."""

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest

from trader.adapters.calendar import load_calendar
from trader.adapters.feeds.files import read_tape
from trader.domain.errors import DataError
from trader.domain.session import NEW_YORK

CALENDAR = load_calendar()
HEADER = "timestamp,open,high,low,close,volume"
MINUTE = timedelta(minutes=1)
MONDAY = date(2025, 1, 6)


def at(day: date, clock: str) -> datetime:
    """A New York time of a date, in UTC."""
    return datetime.combine(day, time.fromisoformat(clock), NEW_YORK).astimezone(UTC)


def write(path: Path, starts: list[datetime], price: float = 10) -> Path:
    """Write a file of good bars that start at these times."""
    rows = [f"{start.isoformat()},{price},{price + 2},{price - 1},{price + 1},100" for start in starts]
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


def session(day: date, step: timedelta = MINUTE, bars: int = 390) -> list[datetime]:
    """The starts of a session's bars."""
    return [at(day, "09:30") + step * number for number in range(bars)]


def test_the_interval_is_the_smallest_gap_over_all_files(tmp_path: Path) -> None:
    first = at(MONDAY, "09:30")
    write(tmp_path / "QQQ.csv", [first, first + 20 * MINUTE, first + 35 * MINUTE])
    write(tmp_path / "SPY.csv", [first, first + 10 * MINUTE, first + 15 * MINUTE, first + 25 * MINUTE])
    tape = read_tape([tmp_path], CALENDAR)
    assert tape.interval == 5 * MINUTE
    assert next(iter(tape)).ends_at == first + 5 * MINUTE


def test_one_odd_time_does_not_make_minutes_into_seconds(tmp_path: Path) -> None:
    starts = session(MONDAY)
    starts.insert(100, starts[99] + timedelta(seconds=1))
    assert read_tape([write(tmp_path / "QQQ.csv", starts)], CALENDAR).interval == MINUTE


def test_a_thin_file_takes_the_interval_of_the_others(tmp_path: Path) -> None:
    write(tmp_path / "QQQ.csv", session(MONDAY))
    write(tmp_path / "SHY.csv", [start for number, start in enumerate(session(MONDAY)) if number**2 % 17 == 1])
    assert read_tape([tmp_path], CALENDAR).interval == MINUTE


def test_files_of_two_intervals_are_an_error_as_one_would_show_the_future(tmp_path: Path) -> None:
    write(tmp_path / "QQQ.csv", session(MONDAY))
    write(tmp_path / "SPY.csv", session(MONDAY, 5 * MINUTE, 78))
    with pytest.raises(
        DataError, match=r"SPY\.csv has a bar every 5 min, not every 1 min; replay files of one interval"
    ):
        read_tape([tmp_path], CALENDAR)


@pytest.mark.parametrize("bars", [2, 3, 20])
def test_a_short_file_of_longer_bars_is_an_error_too(tmp_path: Path, bars: int) -> None:
    """Two bars of a session tell: taken for minutes, five would be known four too early."""
    write(tmp_path / "QQQ.csv", session(MONDAY))
    write(tmp_path / "SPY.csv", session(MONDAY, 5 * MINUTE, bars))
    for interval in (None, MINUTE):
        with pytest.raises(DataError, match=r"SPY\.csv has a bar every 5 min, not every 1 min"):
            read_tape([tmp_path], CALENDAR, interval=interval)


def test_a_file_whose_bars_all_lie_on_a_wider_grid_is_an_error_though_most_are_missing(tmp_path: Path) -> None:
    first = at(MONDAY, "09:30")
    write(tmp_path / "QQQ.csv", session(MONDAY))
    write(tmp_path / "SPY.csv", [first + number * MINUTE for number in (0, 5, 20, 45, 50, 65)])
    with pytest.raises(DataError, match=r"SPY\.csv has a bar every 5 min, not every 1 min"):
        read_tape([tmp_path], CALENDAR)


def test_a_short_file_of_shorter_bars_is_an_error_too(tmp_path: Path) -> None:
    write(tmp_path / "QQQ.csv", session(MONDAY, 5 * MINUTE, 78))
    write(tmp_path / "SPY.csv", session(MONDAY, bars=10))
    with pytest.raises(DataError, match=r"SPY\.csv has a bar every 1 min, not every 5 min"):
        read_tape([tmp_path], CALENDAR, interval=5 * MINUTE)


def test_a_night_or_what_is_outside_the_session_tells_nothing_of_the_interval(tmp_path: Path) -> None:
    write(tmp_path / "QQQ.csv", session(MONDAY) + session(date(2025, 1, 7)))
    before_open = [at(MONDAY, "07:00"), at(MONDAY, "07:10"), at(MONDAY, "07:20")]
    write(tmp_path / "SPY.csv", [*before_open, at(MONDAY, "10:00"), at(date(2025, 1, 7), "10:00")])
    assert read_tape([tmp_path], CALENDAR).interval == MINUTE


def test_a_few_minutes_far_apart_are_minutes_all_the_same(tmp_path: Path) -> None:
    first = at(MONDAY, "09:30")
    write(tmp_path / "QQQ.csv", session(MONDAY))
    write(tmp_path / "SHY.csv", [first + number * MINUTE for number in (3, 10, 23, 31, 45)])
    assert read_tape([tmp_path], CALENDAR).interval == MINUTE


@pytest.mark.parametrize("interval", [MINUTE, 15 * MINUTE])
def test_an_interval_that_the_bars_deny_is_an_error(tmp_path: Path, interval: timedelta) -> None:
    path = write(tmp_path / "QQQ.csv", session(MONDAY, 5 * MINUTE, 78))
    with pytest.raises(DataError, match=r"QQQ\.csv has a bar every 5 min, not every .*correct --interval"):
        read_tape([path], CALENDAR, interval=interval)


def test_a_single_bar_needs_an_interval(tmp_path: Path) -> None:
    path = write(tmp_path / "QQQ.csv", session(MONDAY, bars=1))
    with pytest.raises(DataError, match=r"QQQ\.csv has too few bars .*give --interval"):
        read_tape([path], CALENDAR)
    [bar_time] = read_tape([path], CALENDAR, interval=5 * MINUTE)
    assert bar_time.ends_at == at(MONDAY, "09:35")


def test_daily_bars_are_refused_as_not_intraday(tmp_path: Path) -> None:
    path = tmp_path / "QQQ.csv"
    path.write_text(f"{HEADER}\n" + "".join(f"2025-01-{day:02},10,12,9,11,100\n" for day in (6, 7, 8, 10, 13, 14)))
    with pytest.raises(DataError, match=r"QQQ\.csv: daily bars cannot be replayed: not intraday \(one bar every 1 d"):
        read_tape([path], CALENDAR)
    intraday = write(tmp_path / "SPY.csv", session(MONDAY))
    with pytest.raises(DataError, match="daily bars cannot be replayed: not intraday"):
        read_tape([intraday], CALENDAR, interval=timedelta(days=1))


@pytest.mark.parametrize("interval", [timedelta(0), -MINUTE])
def test_an_interval_must_be_longer_than_nothing(tmp_path: Path, interval: timedelta) -> None:
    with pytest.raises(DataError, match="give the length of one bar"):
        read_tape([write(tmp_path / "QQQ.csv", session(MONDAY))], CALENDAR, interval=interval)
