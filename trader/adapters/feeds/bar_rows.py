"""The rows of one bar file, each with its line, before anything in them is believed."""

import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from trader.domain.errors import DataError

if TYPE_CHECKING:  # polars is slow to import, and most commands read no bars
    import polars as pl

REQUIRED = ("timestamp", "open", "high", "low", "close")
COLUMNS = (*REQUIRED, "volume")

_BOM = b"\xef\xbb\xbf"
_QUOTED = re.compile(rb'"([^"\n]*)"')


class BarRows(NamedTuple):
    """A file's rows. Columns: `line`, those of COLUMNS as the file has them (text or numbers), and `surplus`.

    `line` counts from 1 and includes the header; in a Parquet file it is the row. `surplus` is what a line has beyond
    the header's columns.
    """

    sha256: str
    rows: "pl.DataFrame"


def read_rows(path: Path) -> BarRows:
    """Read a CSV, gzipped CSV or Parquet file. Raises DataError, naming it, for one that cannot be read."""
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; check the path") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); check the file and its permissions") from error
    if not data:
        raise DataError(f"{path} is empty; get it again, or leave it out")
    rows = _parquet_rows(path, data) if path.suffix == ".parquet" else _csv_rows(path, _text(path, data))
    if rows.is_empty():
        raise DataError(f"{path} has a header but no bars; get it again, or leave it out")
    return BarRows(hashlib.sha256(data).hexdigest(), rows)


def _text(path: Path, data: bytes) -> bytes:
    """The bytes of a CSV file, unpacked, every line with a line feed at its end."""
    if path.suffix == ".gz":
        try:
            data = gzip.decompress(data)
        except EOFError as error:
            raise DataError(f"{path} is cut off; get it again") from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{path} is not gzip, or damaged ({error}); get it again, or rename it") from error
    if b"\0" in data:
        raise DataError(f"{path} is not text; write it as CSV in UTF-8")
    data = data.removeprefix(_BOM)
    return data if b"\n" in data else data.replace(b"\r", b"\n")


def _csv_rows(path: Path, text: bytes) -> "pl.DataFrame":
    import polars as pl

    unspaced = text.lstrip()
    if not unspaced:
        raise DataError(f"{path} is empty; get it again, or leave it out")
    header, _, body = unspaced.partition(b"\n")
    first_line = text.count(b"\n", 0, len(text) - len(unspaced)) + 2
    # A quoted field may hold a comma (a name, a thousands separator) but no line end: a line stays a row.
    names = _header(path, _unquoted(header).decode("utf-8", "replace").split(","))
    rows = pl.read_csv(
        (",".join(names) + ",surplus\n").encode() + _unquoted(body),
        columns=[*(name for name in COLUMNS if name in names), "surplus"],
        infer_schema=False,
        quote_char=None,
        encoding="utf8-lossy",
        truncate_ragged_lines=True,
        row_index_name="line",
        row_index_offset=first_line,
    )
    if "volume" not in names:
        rows = rows.with_columns(volume=pl.lit(None, pl.String))
    return _without_blank_lines(rows)


def _unquoted(text: bytes) -> bytes:
    return _QUOTED.sub(lambda quoted: quoted[1].replace(b",", b""), text) if b'"' in text else text


def _without_blank_lines(rows: "pl.DataFrame") -> "pl.DataFrame":
    import polars as pl

    if not any(rows[name].null_count() for name in REQUIRED):
        return rows
    return rows.filter(~pl.all_horizontal(pl.col(COLUMNS).fill_null("").str.strip_chars() == ""))


def _header(path: Path, written: Sequence[str]) -> list[str]:
    """The file's column names, ours as in COLUMNS, the others numbered out of the way."""
    names = [name.strip().lower() for name in written]
    for name in COLUMNS:
        if names.count(name) > 1:
            raise DataError(f"{path} has {names.count(name)} columns {name}; leave one")
        if name not in names and name in REQUIRED:
            raise DataError(
                f"{path} has no column {name}; its columns are {', '.join(written)[:120]!r}, "
                f"needed are {', '.join(REQUIRED)}; volume may be missing"
            )
    return [name if name in COLUMNS else f"other {place}" for place, name in enumerate(names)]


def _parquet_rows(path: Path, data: bytes) -> "pl.DataFrame":
    import polars as pl

    try:
        written = list(pl.read_parquet_schema(io.BytesIO(data)))
        names = _header(path, written)
        ours = {old: new for old, new in zip(written, names, strict=True) if new in COLUMNS}
        rows = pl.read_parquet(io.BytesIO(data), columns=list(ours)).rename(ours)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
        raise DataError(f"{path} is not a Parquet file, or damaged; get it again") from error
    if "volume" not in names:
        rows = rows.with_columns(volume=pl.lit(None, pl.Int64))
    return rows.with_columns(surplus=pl.lit(None, pl.String)).with_row_index("line", 1)
