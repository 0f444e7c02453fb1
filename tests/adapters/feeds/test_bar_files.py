"""Which files a replay reads, and of which symbol."""

import os
from pathlib import Path

import pytest

from trader.adapters.feeds.bar_files import BarFile, find_bar_files
from trader.domain.errors import DataError


def touch(folder: Path, *names: str) -> list[Path]:
    """Make empty files; finding looks at names only."""
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return [folder / name for name in names]


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("QQQ.csv", "QQQ"),
        ("QQQ.csv.gz", "QQQ"),
        ("QQQ.parquet", "QQQ"),
        ("QQQ.1m.2025.csv", "QQQ"),
        ("QQQ.US.csv", "QQQ"),
        ("BRK-B.csv", "BRK-B"),
        ("BRK.B.csv", "BRK.B"),
        ("BRK.B.csv.gz", "BRK.B"),
        ("QQQ261218C00500000.csv", "QQQ261218C00500000"),
        ("QQQ   261218C00500000.csv.gz", "QQQ261218C00500000"),
    ],
)
def test_the_file_name_says_the_symbol(tmp_path: Path, name: str, symbol: str) -> None:
    [path] = touch(tmp_path, name)
    assert find_bar_files([path]).files == (BarFile(symbol, path),)


@pytest.mark.parametrize("name", ["qqq.csv", "QQQ.txt", "QQQ", "1QQQ.csv", "TOOLONGASYMBOL.csv", ".csv", "Q Q.csv"])
def test_a_file_whose_name_is_not_a_symbols_is_refused(tmp_path: Path, name: str) -> None:
    [path] = touch(tmp_path, name)
    with pytest.raises(DataError, match=r"does not say whose bars it holds; name each file by its symbol") as refused:
        find_bar_files([path])
    assert str(path) in str(refused.value)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("QQQ261318C00500000.csv", "'QQQ261318C00500000' .* a day that there is not"),
        ("QQQ1261218C00500000.csv", "an adjusted option"),
        ("QQQ.txt", "ends with none of .csv"),
    ],
)
def test_a_file_of_no_symbol_is_told_why(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(DataError, match=why):
        find_bar_files(touch(tmp_path, name))


def test_a_folder_gives_its_bar_files_by_symbol_and_nothing_else(tmp_path: Path) -> None:
    touch(tmp_path, "TQQQ.csv", "QQQ.parquet", "AAPL.csv.gz", "README.md", "._QQQ.csv", "notes.csv")
    touch(tmp_path / "older.csv", "MSFT.csv")
    found = find_bar_files([tmp_path])
    assert [file.symbol for file in found.files] == ["AAPL", "QQQ", "TQQQ"]
    assert found.ignored == (tmp_path / "._QQQ.csv", tmp_path / "notes.csv")


def test_files_and_folders_may_be_given_together(tmp_path: Path) -> None:
    [path] = touch(tmp_path / "a", "QQQ.csv")
    touch(tmp_path / "b", "SPY.csv")
    assert [file.symbol for file in find_bar_files([path, tmp_path / "b"]).files] == ["QQQ", "SPY"]


def test_a_folder_without_bar_files_is_an_error_that_names_it(tmp_path: Path) -> None:
    touch(tmp_path, "README.md")
    with pytest.raises(DataError, match=r"has no bar files; name each file by its symbol"):
        find_bar_files([tmp_path])
    touch(tmp_path, "qqq.csv")
    with pytest.raises(DataError, match=r"has no bar files, only qqq\.csv"):
        find_bar_files([tmp_path])


def test_a_path_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"QQQ\.csv does not exist; check the path"):
        find_bar_files([tmp_path / "QQQ.csv"])


def test_no_path_is_an_error() -> None:
    with pytest.raises(DataError, match="nothing to replay"):
        find_bar_files([])


def test_two_files_of_one_symbol_are_an_error_that_names_both(tmp_path: Path) -> None:
    one, other = touch(tmp_path, "QQQ.csv", "QQQ.parquet")
    with pytest.raises(DataError) as refused:
        find_bar_files([tmp_path])
    assert str(one) in str(refused.value)
    assert str(other) in str(refused.value)


def test_one_file_named_twice_is_one_file(tmp_path: Path) -> None:
    [path] = touch(tmp_path, "QQQ.csv")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "QQQ.csv").symlink_to(path)
    assert find_bar_files([path, tmp_path, tmp_path / "linked"]).files == (BarFile("QQQ", path),)


def test_only_the_symbols_asked_for_are_read(tmp_path: Path) -> None:
    touch(tmp_path, "QQQ.csv", "SPY.csv", "SPY.parquet", "TQQQ.csv")
    assert [file.symbol for file in find_bar_files([tmp_path], ["TQQQ", "QQQ"]).files] == ["QQQ", "TQQQ"]


@pytest.mark.parametrize(("asked", "nearest"), [("TQQ", "TQQQ"), ("spy", "SPY"), ("SPYY", "SPY")])
def test_a_symbol_that_is_not_there_is_an_error_with_the_nearest_name(tmp_path: Path, asked: str, nearest: str) -> None:
    touch(tmp_path, "QQQ.csv", "SPY.csv", "TQQQ.csv")
    with pytest.raises(DataError, match=f"no file holds bars of {asked}; did you mean {nearest}\\?"):
        find_bar_files([tmp_path], [asked])


def test_a_symbol_near_to_none_is_an_error_with_all_names(tmp_path: Path) -> None:
    touch(tmp_path, "QQQ.csv", "SPY.csv")
    with pytest.raises(DataError, match="no file holds bars of MSFT; there are QQQ, SPY"):
        find_bar_files([tmp_path], ["MSFT"])


def test_asking_for_no_symbol_is_an_error(tmp_path: Path) -> None:
    touch(tmp_path, "QQQ.csv")
    with pytest.raises(DataError, match="--symbols names no symbol"):
        find_bar_files([tmp_path], [])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_an_error_that_names_it(tmp_path: Path) -> None:
    touch(tmp_path / "closed", "QQQ.csv")
    (tmp_path / "closed").chmod(0)
    try:
        with pytest.raises(DataError, match=r"closed cannot be read \(Permission denied\); check its permissions"):
            find_bar_files([tmp_path / "closed"])
    finally:
        (tmp_path / "closed").chmod(0o700)


def test_a_path_that_the_system_refuses_is_an_error_not_a_crash(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        find_bar_files([tmp_path / ("Q" * 300 + ".csv")])
