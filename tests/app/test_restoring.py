"""`trader restore`: a sound backup of this very book takes its place, and everything else is refused before that."""

import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from replayed_book import ReplayedBook, a_replayed_book

from trader.adapters.run_lock import Holder, RunLock, lock_path

_Damage = Callable[[Path], object]

HOLDER = Holder(os.getpid(), "1", "x", "now")


@pytest.fixture(scope="module")
def noon(tmp_path_factory: pytest.TempPathFactory) -> ReplayedBook:
    """The day up to 12:20: TQQQ is held."""
    return a_replayed_book(tmp_path_factory.mktemp("noon"), until="12:20")


@pytest.fixture
def book(noon: ReplayedBook, tmp_path: Path) -> ReplayedBook:
    """The same, with a backup beside it, and something in it that the backup has not."""
    own = noon.copy_to(tmp_path / "own")
    backed_up(own)
    own.damage("UPDATE book_signals SET detail = 'later' WHERE rowid = 1")
    return own


def backed_up(book: ReplayedBook) -> Path:
    """Make a backup, and give it."""
    assert book.trader("backup").code == 0
    return the_backup(book)


def the_backup(book: ReplayedBook) -> Path:
    """The one backup there is."""
    [backup] = (book.folder / "backups").iterdir()
    return backup


def files(book: ReplayedBook) -> set[str]:
    """What lies beside the book, hidden files too."""
    return {path.name for path in book.folder.iterdir() if path.name not in ("bars", "book.db.paper.lock")}


def rows(path: Path) -> list[str]:
    """Everything that a book holds, but its epoch and its newest events, halts and alarms."""
    with closing(sqlite3.connect(path)) as connection:
        lines = [line for line in connection.iterdump() if line.startswith("INSERT")]
    return [
        line for line in lines if not any(name in line for name in ("stamp", "events", "halts", "accounts", "alarms"))
    ]


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """As a user's: what has to be private must be made so."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_without_yes_it_is_only_looked_at(book: ReplayedBook) -> None:
    before, there = book.db.read_bytes(), files(book)
    answer = book.trader("restore", str(the_backup(book)))
    assert answer.code == 5
    assert "epoch 1" in answer.out
    assert "up to 2025-06-23 16:20:00 UTC" in answer.out
    assert (book.db.read_bytes(), files(book)) == (before, there)


def test_the_backup_takes_the_place_of_the_book_which_is_kept(book: ReplayedBook) -> None:
    backup = the_backup(book)
    held, later = rows(backup), rows(book.db)
    answer = book.trader("restore", str(backup), "--yes")
    assert answer.code == 0, answer.err
    kept = Path(answer.facts()["kept"])
    assert kept.name == "book.db.before-epoch-2"
    assert rows(book.db) == held != later == rows(kept)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (book.db, kept)] == [0o600, 0o600]
    assert files(book) == {"book.db", kept.name, "backups", "config.toml", "families.toml"}
    assert os.listdir(backup.parent) == [backup.name]


def test_a_restored_book_equals_its_journal_says_so_in_it_and_has_its_entries_halted(book: ReplayedBook) -> None:
    backup = the_backup(book)
    assert book.trader("restore", str(backup), "--yes").code == 0
    assert book.trader("rebuild", "--check").code == 0
    assert book.sql("SELECT type FROM events ORDER BY seq DESC LIMIT 2") == [("halted",), ("command",)]
    assert backup.name in book.one("SELECT reason FROM book_halts WHERE scope = 'all' AND cleared_us IS NULL")


def test_every_restore_begins_an_epoch_that_was_not_there_before(book: ReplayedBook) -> None:
    """Also of the same backup again, and where the book itself cannot say which epoch it had."""
    backup = str(the_backup(book))
    epochs = [book.trader("restore", backup, "--yes").facts()["epoch"] for _ in range(2)]
    book.db.write_bytes(b"damaged" * 1000)
    epochs.append(book.trader("restore", backup, "--yes").facts()["epoch"])
    book.db.unlink()
    epochs.append(book.trader("restore", backup, "--yes").facts()["epoch"])
    assert epochs == ["2", "3", "4", "5"]
    assert book.one("SELECT epoch FROM book_stamp") == "5"


def test_the_log_of_a_damaged_book_is_kept_with_it_and_not_applied_to_the_restored_one(book: ReplayedBook) -> None:
    backup = the_backup(book)
    held = rows(backup)
    with closing(sqlite3.connect(book.db, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("UPDATE book_signals SET detail = 'much later'")
        logged = book.folder.joinpath("book.db-wal").read_bytes()
    book.db.write_bytes(b"damaged" + book.db.read_bytes()[7:])
    book.folder.joinpath("book.db-wal").write_bytes(logged)

    answer = book.trader("restore", str(backup), "--yes")

    assert answer.code == 0, answer.err
    assert rows(book.db) == held
    assert {"book.db-wal", "book.db-shm"} & files(book) == set()
    assert book.folder.joinpath("book.db.before-epoch-2").read_bytes().startswith(b"damaged")
    assert book.folder.joinpath("book.db.before-epoch-2-wal").read_bytes() == logged


@pytest.mark.parametrize("account", ["paper", "other"])
def test_no_book_is_restored_under_a_daemon(book: ReplayedBook, account: str) -> None:
    """Of whatever account."""
    before = book.db.read_bytes()
    lock = RunLock.take(lock_path(book.db, account), HOLDER)
    answer = book.trader("restore", str(the_backup(book)), "--yes")
    lock.release(remove=True)
    assert answer.code == 6
    assert "trader stop" in answer.err
    assert book.db.read_bytes() == before


@pytest.mark.parametrize("does", ["SELECT * FROM book_fills", "BEGIN IMMEDIATE"])
def test_no_book_is_restored_that_somebody_has_open(book: ReplayedBook, does: str) -> None:
    book.trader("trades")
    with closing(sqlite3.connect(book.db, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute(does)
        answer = book.trader("restore", str(the_backup(book)), "--yes")
    assert answer.code == 2
    assert "open" in answer.err
    assert not any("before-epoch" in name for name in files(book))
    assert book.one("SELECT epoch FROM book_stamp") == "1"


def _torn(backup: Path) -> None:
    with backup.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * 8192)


def _sql(statement: str) -> _Damage:
    def damage(backup: Path) -> None:
        with closing(sqlite3.connect(backup, isolation_level=None)) as connection:
            connection.executescript(statement)

    return damage


def _another(backup: Path) -> None:
    _sql("UPDATE book_stamp SET created_us = created_us + 1")(backup)


DAMAGES = {
    "torn": (_torn, "backup of"),
    "no database": (lambda backup: backup.write_bytes(b"no book" * 1000), "not a database"),
    "gone": (Path.unlink, "there is no backup"),
    "of another program": (lambda backup: backup.unlink() or _sql("CREATE TABLE x (y)")(backup), "not a book of"),
    "of a newer version": (_sql("PRAGMA user_version = 999"), "newer version"),
    "without a guard": (_sql("DROP TRIGGER cash_is_reserved_once"), "cash_is_reserved_once is missing"),
    "with a journal that was changed": (
        _sql(
            "DROP TRIGGER events_are_append_only_u; UPDATE book_events SET at_us = at_us + 1 WHERE seq = 4; "
            "CREATE TRIGGER events_are_append_only_u BEFORE UPDATE ON book_events\n"
            "BEGIN SELECT RAISE(ABORT, 'events_are_append_only'); END;"
        ),
        "event 4",
    ),
    "never started": (_sql("DELETE FROM book_stamp"), "never started"),
    "of another book": (_another, "another book"),
}


@pytest.mark.parametrize(("damage", "says"), DAMAGES.values(), ids=list(DAMAGES))
def test_what_is_no_sound_backup_of_this_book_is_refused(book: ReplayedBook, damage: _Damage, says: str) -> None:
    backup, before, there = the_backup(book), rows(book.db), files(book)
    damage(backup)
    answer = book.trader("restore", str(backup), "--yes")
    assert answer.code == 2, answer
    assert says in answer.err
    assert (rows(book.db), files(book)) == (before, there)
    assert book.one("SELECT epoch FROM book_stamp") == "1"


def test_what_is_no_book_is_not_replaced(book: ReplayedBook) -> None:
    backup = the_backup(book)
    book.db.unlink()
    with closing(sqlite3.connect(book.db)) as connection:
        connection.execute("CREATE TABLE precious (x)")
    answer = book.trader("restore", str(backup), "--yes")
    assert answer.code == 2
    assert "move it away by hand" in answer.err
    assert book.sql("SELECT * FROM precious") == []
