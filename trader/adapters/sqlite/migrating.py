"""Bringing an older book up to date: numbered SQL, one transaction, and a checked copy of the book first.

Rule 1: a book that anybody else has open is left alone; leaving WAL for a moment proves that nobody has.
Rule 2: the copy is whole and on the disk before anything is changed; it stays beside the book.
Rule 3: all steps and the new version are one transaction: a book is of one version, never between two.
"""

import os
import sqlite3
from importlib.resources import files
from pathlib import Path

from trader.adapters.durable import sync_file
from trader.adapters.sqlite.backup import copy_checked
from trader.domain.errors import BookUnwritable


def _numbered() -> dict[int, str]:
    folder = files(__package__) / "migrations"
    return {
        int(script.name.partition("_")[0]): script.read_text("utf-8")
        for script in folder.iterdir()
        if script.name.endswith(".sql")
    }


MIGRATIONS = _numbered()
"""Schema version -> the SQL that leads to it from the one before."""

SCHEMA_VERSION = max(MIGRATIONS)


def migrate(connection: sqlite3.Connection, path: Path, version: int) -> Path:
    """Bring a book of an older version up to date; give the copy that was made of it before.

    Raises BookUnwritable when somebody else has it open, BookBroken when its copy is not sound, and sqlite3.Error, each
    with nothing changed.
    """
    try:
        connection.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.OperationalError as error:
        raise BookUnwritable(
            f"the book {path} has schema {version} and has to be brought up to {SCHEMA_VERSION}, for which nobody else "
            f"may have it open ({error}): stop every trader and close every sqlite3 on it, and start again"
        ) from error
    copy = _copy(path, version)
    steps = "\n".join(MIGRATIONS[number] for number in range(version + 1, SCHEMA_VERSION + 1))
    try:
        connection.executescript(f"BEGIN EXCLUSIVE;\n{steps}\nPRAGMA user_version = {SCHEMA_VERSION};\nCOMMIT;")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return copy


def _copy(path: Path, version: int) -> Path:
    """The book as it is, under another name, on the disk and checked."""
    copy = path.with_name(f"{path.name}.schema-{version}")
    draft = path.with_name(f"{path.name}.schema-{version}.{os.getpid()}.new")
    try:
        copy_checked(path, draft)
        os.chmod(draft, 0o600)
        sync_file(draft)
        draft.replace(copy)
    except OSError as error:
        raise BookUnwritable(f"cannot copy {path} to {copy}: {error.strerror}; nothing was changed") from error
    finally:
        draft.unlink(missing_ok=True)
    return copy
