"""Reading one bar file: columns, lines, and every way in which a file cannot be read."""

import gzip
import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trader.adapters.feeds.bar_rows import COLUMNS, read_rows
from trader.domain.errors import DataError

HEADER = "timestamp,open,high,low,close,volume"
LINE = "2025-01-06T14:30:00Z,10,12,9,11,100"
VALUES = ("2025-01-06T14:30:00Z", "10", "12", "9", "11", "100")


def write(folder: Path, data: bytes | str, name: str = "QQQ.csv") -> Path:
    """Write a file as it is, without any translation of line ends."""
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def lines(path: Path) -> list[int]:
    """The line numbers of the rows read."""
    return read_rows(path).rows["line"].to_list()


def values(path: Path) -> list[tuple[object, ...]]:
    """The rows, in the order of COLUMNS."""
    return read_rows(path).rows.select(COLUMNS).rows()


@pytest.mark.parametrize(
    "text",
    [
        f"{HEADER}\n{LINE}\n",
        f"{HEADER}\n{LINE}",
        f"{HEADER}\r\n{LINE}\r\n",
        f"{HEADER}\r{LINE}\r",
        f"\ufeff{HEADER}\n{LINE}\n",
        f"\n\n  \n{HEADER}\n{LINE}\n",
        f"Timestamp,OPEN,High,low,Close, Volume \n{LINE}\n",
        "close,volume,timestamp,low,high,open\n11,100,2025-01-06T14:30:00Z,9,12,10\n",
        f"id,{HEADER},vwap\n7,{LINE},10.5\n",
        f"{HEADER},\n{LINE},\n",
        f'"timestamp","open","high","low","close","volume"\n"{VALUES[0]}","10","12","9","11","100"\n',
        f'name,{HEADER}\n"Invesco QQQ, Series 1",{LINE}\n',
    ],
)
def test_one_bar_is_read_however_the_file_is_written(tmp_path: Path, text: str) -> None:
    assert values(write(tmp_path, text)) == [VALUES]


def test_gzip_and_plain_text_read_alike(tmp_path: Path) -> None:
    text = f"{HEADER}\n{LINE}\n\n{LINE}\n".encode()
    plain, packed = write(tmp_path, text), write(tmp_path, gzip.compress(text), "QQQ.csv.gz")
    assert read_rows(packed).rows.equals(read_rows(plain).rows)


def test_a_file_without_volume_is_read(tmp_path: Path) -> None:
    assert values(write(tmp_path, f"{HEADER.removesuffix(',volume')}\n{LINE.removesuffix(',100')}\n")) == [
        (*VALUES[:5], None)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{HEADER}\n{LINE}\n{LINE}\n", [2, 3]),
        (f"{HEADER}\n\n{LINE}\n\n \t\n{LINE}\n\n", [3, 6]),
        (f"{HEADER}\r\n\r\n{LINE}\r\n{LINE}\r\n", [3, 4]),
        (f"\ufeff{HEADER}\r\n{LINE}\r\n\r\n{LINE}", [2, 4]),
        (f"\n\n{HEADER}\n{LINE}\n", [4]),
        (f"{HEADER}\n,,,,,\n{LINE}\n , ,,\n{LINE}", [3, 5]),
        (f'{HEADER}\n"{LINE}\n{LINE}\n{LINE}"\n{LINE}\n', [2, 3, 4, 5]),
        (f"{HEADER}\r{LINE}\r\r{LINE}\r", [2, 4]),
        (f"{HEADER}\n{LINE},surplus\n\n1\n{LINE}\n", [2, 4, 5]),
    ],
)
def test_a_row_keeps_the_number_of_its_line(tmp_path: Path, text: str, expected: list[int]) -> None:
    assert lines(write(tmp_path, text)) == expected


def test_bytes_that_are_not_utf8_spoil_their_own_line_only(tmp_path: Path) -> None:
    path = write(tmp_path, f"{HEADER}\n{LINE}\n".encode() + b"\xff\xfe\x9c\n" + LINE.encode())
    assert lines(path) == [2, 3, 4]
    assert values(path)[::2] == [VALUES, VALUES]


def test_the_hash_is_that_of_the_files_bytes(tmp_path: Path) -> None:
    data = gzip.compress(f"{HEADER}\n{LINE}\n".encode())
    assert read_rows(write(tmp_path, data, "QQQ.csv.gz")).sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("column", ["timestamp", "open", "high", "low", "close"])
@pytest.mark.parametrize("name", ["QQQ.csv", "QQQ.parquet"])
def test_a_file_without_a_column_is_refused_by_name(tmp_path: Path, column: str, name: str) -> None:
    path = tmp_path / name
    frame = pl.DataFrame({name: [1] for name in COLUMNS if name != column})
    frame.write_parquet(path) if name.endswith("parquet") else frame.write_csv(path)
    with pytest.raises(DataError, match=f"has no column {column}; its columns are .*needed are timestamp, open"):
        read_rows(path)


def test_a_column_written_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has 2 columns close; leave one"):
        read_rows(write(tmp_path, f"{HEADER},Close\n{LINE},12\n"))


_PACKED = gzip.compress(f"{HEADER}\n{LINE}\n".encode() * 100, mtime=0)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("QQQ.csv", b"", "is empty; get it again"),
        ("QQQ.csv", b"\n \r\n\n", "is empty; get it again"),
        ("QQQ.csv", b"\xef\xbb\xbf", "is empty; get it again"),
        ("QQQ.csv", HEADER.encode(), "has a header but no bars"),
        ("QQQ.csv", f"{HEADER}\n\n\n".encode(), "has a header but no bars"),
        ("QQQ.csv", b"<html><body>Too many requests</body></html>", "has no column timestamp"),
        ("QQQ.csv", LINE.encode(), "has no column timestamp"),
        ("QQQ.csv", HEADER.replace(",", ";").encode(), "has no column timestamp"),
        ("QQQ.csv", f"{HEADER}\n{LINE}\n".encode("utf-16"), "is not text; write it as CSV in UTF-8"),
        ("QQQ.csv", _PACKED, "is not text; write it as CSV in UTF-8"),
        ("QQQ.csv", bytes(range(256)), "is not text; write it as CSV in UTF-8"),
        ("QQQ.csv.gz", b"", "is empty; get it again"),
        ("QQQ.csv.gz", gzip.compress(b"", mtime=0), "is empty; get it again"),
        ("QQQ.csv.gz", f"{HEADER}\n{LINE}\n".encode(), "is not gzip, or damaged"),
        ("QQQ.csv.gz", _PACKED[:-9], "is cut off; get it again"),
        ("QQQ.csv.gz", _PACKED[:12], "is cut off; get it again"),
        ("QQQ.csv.gz", _PACKED[:20] + bytes(4) + _PACKED[24:], "is not gzip, or damaged"),
        ("QQQ.csv.gz", _PACKED[:-8] + bytes(8), "is not gzip, or damaged"),
        ("QQQ.csv.gz", gzip.compress(bytes(100), mtime=0), "is not text; write it as CSV in UTF-8"),
        ("QQQ.parquet", b"", "is empty; get it again"),
        ("QQQ.parquet", f"{HEADER}\n{LINE}\n".encode(), "is not a Parquet file, or damaged"),
        ("QQQ.parquet", b"PAR1" + bytes(64) + b"PAR1", "is not a Parquet file, or damaged"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_by_name(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    path = write(tmp_path, data, name)
    with pytest.raises(DataError, match=message) as refused:
        read_rows(path)
    assert str(refused.value).startswith(str(path))


def test_a_parquet_file_that_is_cut_off_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "QQQ.parquet"
    pl.DataFrame({name: [1.0] * 500 for name in COLUMNS}).write_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="is not a Parquet file, or damaged; get it again"):
        read_rows(path)


def test_an_empty_parquet_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "QQQ.parquet"
    pl.DataFrame(schema=dict.fromkeys(COLUMNS, pl.Float64)).write_parquet(path)
    with pytest.raises(DataError, match="has a header but no bars"):
        read_rows(path)


def test_a_parquet_file_gives_its_columns_in_any_order_and_numbers_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "QQQ.parquet"
    at = datetime(2025, 1, 6, 14, 30, tzinfo=UTC)
    pl.DataFrame(
        {
            "Close": [11.0] * 2,
            "vwap": [1] * 2,
            "LOW": [9.0] * 2,
            "high": [12.0] * 2,
            "open": [10.0] * 2,
            "Timestamp": at,
        }
    ).write_parquet(path)
    assert values(path) == [(at, 10.0, 12.0, 9.0, 11.0, None)] * 2
    assert lines(path) == [1, 2]


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"QQQ\.csv does not exist; check the path"):
        read_rows(tmp_path / "QQQ.csv")


def test_a_file_that_the_system_will_not_read_is_refused_by_name(tmp_path: Path) -> None:
    loop = tmp_path / "QQQ.csv"
    loop.symlink_to(loop)
    with pytest.raises(DataError, match=r"QQQ\.csv cannot be read \(Too many levels of symbolic links\)"):
        read_rows(loop)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused_by_name(tmp_path: Path) -> None:
    path = write(tmp_path, f"{HEADER}\n{LINE}\n")
    path.chmod(0)
    with pytest.raises(DataError, match=r"QQQ\.csv cannot be read \(Permission denied\)"):
        read_rows(path)


LINES = st.lists(
    st.sampled_from(
        [LINE, "", "  ", ",,,,,", "junk", '"', '"' + LINE, "a,b,c,d,e,f,g,h", "\t", ", ,x", "é,\x1f", "\x0c"]
    ),
    max_size=20,
)


@given(
    above=st.lists(st.sampled_from(["", " "]), max_size=3),
    below=LINES,
    end=st.sampled_from(["\n", "\r\n"]),
    mark=st.sampled_from(["", "\ufeff"]),
    last=st.booleans(),
)
def test_every_line_is_a_row_with_its_number_or_blank(
    tmp_path_factory: pytest.TempPathFactory, above: list[str], below: list[str], end: str, mark: str, last: bool
) -> None:
    written = [*above, HEADER, *below, LINE]
    path = write(tmp_path_factory.mktemp("lines"), mark + end.join(written) + end * last)
    begin = len(above) + 1
    expected = [
        (number, line.split(",")[0])
        for number, line in enumerate(written[begin:], begin + 1)
        if line.replace(",", " ").strip()
    ]
    found = read_rows(path).rows.select("line", "timestamp").rows()
    assert [(number, first or "") for number, first in found] == expected
