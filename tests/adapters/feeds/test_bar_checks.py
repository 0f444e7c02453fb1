"""Which rows are bars, what they become, and with which fault the others are refused."""

import math
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trader.adapters.feeds.bar_checks import BAD_BARS_KEPT, CheckedRows, check_rows
from trader.adapters.feeds.bar_rows import COLUMNS
from trader.domain.errors import DataError
from trader.domain.market import Bar, bar_fault
from trader.domain.money import micros

FIRST, LAST = date(2000, 1, 1), date(2040, 12, 31)
PATH = Path("QQQ.csv")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
AT = "2025-01-06T14:30:00Z"
AT_US = (datetime(2025, 1, 6, 14, 30, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)


def check(*rows: tuple[object, ...]) -> CheckedRows:
    """Check rows of timestamp, open, high, low, close, volume; the first is line 2."""
    frame = pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.String), orient="row")
    return check_frame(frame)


def check_frame(frame: pl.DataFrame) -> CheckedRows:
    """Check a frame of COLUMNS, whatever their types."""
    frame = frame.with_columns(surplus=pl.lit(None, pl.String)).with_row_index("line", 2)
    return check_rows(frame, PATH, FIRST, LAST)


def faults(checked: CheckedRows) -> list[tuple[int, str]]:
    """Line and fault of what was refused."""
    return [(bad.line, bad.fault) for bad in checked.bad_bars]


def test_a_good_row_becomes_time_and_micros() -> None:
    checked = check((AT, "10.01", "12", "9.000001", "1.1e1", "100"))
    assert checked.bars.rows() == [(AT_US, 10_010_000, 12_000_000, 9_000_001, 11_000_000, 100)]
    assert checked.bars.columns == ["at", "open", "high", "low", "close", "volume"]
    assert (checked.refused, checked.bad_bars) == ({}, ())


@pytest.mark.parametrize(
    "written",
    [
        "2025-01-06T14:30:00Z",
        "2025-01-06T14:30:00+00:00",
        "2025-01-06 14:30:00+00:00",
        "2025-01-06T14:30:00+0000",
        "2025-01-06T09:30:00-05:00",
        "2025-01-06T20:00:00+05:30",
        "2025-01-06T14:30:00",
        "2025-01-06 14:30:00",
        "2025-01-06 14:30",
        "2025-01-06T14:30Z",
        "2025-01-06T14:30:00.000Z",
        "2025-01-06T14:30:00.000000+00:00",
        "20250106T143000Z",
        " 2025-01-06T14:30:00Z ",
        " 2025-01-06T14:30:00+00:00\t",
    ],
)
def test_a_timestamp_is_read_in_every_iso_form_and_without_a_zone_is_utc(written: str) -> None:
    assert check((written, "10", "12", "9", "11", "100")).bars["at"].to_list() == [AT_US]


def test_forms_of_timestamps_may_change_within_a_file() -> None:
    texts = ["2025-01-06T14:30:00Z", "2025-01-06 14:31:00+00:00", "2025-01-06T14:32:00Z", "2025-01-06 09:33:00-05:00"]
    checked = check(*((text, "10", "12", "9", "11", "100") for text in texts))
    assert checked.bars["at"].to_list() == [AT_US + minute * 60_000_000 for minute in range(4)]


@pytest.mark.parametrize(
    "written",
    [
        "",
        None,
        "yesterday",
        "NaN",
        "1736173800",
        "06/01/2025 14:30",
        "2025-02-30T14:30:00Z",
        "2025-01-06T25:00:00Z",
        "2025-01-06T14:30:00 EST",
        "2025-01-06T14:30:00Zx",
        "2025-01-06T14:30:00Z[UTC]",
        "99999-01-06T14:30:00Z",
    ],
)
def test_a_timestamp_that_cannot_be_read_is_refused(written: str | None) -> None:
    assert faults(check((written, "10", "12", "9", "11", "100"))) == [(2, "timestamp not ISO 8601")]


@pytest.mark.parametrize(
    "written",
    ["1999-12-31T23:59:59Z", "2041-01-01T00:00:00Z", "-001-01-06T14:30:00Z", "9999-12-31T23:59:59Z", "0001-01-01"],
)
def test_a_timestamp_that_the_calendar_does_not_know_is_refused(written: str) -> None:
    assert faults(check((written, "10", "12", "9", "11", "100"))) == [(2, "timestamp outside the calendar")]


@pytest.mark.parametrize("written", ["2000-01-01T00:00:00Z", "2040-12-31T23:59:59Z"])
def test_the_calendars_first_and_last_dates_are_known(written: str) -> None:
    assert check((written, "10", "12", "9", "11", "100")).bad_bars == ()


@pytest.mark.parametrize(
    "price", ["0.0000025", "0.0000035", "0.0000026", "257.035004", "516.249999", "99999999.999999"]
)
def test_prices_are_rounded_to_micros_as_money_is(price: str) -> None:
    assert check((AT, price, price, price, price, "1")).bars["open"].to_list() == [micros(price)]


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (("nan", "12", "9", "11", "100"), "open not a number"),
        (("10", "NaN", "9", "11", "100"), "high not a number"),
        (("10", "12", "inf", "11", "100"), "low not a number"),
        (("10", "12", "9", "-Infinity", "100"), "close not a number"),
        (("10", "12", "9", "1e400", "100"), "close not a number"),
        (("", "12", "9", "11", "100"), "open not a number"),
        ((None, "12", "9", "11", "100"), "open not a number"),
        (("ten", "12", "9", "11", "100"), "open not a number"),
        (("1_0", "12", "9", "11", "100"), "open not a number"),
        (("$10", "12", "9", "11", "100"), "open not a number"),
        (("10", "1e308", "9", "11", "100"), "price too large"),
        (("10", "1000000000.01", "9", "11", "100"), "price too large"),
        (("10", "12", "0", "11", "100"), "price not positive"),
        (("10", "12", "-9", "11", "100"), "price not positive"),
        (("10", "12", "-1e308", "11", "100"), "price not positive"),
        (("0.0000001", "12", "9", "11", "100"), "price not positive"),
        (("10", "9", "12", "11", "100"), "high below low"),
        (("11", "10.999999", "11", "11", "100"), "high below low"),
        (("13", "12", "9", "11", "100"), "open outside low..high"),
        (("8", "12", "9", "11", "100"), "open outside low..high"),
        (("12.000001", "12", "9", "11", "100"), "open outside low..high"),
        (("8.999999", "12", "9", "11", "100"), "open outside low..high"),
        (("10", "12", "9", "12.000001", "100"), "close outside low..high"),
        (("10", "12", "9", "8.999999", "100"), "close outside low..high"),
        (("10", "12", "9", "11", "-1"), "negative volume"),
        (("10", "12", "9", "11", "-1e300"), "negative volume"),
        (("10", "12", "9", "11", "1.5"), "volume not a whole number"),
        (("10", "12", "9", "11", "many"), "volume not a number"),
        (("10", "12", "9", "11", "nan"), "volume not a number"),
        (("10", "12", "9", "11", "inf"), "volume not a number"),
        (("10", "12", "9", "11", "1e308"), "volume too large"),
    ],
)
def test_a_bar_that_cannot_be_is_refused_by_name(row: tuple[str | None, ...], fault: str) -> None:
    good = ("2025-01-06T14:31:00Z", "10", "12", "9", "11", "100")
    checked = check((AT, *row), good)
    assert faults(checked) == [(2, fault)]
    assert checked.refused == {fault: 1}
    assert checked.bars["at"].to_list() == [AT_US + 60_000_000]


@pytest.mark.parametrize(("written", "volume"), [("", 0), (None, 0), ("5.0", 5), ("1e3", 1000), (" 7 ", 7), ("0", 0)])
def test_a_volume_may_be_missing_or_a_whole_float(written: str | None, volume: int) -> None:
    assert check((AT, "10", "12", "9", "11", written)).bars["volume"].to_list() == [volume]


def test_spaces_around_a_price_do_not_matter() -> None:
    assert check((AT, " 10", "12 ", "\t9", " 11 ", "100")).bars["open"].to_list() == [10_000_000]


def timed(*minutes: int) -> list[tuple[str, ...]]:
    """Good rows that start at these minutes after 14:00."""
    return [(f"2025-01-06T14:{minute:02}:00Z", "10", "12", "9", "11", "100") for minute in minutes]


def test_time_only_goes_forward() -> None:
    checked = check(*timed(30, 31, 31, 29, 31, 32, 30, 33))
    assert faults(checked) == [
        (4, "duplicate timestamp"),
        (5, "timestamp goes back in time"),
        (6, "duplicate timestamp"),
        (8, "timestamp goes back in time"),
    ]
    assert checked.refused == {"duplicate timestamp": 2, "timestamp goes back in time": 2}
    assert checked.bars.height == 4


def test_a_refused_row_says_nothing_about_the_order_of_the_others() -> None:
    rows = timed(30, 31, 31, 59, 32)
    rows[1] = (*rows[1][:1], "nan", *rows[1][2:])
    rows[3] = (*rows[3][:1], "-1", *rows[3][2:])
    checked = check(*rows)
    assert faults(checked) == [(3, "open not a number"), (5, "price not positive")]
    assert checked.bars["at"].to_list() == [AT_US, AT_US + 60_000_000, AT_US + 120_000_000]


def test_only_the_first_thousand_bad_bars_are_kept_and_all_are_counted() -> None:
    rows = [(AT, "nan", "12", "9", "11", "100")] * (BAD_BARS_KEPT + 500)
    checked = check(*rows, *timed(31, 31))
    assert checked.refused == {"open not a number": 1_500, "duplicate timestamp": 1}
    assert len(checked.bad_bars) == BAD_BARS_KEPT
    assert checked.bad_bars[-1] == ("QQQ.csv", BAD_BARS_KEPT + 1, "open not a number")


def test_the_usual_gap_is_that_of_most_bars_and_the_smallest_any() -> None:
    minute = timedelta(minutes=1)
    assert check(*timed(30))[3:] == (None, None)
    assert check(*timed(30, 35))[3:] == (5 * minute, None)
    assert check(*timed(*range(0, 50, 2)))[3:] == (2 * minute, 2 * minute)
    assert check(*timed(*range(0, 50, 2), 51))[3:] == (2 * minute, 2 * minute)
    assert check(*timed(*range(0, 50, 2), 59), timed(1)[0])[3:] == (2 * minute, 2 * minute)
    assert check(*timed(*range(0, 20, 2), *range(20, 35)))[3:] == (minute, minute)
    assert check(*timed(*range(0, 32, 2), *range(32, 40), *range(40, 60, 3)))[3:] == (minute, 2 * minute)


AWARE = datetime(2025, 1, 6, 14, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "dtype",
    [pl.Datetime("ms"), pl.Datetime("us"), pl.Datetime("ns"), pl.Datetime("us", "UTC")],
)
def test_typed_timestamps_are_utc_whatever_their_unit(dtype: pl.DataType) -> None:
    frame = pl.DataFrame({"timestamp": [AWARE.replace(tzinfo=None)]}).with_columns(pl.col("timestamp").cast(dtype))
    assert typed(frame["timestamp"]).bars["at"].to_list() == [AT_US]


def test_a_typed_timestamp_with_a_zone_is_converted() -> None:
    column = pl.Series("timestamp", [AWARE]).dt.convert_time_zone("America/New_York")
    assert typed(column).bars["at"].to_list() == [AT_US]


def typed(timestamp: pl.Series, **other: object) -> CheckedRows:
    """Check one row as a Parquet file would give it."""
    prices: dict[str, object] = {"open": 10.0, "high": 12.0, "low": 9.0, "close": 11.0, "volume": 100.0, **other}
    return check_frame(pl.DataFrame({"timestamp": timestamp, **{name: [value] for name, value in prices.items()}}))


def test_typed_numbers_are_prices_whatever_their_type() -> None:
    prices = pl.DataFrame({"open": [210.65], "high": [211], "low": [209], "close": [210.7], "volume": [None]})
    frame = prices.with_columns(
        pl.col("open").cast(pl.Float32), pl.col("close").cast(pl.Decimal(10, 2)), timestamp=AWARE
    )
    assert check_frame(frame.select(COLUMNS)).bars.rows() == [
        (AT_US, 210_650_000, 211_000_000, 209_000_000, 210_700_000, 0)
    ]


def test_typed_nan_is_refused_like_a_written_one() -> None:
    at = pl.Series("timestamp", [AWARE])
    assert faults(typed(at, close=math.nan)) == [(2, "close not a number")]
    assert faults(typed(at, volume=math.nan)) == [(2, "volume not a number")]
    assert faults(typed(at, volume=2.5)) == [(2, "volume not a whole number")]


def test_a_column_of_another_type_is_an_error_that_says_which() -> None:
    with pytest.raises(DataError, match=r"QQQ\.csv: its column timestamp holds Int64; write it as a timestamp in UTC"):
        typed(pl.Series("timestamp", [1_736_173_800]))
    with pytest.raises(DataError, match=r"QQQ\.csv: its column open holds Boolean; write it as numbers"):
        typed(pl.Series("timestamp", [AWARE]), open=True)


PRICE = st.one_of(
    st.sampled_from(["10", "11.5", "9.999999", "12", "0", "-3", "nan", "inf", "1e308", "-1e308", "", "x"]),
    st.floats(0.01, 1000).map(lambda price: f"{price:.4f}"),
)
VOLUME = st.sampled_from(["100", "0", "-5", "", "7.0", "7.5", "nan", "-1e308", "x"])
ROW = st.tuples(
    st.integers(0, 59).map(lambda minute: f"2025-01-06T14:{minute:02}:00Z"), PRICE, PRICE, PRICE, PRICE, VOLUME
)


@given(rows=st.lists(ROW, min_size=1, max_size=30))
def test_whole_columns_are_judged_as_one_bar_at_a_time_would_be(rows: list[tuple[str, ...]]) -> None:
    used, refused = one_at_a_time(rows)
    checked = check(*rows)
    assert checked.bars.rows() == used
    assert faults(checked) == refused
    assert checked.refused == Counter(fault for _, fault in refused)


def one_at_a_time(rows: list[tuple[str, ...]]) -> tuple[list[tuple[int, ...]], list[tuple[int, str]]]:
    """The rules in plain words, with the domain's own rounding and faults."""
    used: list[tuple[int, ...]] = []
    refused: list[tuple[int, str]] = []
    for line, (written, *prices, volume) in enumerate(rows, 2):
        at = (datetime.fromisoformat(written) - EPOCH) // timedelta(microseconds=1)
        fault = text_fault(prices, volume)
        if fault is None:
            opened, high, low, close = map(float, prices)
            bar = Bar.in_dollars("QQQ", EPOCH, opened, high, low, close, int(float(volume or 0)))
            fault = bar_fault(bar)
        if fault is None and used and at <= used[-1][0]:
            fault = "duplicate timestamp" if at == used[-1][0] else "timestamp goes back in time"
        if fault is None:
            used.append((at, *bar[2:]))
        else:
            refused.append((line, fault))
    return used, refused


def text_fault(prices: list[str], volume: str) -> str | None:
    """What is wrong with the text, before there is a bar."""
    for name, price in zip(("open", "high", "low", "close"), prices, strict=True):
        if not is_finite(price):
            return f"{name} not a number"
    if any(float(price) > 1e9 for price in prices):
        return "price too large"
    if not is_finite(volume or "0"):
        return "volume not a number"
    return None if float(volume or 0).is_integer() else "volume not a whole number"


def is_finite(text: str) -> bool:
    """Whether a text is a number one can reckon with."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
