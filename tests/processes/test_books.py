"""A book that cannot be used is left as it is: said, with the way out, and nothing else is touched."""

import random
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from processes.daemon import DB, Project, obeying_modes
from trader.adapters.sqlite.database import connect

_PAGE = 4096


@pytest.fixture(scope="module")
def traded_book(checkout: Path, environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A book with a few dozen executions in it, closed in order."""
    folder = tmp_path_factory.mktemp("traded") / "trader"
    shutil.copytree(checkout, folder)
    project = Project(folder, environment)
    daemon = project.start("--speed", "20000")
    try:
        daemon.until(lambda: project.fills() >= 40, "forty executions")
        assert daemon.ended(signal.SIGTERM) == 0
    finally:
        project.end()
    return project.db


def _refused_untouched(project: Project, *said: str) -> None:
    """The doctor refuses it; and so does the daemon, where nobody has asked the doctor."""
    before = project.db.read_bytes()

    project.run("--speed", "3000").refused(2, *said)
    project.run_unexamined("--speed", "3000").refused(2, "trader: ")

    assert project.db.read_bytes() == before


def test_a_file_that_is_no_database_is_refused(project: Project) -> None:
    project.db.write_text("symbol,quantity\nAAPL,10\n" * 500, "utf-8")

    _refused_untouched(project, DB, "backup", "--db")


def test_a_database_of_somebody_else_is_refused(project: Project) -> None:
    with closing(sqlite3.connect(project.db)) as connection:
        connection.execute("CREATE TABLE positions (symbol TEXT)")

    _refused_untouched(project, DB, "not a book", "--db")


def test_a_newer_schema_is_refused(project: Project) -> None:
    connect(project.db).close()
    with closing(sqlite3.connect(project.db)) as connection:
        connection.execute("PRAGMA user_version = 99")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    _refused_untouched(project, DB, "schema 99", "newer version", "--db")


def test_a_book_of_another_kind_is_refused(project: Project) -> None:
    with closing(connect(project.db)) as connection:
        connection.execute("INSERT INTO book_stamp VALUES (1, 'replay', 'paper', 1, 7, 1700000000000000, 0)")

    _refused_untouched(project, DB, "replay book", "--db")


@pytest.mark.parametrize("seed", range(3))
def test_a_damaged_book_is_refused(project: Project, traded_book: Path, seed: int) -> None:
    """Random bytes over most of its pages; the first one stays, so that it still looks like a database."""
    book = bytearray(traded_book.read_bytes())
    noise = random.Random(seed)
    for page in range(1, len(book) // _PAGE):
        if noise.random() < 0.8:
            book[page * _PAGE : (page + 1) * _PAGE] = noise.randbytes(_PAGE)
    project.db.write_bytes(book)

    _refused_untouched(project, DB, "malformed", "go back to a backup")


def test_a_book_with_one_damaged_page_is_refused(project: Project, traded_book: Path) -> None:
    """A page that no start reads by itself: it has to be looked for."""
    book = bytearray(traded_book.read_bytes())
    with closing(sqlite3.connect(f"{traded_book.as_uri()}?mode=ro", uri=True)) as connection:
        root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'book_round_trips'").fetchone()[0]
    book[(root - 1) * _PAGE : root * _PAGE] = random.Random(1).randbytes(_PAGE)
    project.db.write_bytes(book)

    _refused_untouched(project, DB, "malformed", "go back to a backup")


def test_a_book_cut_short_is_refused(project: Project, traded_book: Path) -> None:
    project.db.write_bytes(traded_book.read_bytes()[: 10 * _PAGE])

    _refused_untouched(project, DB, "malformed", "go back to a backup")


def test_a_book_whose_positions_contradict_its_lots_is_refused(project: Project, traded_book: Path) -> None:
    shutil.copy(traded_book, project.db)
    with closing(sqlite3.connect(project.db, isolation_level=None)) as connection:
        connection.execute("UPDATE book_positions SET quantity = 1 WHERE quantity > 0")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    _refused_untouched(project, "lots", "trader rebuild")


def test_a_folder_that_cannot_be_written_is_refused(project: Project) -> None:
    before = obeying_modes()
    project.folder.chmod(0o500)
    try:
        finished = project.start(before=before).finished()
    finally:
        project.folder.chmod(0o700)

    finished.refused(2, "cannot be written", "see whose it is")
    assert not project.db.exists()


def test_a_book_in_a_folder_that_cannot_be_written_is_refused(project: Project, tmp_path: Path) -> None:
    before = obeying_modes()
    folder = tmp_path / "books"
    folder.mkdir(mode=0o500)

    finished = project.start("--db", str(folder / "book.db"), before=before).finished()

    finished.refused(2, str(folder), "cannot be written", "see whose it is")
    assert list(folder.iterdir()) == []


def test_a_book_that_cannot_be_written_is_refused(project: Project, traded_book: Path) -> None:
    before = obeying_modes()
    shutil.copy(traded_book, project.db)
    project.db.chmod(0o400)

    project.start(before=before).finished().refused(2, DB, "check the folder and its owner")


def test_an_ordinary_user_may_trade(project: Project) -> None:
    daemon = project.start("--speed", "3000", before=obeying_modes())

    daemon.until(lambda: project.fills() >= 3, "three executions")
    assert daemon.ended(signal.SIGTERM) == 0
