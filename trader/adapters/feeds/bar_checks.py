"""Rows -> bars: text becomes time and micros, and every row that cannot be a bar is refused with its fault.

Everything is done on whole columns. The words about prices are those of `trader.domain.market.bar_fault`.
"""

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from trader.adapters.feeds.session_hours import DAY_US, EPOCH, MICROSECOND, day_us
from trader.adapters.feeds.tape import PRICES, BadBar
from trader.domain.errors import DataError
from trader.domain.market import PRICE_CAP_MICROS, VOLUME_CAP
from trader.domain.money import MICROS_PER_DOLLAR

if TYPE_CHECKING:  # polars is slow to import, and most commands read no bars
    import polars as pl

BAD_BARS_KEPT = 1_000

_PRICE_CAP_USD = PRICE_CAP_MICROS / MICROS_PER_DOLLAR
_GAPS_THAT_TELL = 20


class CheckedRows(NamedTuple):
    """The good bars of a file, what was refused, and how far apart the good ones start (see Reel)."""

    bars: "pl.DataFrame"
    refused: Mapping[str, int]
    bad_bars: tuple[BadBar, ...]
    smallest_gap: timedelta | None
    usual_gap: timedelta | None


def check_rows(rows: "pl.DataFrame", path: Path, first: date, last: date) -> CheckedRows:
    """Check the rows of a file (see BarRows); `first` and `last` are the dates that the calendar knows.

    Raises DataError where a column's type can hold no times or no numbers.
    """
    import polars as pl

    rows = rows.with_columns(_instants(path, rows["timestamp"]), *_numbers(path, rows))
    rows = rows.with_columns(_row_fault(day_us(first), day_us(last) + DAY_US), *_whole_numbers())
    rows = rows.with_columns(pl.coalesce("fault", _price_fault()))
    rows = rows.with_columns(pl.coalesce("fault", _order_fault()))
    bad = rows.filter(pl.col("fault").is_not_null()).select("line", "fault")
    bars = (rows if bad.is_empty() else rows.filter(pl.col("fault").is_null())).select("at", *PRICES, "volume")
    counted = bad["fault"].value_counts().sort("count", "fault", descending=[True, False])
    kept = bad.head(BAD_BARS_KEPT)
    return CheckedRows(
        bars,
        dict(counted.rows()),
        tuple(BadBar(str(path), line, fault) for line, fault in kept.rows()),
        *_gaps(bars["at"]),
    )


def _instants(path: Path, column: "pl.Series") -> "pl.Series":
    """Microseconds since 1970, UTC; null where the timestamp cannot be read."""
    import polars as pl

    if column.dtype == pl.Date:
        column = column.cast(pl.Datetime("us"))
    if isinstance(column.dtype, pl.Datetime):
        return column.dt.timestamp("us").alias("at")
    if column.dtype != pl.String:
        raise DataError(f"{path}: its column timestamp holds {column.dtype}; write it as a timestamp in UTC")
    instants = column.str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", strict=False).dt.timestamp("us")
    if instants.null_count():  # written in another of the ISO forms
        others = pl.Series([_instant(text) for text in column.filter(instants.is_null())], dtype=pl.Int64)
        instants = instants.scatter(instants.is_null().arg_true(), others)
    return instants.alias("at")


def _instant(text: str | None) -> int | None:
    try:
        at = datetime.fromisoformat((text or "").strip())
        return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - EPOCH) // MICROSECOND
    except ValueError:
        return None


def _numbers(path: Path, rows: "pl.DataFrame") -> Iterator["pl.Expr"]:
    """Floats for text; null where it is none. A volume that is left out is 0."""
    import polars as pl

    for name in PRICES:
        yield _written(path, rows, name).cast(pl.Float64, strict=False)
    volume = _written(path, rows, "volume")
    missing = volume.cast(pl.String).fill_null("") == ""
    yield pl.when(missing).then(0.0).otherwise(volume.cast(pl.Float64, strict=False)).alias("volume")


def _written(path: Path, rows: "pl.DataFrame", name: str) -> "pl.Expr":
    import polars as pl

    column, dtype = pl.col(name), rows.schema[name]
    if dtype == pl.String:
        return column.str.strip_chars()
    if dtype == pl.Float32:
        return column.cast(pl.String)  # as short as it was written; widened it would be off by some micros
    if not dtype.is_numeric() and dtype != pl.Null:
        raise DataError(f"{path}: its column {name} holds {dtype}; write it as numbers")
    return column


def _row_fault(first_us: int, end_us: int) -> "pl.Expr":
    """Faults of what is written, before prices are rounded to micros."""
    import polars as pl

    at, volume = pl.col("at"), pl.col("volume")
    fault = (
        pl.when(at.is_null())
        .then(pl.lit("timestamp not ISO 8601"))
        .when((at < first_us) | (at >= end_us))
        .then(pl.lit("timestamp outside the calendar"))
        .when(pl.col("surplus").is_not_null())
        .then(pl.lit("more fields than columns"))
    )
    for price in PRICES:
        fault = fault.when(_not_finite(price)).then(pl.lit(f"{price} not a number"))
    return (
        fault.when(pl.max_horizontal(PRICES) > _PRICE_CAP_USD)
        .then(pl.lit("price too large"))
        .when(_not_finite("volume"))
        .then(pl.lit("volume not a number"))
        .when(volume != volume.floor())
        .then(pl.lit("volume not a whole number"))
        .when(volume > VOLUME_CAP)
        .then(pl.lit("volume too large"))
        .alias("fault")
    )


def _not_finite(name: str) -> "pl.Expr":
    import polars as pl

    return pl.col(name).is_null() | ~pl.col(name).is_finite()


def _whole_numbers() -> Iterator["pl.Expr"]:
    """Prices in micros, half-even, and volume; what is far below zero is brought near, and stays refused."""
    import polars as pl

    for name in PRICES:
        micros = pl.col(name).clip(-1, _PRICE_CAP_USD) * MICROS_PER_DOLLAR
        yield micros.round(mode="half_to_even").cast(pl.Int64, strict=False)
    yield pl.col("volume").clip(-1, VOLUME_CAP).cast(pl.Int64, strict=False)


def _price_fault() -> "pl.Expr":
    """Faults of the prices themselves, in the order and the words of the domain's `bar_fault`."""
    import polars as pl

    opens, high, low, close = (pl.col(name) for name in PRICES)
    return (
        pl.when(pl.min_horizontal(PRICES) <= 0)
        .then(pl.lit("price not positive"))
        .when(high < low)
        .then(pl.lit("high below low"))
        .when((opens < low) | (opens > high))
        .then(pl.lit("open outside low..high"))
        .when((close < low) | (close > high))
        .then(pl.lit("close outside low..high"))
        .when(pl.col("volume") < 0)
        .then(pl.lit("negative volume"))
    )


def _order_fault() -> "pl.Expr":
    """A bar must start after every bar above it. A row already refused does not count: its time may be wrong too."""
    import polars as pl

    at = pl.col("at")
    newest = pl.when(pl.col("fault").is_null()).then(at).cum_max().forward_fill().shift(1)
    return (
        pl.when(at == newest)
        .then(pl.lit("duplicate timestamp"))
        .when(at < newest)
        .then(pl.lit("timestamp goes back in time"))
    )


def _gaps(at: "pl.Series") -> tuple[timedelta | None, timedelta | None]:
    """The smallest time between two bars, and the time between most of them, if one is."""
    if len(at) < 2:
        return None, None
    gaps = at.diff(null_behavior="drop").sort()
    smallest: int = gaps[0]
    usual = _most(gaps) if len(gaps) >= _GAPS_THAT_TELL else None
    return smallest * MICROSECOND, usual * MICROSECOND if usual is not None else None


def _most(gaps: "pl.Series") -> int | None:
    """What more than half of sorted gaps are: that is in their middle, too."""
    middle: int = gaps[len(gaps) // 2]
    return middle if int((gaps == middle).sum()) * 2 > len(gaps) else None


def session_gap(at: "pl.Series") -> tuple[timedelta | None, timedelta | None]:
    """How far apart bars of one session start, if most are as near to each other as any; and the grid they all lie on.

    `at` are starts in sessions, microseconds since 1970. Two bars of a session are enough: a file that is short must
    not pass for one of shorter bars than it has. None for both where no session has two.
    """
    same_day = (at // DAY_US).diff(null_behavior="drop") == 0
    gaps = at.diff(null_behavior="drop").filter(same_day).sort()
    if gaps.is_empty():
        return None, None
    usual = _most(gaps)
    grid = math.gcd(*gaps.unique().to_list())
    return usual * MICROSECOND if usual == gaps[0] and usual is not None else None, grid * MICROSECOND
