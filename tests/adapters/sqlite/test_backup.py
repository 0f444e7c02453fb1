"""Copies of the book: the newest are kept, and no other book's copy is ever touched."""

import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from trader.adapters.sqlite.backup import backup
from trader.adapters.sqlite.database import connect
from trader.domain.errors import BookBroken, BookError, BookUnwritable

AT = datetime(2025, 6, 23, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)


def a_book(path: Path, created_us: int = 0) -> Path:
    """A stamped book."""
    path.parent.mkdir(exist_ok=True)
    with closing(connect(path)) as connection:
        connection.execute(
            "INSERT INTO book_stamp (one, kind, book_id, epoch, seed, created_us) "
            "VALUES (1, 'replay', 'paper', 1, 7, ?)",
            (created_us,),
        )
    return path


@pytest.fixture
def book(tmp_path: Path) -> Path:
    return a_book(tmp_path / "trading_data.db")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backups"


def names(folder: Path) -> list[str]:
    """Everything in the folder, hidden files too."""
    return sorted(os.listdir(folder))


def test_a_copy_is_a_sound_book_of_its_owners_alone(book: Path, folder: Path) -> None:
    copy = backup(book, folder, AT, kept=3)
    assert copy == folder / "trading_data-20250623T220000Z.db"
    assert names(folder) == [copy.name]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT book_id FROM book_stamp").fetchone() == ("paper",)


def test_the_newest_copies_are_kept(book: Path, folder: Path) -> None:
    for hours in range(5):
        backup(book, folder, AT + hours * HOUR, kept=2)
    assert names(folder) == ["trading_data-20250624T010000Z.db", "trading_data-20250624T020000Z.db"]


def test_the_copy_just_made_stays_also_when_the_clock_went_back(book: Path, folder: Path) -> None:
    for hours in range(3):
        backup(book, folder, AT + hours * HOUR, kept=1)
    copy = backup(book, folder, AT - 24 * HOUR, kept=1)
    assert names(folder) == [copy.name]


def test_a_book_whose_name_begins_alike_keeps_its_copies(book: Path, folder: Path, tmp_path: Path) -> None:
    live = a_book(tmp_path / "trading_data-live.db")
    lives = [backup(live, folder, AT + hours * HOUR, kept=5).name for hours in range(3)]
    copy = backup(book, folder, AT, kept=1)
    assert names(folder) == sorted([*lives, copy.name])


def test_a_book_of_the_same_name_from_elsewhere_keeps_its_copies(book: Path, folder: Path, tmp_path: Path) -> None:
    other = a_book(tmp_path / "elsewhere" / "trading_data.db", created_us=1)
    others = [backup(other, folder, AT + hours * HOUR, kept=5).name for hours in range(3)]
    copies = [backup(book, folder, AT + hours * HOUR, kept=1) for hours in range(3)]
    assert names(folder) == sorted([*others, copies[-1].name])


def test_two_copies_of_one_second_are_two_files(book: Path, folder: Path) -> None:
    first, second, third = (backup(book, folder, AT, kept=2) for _ in range(3))
    assert len({first, second, third}) == 3
    assert names(folder) == sorted([second.name, third.name])


def test_copies_made_at_once_do_not_disturb_one_another(book: Path, folder: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        copies = list(pool.map(lambda _: backup(book, folder, AT, kept=100), range(16)))
    assert names(folder) == sorted(copy.name for copy in copies)
    assert len(set(copies)) == 16


def test_a_copy_that_failed_leaves_nothing_behind(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"no book" * 1000)
    with pytest.raises(BookBroken, match=r"backup of .*broken\.db failed"):
        backup(broken, folder, AT, kept=3)
    assert names(folder) == []


def test_what_a_killed_run_left_is_cleared_away_after_a_day(book: Path, folder: Path) -> None:
    folder.mkdir()
    for name, age in (("old", 25 * HOUR), ("new", HOUR)):
        left = folder / f".trading_data-{name}.partial"
        left.touch()
        os.utime(left, (time.time() - age.total_seconds(),) * 2)
    copy = backup(book, folder, AT, kept=3)
    assert names(folder) == [".trading_data-new.partial", copy.name]


def test_a_copy_that_a_neighbour_makes_just_now_stays_also_when_the_market_is_days_ahead(
    book: Path, folder: Path
) -> None:
    """An embedded market has a clock of its own."""
    folder.mkdir()
    (folder / ".trading_data-neighbour.partial").touch()
    copy = backup(book, folder, datetime.now(UTC) + 48 * HOUR, kept=3)
    assert names(folder) == [".trading_data-neighbour.partial", copy.name]


def test_a_folder_that_cannot_be_one_is_refused_in_words(book: Path, tmp_path: Path) -> None:
    with pytest.raises(BookUnwritable, match=r"cannot write a backup into .*trading_data\.db"):
        backup(book, book, AT, kept=3)
    with pytest.raises(BookError, match="there is no book"):
        backup(tmp_path / "none.db", tmp_path / "backups", AT, kept=3)


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """As a user's: what has to be private must be made so."""
    before = os.umask(0o022)
    yield
    os.umask(before)
