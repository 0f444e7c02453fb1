"""The one writer connection of a book, and the thread it lives on.

aiosqlite sends every statement to its thread as a job of its own, and a shared connection shares its transaction
between tasks. Here a whole transaction is one job: nothing can come between BEGIN and COMMIT, and six statements cost
one hop instead of six. aiosqlite has no public call for that; its `_execute` is wrapped here, in this one place, and
its version is pinned exactly.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TypeVar

import aiosqlite
import orjson

from trader.adapters.durable import sync_folder
from trader.adapters.sqlite.checksums import teach
from trader.adapters.sqlite.log_size import grow_log
from trader.adapters.sqlite.migrating import SCHEMA_VERSION, migrate
from trader.adapters.sqlite.open_files import OpenFiles
from trader.adapters.sqlite.queries import QUERIES, QUERIES_TOGETHER, SCHEMA
from trader.domain.errors import BookBroken, BookDamaged, BookError, BookOutdated, BookRefused, BookUnwritable

_Result = TypeVar("_Result")

READ_AT_START_BYTES = 16 * 1024 * 1024
"""Every page of a larger book takes longer to read than a start should."""

_PRAGMAS = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = ON;
PRAGMA recursive_triggers = ON;
PRAGMA trusted_schema = OFF;
PRAGMA temp_store = MEMORY;
PRAGMA cell_size_check = ON;
PRAGMA busy_timeout = 5000;
"""


class Writer(Protocol):
    """Runs jobs on the writer connection, each as one transaction."""

    async def transact(self, job: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Run the job between BEGIN and COMMIT; it is durable when this returns, or has not happened.

        Errors of sqlite3 come out as BookUnwritable or BookBroken.
        """
        ...

    async def close(self) -> None:
        """Close the connection and end its thread."""
        ...


class ThreadWriter:
    """The daemon's writer: jobs run on aiosqlite's thread, the loop stays free.

    Nothing is committed into files that were removed or replaced since they were opened.
    """

    def __init__(self, connection: aiosqlite.Connection, files: OpenFiles) -> None:
        self._connection = connection
        self._files = files

    @classmethod
    async def open(cls, path: Path) -> "ThreadWriter":
        """Open an existing or new book for writing.

        It is opened before aiosqlite has its thread: a connector that raises there would outlive the loop.
        """
        connection = await asyncio.to_thread(_connect_for_long, path)  # noqa: TID251  (the seam)
        return cls(await aiosqlite.Connection(lambda: connection, iter_chunk_size=64), OpenFiles(path))

    async def transact(self, job: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Run the whole transaction on the writer thread."""

        def checked(connection: sqlite3.Connection) -> _Result:
            result = job(connection)
            self._files.check()
            return result

        def whole() -> _Result:
            return _transact(self._connection._conn, checked)  # noqa: SLF001  (see the module's docstring)

        result: _Result = await self._connection._execute(whole)  # type: ignore[no-untyped-call]  # noqa: SLF001
        return result

    async def close(self) -> None:
        """Close the connection and end its thread; an open one would keep the process alive."""
        await self._connection.close()


class InlineWriter:
    """The replay's writer: jobs run where they are called, so that a run is one thread and always the same.

    It does not look whether its files are still there: a replay whose book is gone is run again.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def transact(self, job: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Run the transaction at once."""
        return _transact(self._connection, job)

    async def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _connect_for_long(path: Path) -> sqlite3.Connection:
    """Open a book as `connect` does, for many commits."""
    connection = connect(path)
    grow_log(connection, path)
    return connection


def compile_writes(connection: sqlite3.Connection) -> None:
    """Bring every statement that writes into the connection's cache: no first fill of a day waits for its compiling.

    One that cannot be compiled, as the index that it needs is lost, is an error where it is used.
    """
    for statement in (*QUERIES.values(), *QUERIES_TOGETHER.values()):
        if not statement.startswith("SELECT"):
            with suppress(sqlite3.Error):
                connection.executemany(statement, ())


def _transact(connection: sqlite3.Connection, job: Callable[[sqlite3.Connection], _Result]) -> _Result:
    """BEGIN, the job, COMMIT; ROLLBACK unless all of it has happened. Names the errors."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = job(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    except (OverflowError, UnicodeError, orjson.JSONEncodeError) as error:
        raise BookRefused(f"the book has no place for it: {error}") from error
    except sqlite3.Error as error:
        raise _named(error) from error
    return result


def connect(path: Path, called: Path | None = None) -> sqlite3.Connection:
    """Open a book; make it when it is new. Raises BookUnwritable, and BookBroken for what is not a book of ours.

    A copy may be `called` by the name of what it was made of: that is the one that a person knows.
    """
    if not path.exists():
        _make_book(path)
    elif path.stat().st_nlink > 1 and not list(path.parent.glob(f"{path.name}.*.new")):
        raise BookBroken(
            f"{path} has a second name (a hard link): two daemons could open it side by side and destroy it; remove "
            "one of the names, or copy the book with `trader backup`"
        )
    return _connect(path, called=called or path)


def _make_book(path: Path) -> None:
    """Make a new book under another name and put it in its place whole: nobody ever sees half of one."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        _connect(draft, called=path).close()
        with suppress(FileExistsError):  # another account's daemon has made it at the same moment
            os.link(draft, path)
        sync_folder(path.parent)
    except OSError as error:
        raise BookUnwritable(f"cannot make the book {path}: {error.strerror}; {_ANY_WAY_OUT}") from error
    finally:
        for suffix in ("", "-wal", "-shm"):
            with suppress(OSError):
                Path(f"{draft}{suffix}").unlink()


def _connect(path: Path, called: Path) -> sqlite3.Connection:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.close(descriptor)
    except OSError as error:
        raise BookUnwritable(
            f"cannot write the book {called}: {error.strerror}; check the folder and its owner"
        ) from error
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    teach(connection)
    try:
        version = _schema_version(connection, called)
        is_new = version == 0
        if not is_new:
            _check_pages(connection, called)
        if not is_new and version < SCHEMA_VERSION:
            migrate(connection, path, version)
        connection.executescript(_PRAGMAS)
        if is_new:
            connection.executescript(f"BEGIN IMMEDIATE;\n{SCHEMA}\nPRAGMA user_version = {SCHEMA_VERSION};\nCOMMIT;")
    except sqlite3.Error as error:
        connection.close()
        raise _named(error, called) from error
    except BookError:
        connection.close()
        raise
    return connection


def _schema_version(connection: sqlite3.Connection, path: Path) -> int:
    """0 for a new book. Raises BookBroken, before anything was changed, for a file that is not ours, or too new."""
    version, tables = connection.execute(
        "SELECT user_version, (SELECT count(*) FROM sqlite_master) FROM pragma_user_version"
    ).fetchone()
    if version > SCHEMA_VERSION or (tables and not version):
        raise _wrong_schema(path, version)
    return int(version)


def _check_pages(connection: sqlite3.Connection, path: Path) -> None:
    """Read every page once, where that is quick: damage is found before the day begins, not in it.

    A larger book is looked through by `trader doctor --full` and with each backup: a start is bounded by what is
    open, not by history.
    """
    if path.stat().st_size > READ_AT_START_BYTES:
        return
    answer = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if answer != "ok":
        raise _damaged(f"the book {path}", answer.replace("\n", " "))


def read_only(path: Path) -> sqlite3.Connection:
    """Open a book for reading; needs no daemon and cannot write. Raises BookError when it is not there."""
    if not path.exists():
        raise BookError(f"there is no book at {path}; start the trader once, or name the book with --db")
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
        connection.row_factory = sqlite3.Row
        connection.executescript("PRAGMA query_only = ON; PRAGMA busy_timeout = 5000; PRAGMA trusted_schema = OFF;")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.Error as error:
        raise _named(error, path) from error
    if version != SCHEMA_VERSION:
        connection.close()
        raise _wrong_schema(path, version)
    return connection


_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

_ANY_WAY_OUT = "check the disk and the owner of the folder, and start again"
_WAYS_OUT = {
    sqlite3.SQLITE_FULL: "free some space and start again",
    sqlite3.SQLITE_IOERR: "free some space, or check the disk, and start again",
    sqlite3.SQLITE_BUSY: "another program writes to it; end that one, readers may stay",
}


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is broken."""
    return _code(error) in _DAMAGE


def is_busy(error: sqlite3.Error) -> bool:
    """Whether somebody else has it open."""
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _named(error: sqlite3.Error, path: Path | None = None) -> BookError:
    """Say whose turn it is: damage needs a backup, everything else a look at the disk."""
    where = f"the book {path}" if path is not None else "the book"
    code = _code(error)
    if is_damage(error):
        return _damaged(where, str(error))
    if code == sqlite3.SQLITE_CONSTRAINT:
        return BookRefused(f"{where} refused it: {error}")
    return BookUnwritable(f"{where} cannot be written: {error}; {_WAYS_OUT.get(code, _ANY_WAY_OUT)}")


def _wrong_schema(path: Path, version: int) -> BookError:
    if version > SCHEMA_VERSION:
        return BookBroken(
            f"{path} has schema {version}, this program knows {SCHEMA_VERSION}: it was written by a newer version; "
            "start that version, or name another book with --db"
        )
    if version:
        return BookOutdated(
            f"{path} has schema {version} and this program {SCHEMA_VERSION}: start the trader once, which copies the "
            "book and brings it up to date"
        )
    return BookBroken(f"{path} is a SQLite file but not a book of this program; name another one with --db")


def _damaged(where: str, finding: str) -> BookDamaged:
    return BookDamaged(
        f"{where} is damaged ({finding}); keep the file, look into it with `sqlite3 FILE .recover`, and go back to "
        "a backup with `trader restore`, or go on with a new book (--db)"
    )
