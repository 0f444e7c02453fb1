"""A book moved to another name, whole.

Rule 1: nobody may have it open. Leaving WAL proves that, and leaves one file to move.
Rule 2: it has its new name before it loses the old one, and never takes the place of another file. With both of them,
as after a kill between the two, it is opened by nobody; moved again, it loses the old one.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from trader.adapters.durable import sync_folder
from trader.adapters.sqlite.database import is_busy
from trader.domain.errors import BookBroken, BookUnwritable


def accounts_in(book: Path) -> tuple[str, ...]:
    """Whose rows a book has, whatever its schema. None where there is no book, or it cannot be read as one."""
    if not book.is_file():
        return ()
    try:
        with closing(sqlite3.connect(f"{book.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            return tuple(row[0] for row in connection.execute("SELECT account FROM book_accounts ORDER BY account"))
    except sqlite3.Error:
        return ()


def move(book: Path, to: Path) -> None:
    """Give a book another name on the same disk. Raises BookBroken and BookUnwritable, with the book where it was."""
    try:
        with closing(sqlite3.connect(book.resolve(), isolation_level=None, timeout=0)) as connection:
            if connection.execute("PRAGMA journal_mode = DELETE").fetchone() != ("delete",):
                raise BookUnwritable(f"the log of {book} cannot be brought into it; check the disk; nothing was moved")
            if not (to.exists() and to.samefile(book)):
                os.link(book.resolve(), to)
        book.resolve().unlink()
        sync_folder(to.parent)
        sync_folder(book.resolve().parent)
    except sqlite3.Error as error:
        if is_busy(error):
            raise BookUnwritable(
                f"somebody has {book} open ({error}): stop every trader and close every sqlite3 on it; nothing was "
                "moved"
            ) from error
        raise BookBroken(f"{book} does not look like a book ({error}); nothing was moved") from error
    except FileExistsError as error:
        raise BookBroken(f"there is a file at {to} already; nothing was moved") from error
    except OSError as error:
        raise BookUnwritable(f"cannot move {book} to {to}: {error.strerror}; they have to be on one disk") from error
