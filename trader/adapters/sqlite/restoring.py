"""A backup put in the place of the book.

Rule 1: the backup is copied, and the copy is looked through whole (pages, references, rules of the schema, chains of
events) before the book is touched. What is put in place is the very copy that was looked through.
Rule 2: nobody may have the book open. Leaving WAL proves it, and leaves no log of writes beside the book, which the
next start would apply to the restored one.
Rule 3: the book that is there is kept beside, whole and on the disk; then one rename puts the copy in its place. At any
moment the name leads to the one or to the other.
Rule 4: the restored book begins an epoch that no book of this name has had, so that no order reference is ever used
twice; its entries are halted, for it does not know what has happened since.
"""

import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from trader.adapters.durable import sync_file, sync_folder
from trader.adapters.sqlite.backup import copy_checked, identity
from trader.adapters.sqlite.database import connect, is_busy, is_damage
from trader.adapters.sqlite.examining import Backup, examined
from trader.adapters.sqlite.journal import command_entry
from trader.adapters.sqlite.queries import QUERIES
from trader.adapters.sqlite.rows import from_us, read_halt
from trader.adapters.sqlite.transaction import write
from trader.domain.errors import BookBroken, BookUnwritable
from trader.domain.events import JournalEntry, JournalType
from trader.domain.portfolio import Halt
from trader.services.ports import Commit

_LOGS = ("-wal", "-journal")
"""What SQLite would apply to whatever file lies beside it."""


class Restored(NamedTuple):
    """What was done."""

    epoch: int
    """Of the book from now on."""
    kept: Path | None
    """Where the book is that was there before, if there was one."""


def look_through(db: Path, backup: Path) -> Backup:
    """Look at everything in a backup, on a copy beside the book; changes nothing. Raises BookBroken, BookUnwritable."""
    with _copied(db.resolve(), backup) as (_, found):
        return found


def restore(db: Path, backup: Path, operator: str) -> Restored:
    """Put a backup in the place of the book, while its run locks are held.

    Raises BookBroken when the backup is not sound or not of this book, BookUnwritable when somebody has the book open
    or the disk says no; each with the book as it was.
    """
    book = db.resolve()
    with _copied(book, backup) as (draft, found), _Present.alone_with(book) as present:
        if present.book not in ((), found.book):
            raise BookBroken(
                f"{backup} is a backup of another book than {db}; move that one away first, if it is to go there"
            )
        epoch = max(found.epoch, present.epoch, _newest_kept(book)) + 1
        _begin_epoch(draft, epoch, operator, backup.name)
        kept = _keep(book, book.with_name(f"{book.name}.before-epoch-{epoch}"), draft.parent)
        present.bar()
        _put_in_place(draft, book)
    return Restored(epoch, kept)


@contextmanager
def _copied(book: Path, backup: Path) -> Iterator[tuple[Path, Backup]]:
    """A copy of the backup in a folder of its own, looked through; errors of the disk are named."""
    if not backup.is_file():
        raise BookBroken(f"there is no backup at {backup}")
    prefix = f".{book.name}-restore-"
    for left in book.parent.glob(f"{prefix}*"):  # by a restore that was killed: no other runs beside this one
        shutil.rmtree(left, ignore_errors=True)
    try:
        with TemporaryDirectory(prefix=prefix, dir=book.parent) as folder:
            draft = Path(folder) / book.name
            alone = not backup.with_name(f"{backup.name}-wal").exists()
            copy_checked(backup, draft, opened="immutable=1" if alone else "mode=ro")
            yield draft, examined(draft, backup)
    except (OSError, sqlite3.Error) as error:
        raise BookUnwritable(
            f"cannot restore {book}: {error}; check the disk and the folder, and restore again"
        ) from error


class _Present:
    """The book that is there, which nobody else has open; or nothing that could be read."""

    def __init__(self, path: Path, connection: sqlite3.Connection | None) -> None:
        """Read its stamp; a connection must have left WAL. Raises sqlite3.Error."""
        self._path = path
        self._connection = connection
        self.book: tuple[object, ...] = ()
        self.epoch = 1
        self._version = self._data_version()
        row = connection.execute(QUERIES["stamp"]).fetchone() if connection is not None else None
        if row is not None:
            self.book, self.epoch = identity(row), int(row[2])

    @classmethod
    @contextmanager
    def alone_with(cls, path: Path) -> "Iterator[_Present]":
        """Raises BookUnwritable when somebody has it open, BookBroken when it is something else than a book."""
        if not path.exists() or _is_damaged(path):
            yield cls(path, None)
            return
        with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as connection:
            try:
                _leave_wal(connection, path)
                present = cls(path, connection)
            except sqlite3.Error as error:
                raise _not_replaced(path, error) from error
            yield present

    def bar(self) -> None:
        """Let nobody in any more. Raises BookUnwritable when somebody was there since the beginning."""
        if self._connection is None:
            return
        try:
            self._connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            raise _not_replaced(self._path, error) from error
        if self._data_version() != self._version:
            raise BookUnwritable(f"{self._path} was written to meanwhile; nothing was restored, see by whom")

    def _data_version(self) -> int:
        if self._connection is None:
            return 0
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])


def _leave_wal(connection: sqlite3.Connection, path: Path) -> None:
    """Bring what the log holds into the file itself, and remove the log. Raises sqlite3.Error and BookUnwritable."""
    if connection.execute("PRAGMA journal_mode = DELETE").fetchone() != ("delete",):
        raise BookUnwritable(f"the log of {path} cannot be brought into it; check the disk; nothing was restored")


def _is_damaged(path: Path) -> bool:
    """Seen read-only: SQLite would throw away the log of writes of a file that it cannot read."""
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            connection.execute(QUERIES["stamp"]).fetchone()
    except sqlite3.Error as error:
        if is_damage(error):
            return True
        raise _not_replaced(path, error) from error
    return False


def _not_replaced(path: Path, error: sqlite3.Error) -> BookBroken | BookUnwritable:
    if is_busy(error):
        return BookUnwritable(
            f"somebody has {path} open ({error}): stop every trader and close every sqlite3 on it; nothing was restored"
        )
    return BookBroken(f"{path} cannot be replaced, it does not look like a book ({error}); move it away by hand first")


def _newest_kept(book: Path) -> int:
    """The highest epoch that a book of this name has had, as those kept beside it tell: a damaged one cannot."""
    kept = re.compile(re.escape(book.name) + r"\.before-epoch-(\d+)")
    found = (kept.fullmatch(path.name) for path in book.parent.iterdir())
    return max((int(match[1]) for match in found if match is not None), default=0)


def _begin_epoch(draft: Path, epoch: int, operator: str, source: str) -> None:
    """Write the restore into every journal and halt entries; the copy is one file then, and on the disk."""
    with closing(connect(draft)) as copy:
        copy.execute("BEGIN IMMEDIATE")
        copy.execute(QUERIES["begin_epoch"], (epoch,))
        for account, cash_micros in copy.execute("SELECT account, cash_micros FROM book_accounts").fetchall():
            head = copy.execute(QUERIES["journal_head"], (account,)).fetchone()
            if head is not None:
                write(copy, _commit(copy, account, cash_micros, from_us(head[2]), epoch, operator, source))
        copy.execute("COMMIT")
        _leave_wal(copy, draft)
    draft.chmod(0o600)
    sync_file(draft)


def _commit(
    copy: sqlite3.Connection, account: str, cash_micros: int, at: datetime, epoch: int, operator: str, source: str
) -> Commit:
    """What the journal is told, at the time of its newest event: the market goes on from there."""
    reason = f"restored from {source}: what has happened since is not in this book"
    commit = Commit(account, at, cash_micros, cash_micros)
    commit.journal.append(command_entry(at, "restore", operator, reason, f"epoch {epoch} begins"))
    halts = [read_halt(row) for row in copy.execute(QUERIES["halts"], (account,))]
    if "all" not in {halt.key for halt in halts}:
        halt = Halt("all", "", f"{reason}; compare it with the broker", at)
        commit.halts.append(halt)
        data = {"scope": halt.scope, "target": halt.target, "reason": halt.reason}
        commit.journal.append(JournalEntry(JournalType.HALTED, at, "", data))
    return commit


def _keep(book: Path, kept: Path, folder: Path) -> Path | None:
    """A copy of the book that is there, byte for byte, with its logs where it is damaged and they are left."""
    there = [suffix for suffix in (*_LOGS, "") if book.with_name(f"{book.name}{suffix}").exists()]
    for suffix in there:
        copy = folder / f"kept{suffix}"
        shutil.copyfile(book.with_name(f"{book.name}{suffix}"), copy)
        copy.chmod(0o600)
        sync_file(copy)
        copy.rename(kept.with_name(f"{kept.name}{suffix}"))
    return kept if there else None


def _put_in_place(draft: Path, book: Path) -> None:
    """Take away what would be applied to the copy, and give it its name: in this order on the disk too."""
    for suffix in (*_LOGS, "-shm"):
        book.with_name(f"{book.name}{suffix}").unlink(missing_ok=True)
    sync_folder(book.parent)
    os.replace(draft, book)
    sync_folder(book.parent)
