"""A replay's tape: which bars are on it, of what interval, and in which order they play."""

import gzip
import hashlib
import subprocess
import sys
from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import polars as pl
import pytest

from trader.adapters.calendar import load_calendar
from trader.adapters.feeds import tape as tape_module
from trader.adapters.feeds.files import read_tape
from trader.adapters.feeds.tape import BadBar, FileReport, Tape
from trader.domain.errors import DataError
from trader.domain.market import Bar
from trader.domain.session import NEW_YORK, Calendar

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


def used(tape: Tape) -> dict[str, list[datetime]]:
    """Symbol -> starts of its bars, in the order in which they were played."""
    starts = defaultdict(list)
    for bar_time in tape:
        for bar in bar_time.bars:
            starts[bar.symbol].append(bar.timestamp)
    return dict(starts)


def only_report(tape: Tape) -> FileReport:
    """The report of the only file."""
    [report] = tape.report
    return report


def test_bars_of_one_start_play_together_by_symbol_when_they_end(tmp_path: Path) -> None:
    first, second, third, fourth = session(MONDAY, bars=4)
    write(tmp_path / "TQQQ.csv", [first, third, fourth], 70)
    write(tmp_path / "QQQ.csv", [first, second, third, fourth], 500)
    write(tmp_path / "AAPL.csv", [second, third], 200)
    tape = read_tape([tmp_path], CALENDAR)
    played = list(tape)
    assert [bar_time.ends_at for bar_time in played] == [second, third, fourth, fourth + MINUTE]
    assert [[bar.symbol for bar in bar_time.bars] for bar_time in played] == [
        ["QQQ", "TQQQ"],
        ["AAPL", "QQQ"],
        ["AAPL", "QQQ", "TQQQ"],
        ["QQQ", "TQQQ"],
    ]
    assert played[0].bars[0] == Bar("QQQ", first, 500_000_000, 502_000_000, 499_000_000, 501_000_000, 100)
    assert {bar_time.interval for bar_time in played} == {tape.interval} == {MINUTE}
    assert (tape.symbols, tape.bars) == (("AAPL", "QQQ", "TQQQ"), 9)


def test_bars_are_bars_with_one_aware_utc_time_for_all_of_a_bar_time(tmp_path: Path) -> None:
    for symbol in ("QQQ", "SPY"):
        write(tmp_path / f"{symbol}.csv", session(MONDAY, bars=2))
    for bar_time in read_tape([tmp_path], CALENDAR):
        one, other = bar_time.bars
        assert type(one) is Bar
        assert one.timestamp is other.timestamp
        assert one.timestamp.tzinfo is UTC
        assert bar_time.ends_at.tzinfo is UTC


@pytest.mark.parametrize("ahead", [1, 500, 20_000])
def test_the_order_does_not_depend_on_how_many_bars_are_made_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: int
) -> None:
    monkeypatch.setattr(tape_module, "_BARS_AHEAD", ahead)
    days = [date(2025, 3, 6), date(2025, 3, 7), date(2025, 3, 10), date(2025, 3, 14)]  # the clocks change on March 9
    starts = {
        "AAPL": session(days[0]) + session(days[3])[100:],
        "QQQ": [start for day in days for start in session(day)],
        "SPY": [start for number, start in enumerate(session(days[1])) if number**2 % 7 == 1],
        "TQQQ": session(days[2])[50:60],
    }
    for symbol, own in starts.items():
        write(tmp_path / f"{symbol}.csv", own)
    tape = read_tape([tmp_path], CALENDAR)
    assert used(tape) == starts
    played = list(tape)
    assert [bar_time.ends_at - MINUTE for bar_time in played] == sorted(
        {start for own in starts.values() for start in own}
    )
    assert all(len({bar.timestamp for bar in bar_time.bars}) == 1 for bar_time in played)


def test_a_tape_may_be_played_again_and_by_two_at_once(tmp_path: Path) -> None:
    tape = read_tape([write(tmp_path / "QQQ.csv", session(MONDAY, bars=5))], CALENDAR)
    assert all(one == other for one, other in zip(tape, tape, strict=True))
    assert len(list(tape)) == 5


def test_a_tape_cannot_be_changed(tmp_path: Path) -> None:
    tape = read_tape([write(tmp_path / "QQQ.csv", session(MONDAY, bars=5))], CALENDAR)
    with pytest.raises(AttributeError):
        tape.interval = timedelta(0)  # type: ignore[misc]


def test_every_kind_of_file_gives_the_same_tape(tmp_path: Path) -> None:
    for kind in ("csv", "gz", "parquet"):
        (tmp_path / kind).mkdir()
    plain = write(tmp_path / "csv" / "QQQ.csv", session(MONDAY))
    (tmp_path / "gz" / "QQQ.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    pl.read_csv(plain, try_parse_dates=True).write_parquet(tmp_path / "parquet" / "QQQ.parquet")
    expected = list(read_tape([plain], CALENDAR))
    assert len(expected) == 390
    assert list(read_tape([tmp_path / "gz"], CALENDAR)) == expected
    assert list(read_tape([tmp_path / "parquet"], CALENDAR)) == expected


def test_bars_outside_regular_hours_are_counted_and_left_out(tmp_path: Path) -> None:
    holiday, saturday, half_day = date(2025, 1, 9), date(2025, 1, 11), date(2025, 7, 3)  # a day of mourning
    outside = [
        [at(MONDAY, "04:00"), at(MONDAY, "09:29")],
        [at(MONDAY, "16:00"), at(MONDAY, "19:59")],
        [at(holiday, "09:30"), at(holiday, "12:00"), at(saturday, "12:00")],
        [at(half_day, "13:00"), at(half_day, "13:01"), at(half_day, "15:59")],
    ]
    inside = [at(MONDAY, "09:30"), at(MONDAY, "15:59"), at(half_day, "09:30"), at(half_day, "12:59")]
    path = write(tmp_path / "QQQ.csv", sorted([*inside, *(start for part in outside for start in part)]))
    tape = read_tape([path], CALENDAR, interval=MINUTE)
    report = only_report(tape)
    assert used(tape) == {"QQQ": inside}
    assert (report.rows, report.used, report.outside_session, report.outside_dates) == (14, 4, 10, 0)


def test_the_calendar_given_decides_what_a_session_is(tmp_path: Path) -> None:
    path = write(tmp_path / "QQQ.csv", session(MONDAY, bars=3) + session(MONDAY + timedelta(days=1), bars=3))
    closed = Calendar(first=MONDAY, last=MONDAY + timedelta(days=1), closures=frozenset([MONDAY]), early_closes={})
    tape = read_tape([path], closed)
    assert used(tape) == {"QQQ": session(MONDAY + timedelta(days=1), bars=3)}


@pytest.mark.parametrize(
    ("start", "end", "days"), [(None, None, 5), (7, None, 4), (None, 7, 2), (7, 8, 2), (8, 8, 1), (1, 31, 5)]
)
def test_dates_are_new_yorks_and_inclusive(tmp_path: Path, start: int | None, end: int | None, days: int) -> None:
    week = [date(2025, 7, day) for day in (7, 8, 9, 10, 11)]
    path = write(tmp_path / "QQQ.csv", [begin for day in week for begin in session(day)])
    begin = date(2025, 7, start) if start else None
    until = date(2025, 7, end) if end else None
    tape = read_tape([path], CALENDAR, start=begin, end=until)
    chosen = [day for day in week if (begin or day) <= day <= (until or day)]
    assert used(tape) == {"QQQ": [begin for day in chosen for begin in session(day)]}
    assert only_report(tape).outside_dates == 390 * (5 - len(chosen))


def test_dates_the_wrong_way_round_are_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "QQQ.csv", session(MONDAY))
    with pytest.raises(DataError, match="--from 2025-01-07 is after --to 2025-01-06"):
        read_tape([path], CALENDAR, start=date(2025, 1, 7), end=date(2025, 1, 6))


FAULTY = f"""{HEADER}
2025-01-06T14:30:00Z,10,12,9,11,100
2025-01-06T14:31:00Z,NaN,12,9,11,100

2025-01-06T14:32:00Z,10,12,9,11,100
2025-01-06T14:32:00Z,10,12,9,11,100
2025-01-06T14:33:00Z,10,8,9,11,100
2025-01-06T14:34:00Z,10,12,9,11,100
garbage
2025-01-06T14:29:59Z,10,12,9,11,100
2025-01-06T14:35:00Z,inf,12,9,11,100
2025-01-06T14:36:00Z,10,12,9,11,100
2025-01-06T21:00:00Z,10,12,9,11,100
"""


def expected_bad_bars(path: Path) -> tuple[BadBar, ...]:
    """What is wrong with FAULTY, counted by hand."""
    return (
        BadBar(str(path), 3, "open not a number"),
        BadBar(str(path), 6, "duplicate timestamp"),
        BadBar(str(path), 7, "high below low"),
        BadBar(str(path), 9, "timestamp not ISO 8601"),
        BadBar(str(path), 10, "timestamp goes back in time"),
        BadBar(str(path), 11, "open not a number"),
    )


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_faults_are_reported_with_their_lines_and_the_good_bars_are_used(tmp_path: Path, end: str, mark: str) -> None:
    path = tmp_path / "QQQ.csv"
    path.write_bytes((mark + FAULTY.replace("\n", end)).encode())
    tape = read_tape([path], CALENDAR)
    assert only_report(tape) == FileReport(
        file=str(path),
        symbol="QQQ",
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        rows=11,
        used=4,
        outside_session=1,
        outside_dates=0,
        refused={
            "open not a number": 2,
            "duplicate timestamp": 1,
            "high below low": 1,
            "timestamp goes back in time": 1,
            "timestamp not ISO 8601": 1,
        },
        bad_bars=expected_bad_bars(path),
    )
    assert next(iter(only_report(tape).refused)) == "open not a number"
    assert used(tape) == {"QQQ": [at(MONDAY, clock) for clock in ("09:30", "09:32", "09:34", "09:36")]}


def test_faults_in_a_gzipped_file_have_the_lines_of_its_text(tmp_path: Path) -> None:
    path = tmp_path / "QQQ.csv.gz"
    path.write_bytes(gzip.compress(FAULTY.encode()))
    assert only_report(read_tape([path], CALENDAR)).bad_bars == expected_bad_bars(path)


def test_faults_in_a_parquet_file_have_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "QQQ.parquet"
    prices = {"open": [10.0, 10, float("nan"), 10], "high": [12.0] * 4, "low": [9.0] * 4, "close": [11.0, 13, 11, 11]}
    pl.DataFrame({"timestamp": session(MONDAY, bars=4), **prices}).write_parquet(path)
    assert only_report(read_tape([path], CALENDAR)).bad_bars == (
        BadBar(str(path), 2, "close outside low..high"),
        BadBar(str(path), 3, "open not a number"),
    )


def test_a_file_in_which_nothing_is_good_leaves_the_others_alone(tmp_path: Path) -> None:
    write(tmp_path / "QQQ.csv", session(MONDAY, bars=3))
    write(tmp_path / "SPY.csv", session(MONDAY, bars=3), price=-5)
    tape = read_tape([tmp_path], CALENDAR)
    assert [(report.symbol, report.used) for report in tape.report] == [("QQQ", 3), ("SPY", 0)]
    assert used(tape).keys() == {"QQQ"}


def test_a_file_that_cannot_be_read_stops_all_before_anything_is_played(tmp_path: Path) -> None:
    write(tmp_path / "QQQ.csv", session(MONDAY))
    (tmp_path / "SPY.csv").write_text("timestamp,close\n2025-01-06T14:30:00Z,10\n")
    with pytest.raises(DataError, match=r"SPY\.csv has no column open"):
        read_tape([tmp_path], CALENDAR)
    assert read_tape([tmp_path], CALENDAR, symbols=["QQQ"]).symbols == ("QQQ",)


def test_a_replay_of_nothing_is_an_error_that_says_where_the_bars_went(tmp_path: Path) -> None:
    evening = [at(MONDAY, "18:00") + MINUTE * number for number in range(5)]
    with pytest.raises(DataError, match=r"of 5 rows of .*QQQ\.csv, 5 are outside regular hours; check its times"):
        read_tape([write(tmp_path / "QQQ.csv", evening)], CALENDAR)
    with pytest.raises(DataError, match=r"0 are outside regular hours, 390 not from 2025-01-07 to the last"):
        read_tape([write(tmp_path / "QQQ.csv", session(MONDAY))], CALENDAR, start=date(2025, 1, 7))
    with pytest.raises(DataError, match=r"390 are refused \(line 2: price not positive\)"):
        read_tape([write(tmp_path / "QQQ.csv", session(MONDAY), price=-5)], CALENDAR, interval=MINUTE)


def test_names_that_are_not_symbols_are_told(tmp_path: Path) -> None:
    write(tmp_path / "QQQ.csv", session(MONDAY))
    write(tmp_path / "spy.csv", session(MONDAY))
    assert read_tape([tmp_path], CALENDAR).ignored == (tmp_path / "spy.csv",)


def test_importing_the_reader_does_not_import_polars() -> None:
    code = "import sys, trader.adapters.feeds.files; sys.exit('polars' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
