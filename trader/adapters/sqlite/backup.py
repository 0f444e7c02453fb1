"""A copy of the book while it is written to, checked before it counts."""

import os
import re
import sqlite3
import tempfile
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path

from trader.adapters.sqlite.queries import QUERIES
from trader.domain.errors import BookBroken, BookError, BookUnwritable

_ABANDONED_S = 86_400
_SAME_SECOND = 1_000


def backup(db: Path, folder: Path, at: datetime, kept: int) -> Path:
    """Copy the book into a folder, check the copy, keep the newest `kept` of this book. Gives the copy's path.

    Copies of other books in the folder are left alone, whatever their names. Raises BookBroken when the copy is not
    sound: then the book is not, either; BookUnwritable when it cannot be written.
    """
    if not db.exists():
        raise BookError(f"there is no book at {db}")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{db.stem}-", suffix=".partial", dir=folder)
        os.close(descriptor)
        partial = Path(name)  # a name of its own, for two may copy at once
        try:
            copy_checked(db, partial)
            target = _put_in_place(partial, folder / f"{db.stem}-{at:%Y%m%dT%H%M%S}Z.db")
        finally:
            partial.unlink(missing_ok=True)
        _clear(db, target, kept)
    except OSError as error:
        raise BookUnwritable(
            f"cannot write a backup into {folder}: {error.strerror or error}; check the disk and the folder"
        ) from error
    return target


def copy_checked(db: Path, to: Path, opened: str = "mode=ro") -> None:
    """Copy a book, also while it is written to, and look at every page of the copy. Raises BookBroken.

    `opened` with `immutable=1` leaves nothing beside a book that nobody writes to.
    """
    try:
        with closing(sqlite3.connect(to)) as copy, closing(_opened(db, opened)) as source:
            source.backup(copy)
            answer = copy.execute("PRAGMA quick_check").fetchone()[0]
    except sqlite3.Error as error:
        raise BookBroken(f"backup of {db} failed: {error}") from error
    if answer != "ok":
        raise BookBroken(f"backup of {db} is not sound: {answer}")


def _opened(db: Path, how: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{db.resolve().as_uri()}?{how}", uri=True)


def _put_in_place(partial: Path, target: Path) -> Path:
    """Give the copy its name; another copy of the same second has a number after it."""
    for number in range(1, _SAME_SECOND):
        named = target if number == 1 else target.with_name(f"{target.stem}-{number}.db")
        with suppress(FileExistsError):
            os.close(os.open(named, os.O_CREAT | os.O_EXCL, 0o600))  # the name is ours; not every disk has hard links
            return partial.rename(named)
    raise BookUnwritable(f"{target} has {_SAME_SECOND} copies of one second beside it; remove some")


def _clear(db: Path, newest: Path, kept: int) -> None:
    """Remove the oldest copies of this very book, never the one just made; and what a killed run left half-way.

    That is judged by the disk's own clock: an embedded market may be days ahead, and a neighbour may copy just now.
    """
    made_s = newest.stat().st_mtime
    copies = re.compile(re.escape(db.stem) + r"-(\d{8}T\d{6})Z(?:-(\d+))?\.db")
    this = _stamp(newest)
    found = []
    for path in newest.parent.iterdir():
        match = copies.fullmatch(path.name)
        if match is not None and path != newest and _stamp(path) == this:
            found.append((match[1], int(match[2] or 1), path))
    for _, _, old in sorted(found)[: max(0, len(found) - (kept - 1))]:
        old.unlink(missing_ok=True)
    for partial in newest.parent.glob(".*.partial*"):
        with suppress(FileNotFoundError):
            if made_s - partial.stat().st_mtime > _ABANDONED_S:
                partial.unlink()


def _stamp(path: Path) -> tuple[object, ...]:
    """What tells a book from all others of the same name; nothing before its first start."""
    try:
        with closing(_opened(path, "immutable=1")) as book:  # a finished copy: nothing is made beside it
            row = book.execute(QUERIES["stamp"]).fetchone()
    except sqlite3.Error:
        return (path.name,)  # it cannot be read, and so it is nobody's to remove
    return identity(row) if row is not None else ()


def identity(stamp: tuple[object, ...]) -> tuple[object, ...]:
    """What tells a book from all others, whatever its epoch."""
    kind, name, _, seed, created_us = stamp
    return kind, name, seed, created_us
