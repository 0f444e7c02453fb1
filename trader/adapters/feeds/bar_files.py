"""Which files hold bars, and of which symbol."""

import re
from collections.abc import Collection, Sequence
from os.path import realpath
from pathlib import Path
from typing import NamedTuple

from trader.domain.errors import DataError
from trader.domain.spelling import did_you_mean
from trader.domain.symbol import read_symbol

ENDINGS = (".csv", ".csv.gz", ".parquet")

_NAME = re.compile(r"(?P<symbol>[^.]+(?:\.[A-Z](?=\.))?)(?:\..*)?\.(?:csv|csv\.gz|parquet)")
"""The symbol is what comes before the first dot; one capital between two dots is a share class: BRK.B.csv. Of an option
it is its OCC symbol."""

_HOW_TO_NAME = "name each file by its symbol: QQQ.csv, QQQ.csv.gz or QQQ.parquet"
_NAMES_LISTED = 20


class BarFile(NamedTuple):
    """A file and the symbol whose bars it holds."""

    symbol: str
    path: Path


class BarFiles(NamedTuple):
    """One file for each symbol, by symbol; and the bar files of a folder whose names are not symbols."""

    files: tuple[BarFile, ...]
    ignored: tuple[Path, ...]


def find_bar_files(paths: Sequence[Path], symbols: Collection[str] | None = None) -> BarFiles:
    """Find the bar files at the paths, of all symbols or of those asked for.

    A path is a bar file or a folder of them; folders within a folder are left alone. Raises DataError for a path that
    is not there, a file whose name is not a symbol's, a folder without bar files, two files for one symbol, and a
    symbol asked for that no file holds.
    """
    if not paths:
        raise DataError("nothing to replay: give a bar file, for example QQQ.csv, or a folder of them")
    found: list[BarFile] = []
    ignored: list[Path] = []
    for path in paths:
        try:
            named, unnamed = _in_folder(path) if path.is_dir() else ([_named(path)], [])
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror}); check its permissions") from error
        found += named
        ignored += unnamed
    return BarFiles(_wanted(found, symbols), tuple(ignored))


def _in_folder(folder: Path) -> tuple[list[BarFile], list[Path]]:
    entries = sorted(path for path in folder.iterdir() if path.name.endswith(ENDINGS) and not path.is_dir())
    found = [BarFile(symbol, path) for path in entries if (symbol := _symbol(path))]
    ignored = [path for path in entries if not _symbol(path)]
    if not found:
        raise DataError(f"{folder} has no bar files{_only(ignored)}; {_HOW_TO_NAME}")
    return found, ignored


def _only(ignored: Sequence[Path]) -> str:
    names = ", ".join(path.name for path in ignored[:_NAMES_LISTED])
    return f", only {names}, and that is not named by a symbol" if names else ""


def _named(path: Path) -> BarFile:
    if not path.exists():
        raise DataError(f"{path} does not exist; check the path")
    try:
        return BarFile(_symbol_in(path), path)
    except ValueError as error:
        raise DataError(f"the name of {path} does not say whose bars it holds; {_HOW_TO_NAME} ({error})") from None


def _symbol(path: Path) -> str | None:
    try:
        return _symbol_in(path)
    except ValueError:
        return None


def _symbol_in(path: Path) -> str:
    """Raises ValueError saying why there is none."""
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise ValueError(f"it ends with none of {', '.join(ENDINGS)}")
    return read_symbol(match["symbol"])


def _wanted(found: Sequence[BarFile], symbols: Collection[str] | None) -> tuple[BarFile, ...]:
    by_symbol: dict[str, BarFile] = {}
    for file in found:
        if symbols is not None and file.symbol not in symbols:
            continue
        other = by_symbol.setdefault(file.symbol, file)
        if realpath(other.path) != realpath(file.path):  # one file named twice is one file
            raise DataError(f"{other.path} and {file.path} both hold bars of {file.symbol}; leave one of them out")
    known = sorted({file.symbol for file in found})
    for symbol in sorted(symbols or ()):
        if symbol not in by_symbol:
            raise DataError(f"no file holds bars of {symbol}{_nearest(symbol, known)}")
    if not by_symbol:
        raise DataError("--symbols names no symbol; name some, or leave it out to replay all")
    return tuple(by_symbol[symbol] for symbol in sorted(by_symbol))


def _nearest(symbol: str, known: Sequence[str]) -> str:
    return did_you_mean(symbol, known) or f"; there are {', '.join(known[:_NAMES_LISTED])}"
