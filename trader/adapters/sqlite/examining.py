"""A backup looked through before anything is built on it: its pages, references, rules and chains of events."""

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from trader.adapters.sqlite.backup import identity
from trader.adapters.sqlite.database import connect
from trader.adapters.sqlite.queries import QUERIES
from trader.adapters.sqlite.rows import from_us
from trader.adapters.sqlite.soundness import chain_findings, file_faults, lost_parts
from trader.domain.errors import BookBroken


class Backup(NamedTuple):
    """A backup that is sound."""

    book: tuple[object, ...]
    """What tells its book from all others: kind, name, seed, when it was made."""
    epoch: int
    events: int
    newest_event_at: datetime


def examined(copy: Path, called: Path) -> Backup:
    """Look at everything in a copy of a backup, which is called by the backup's name; one of an older schema is brought
    up to date by that. Raises BookBroken.
    """
    with closing(connect(copy, called=called)) as book:
        try:
            faults = _faults(book)
            if faults:
                raise _not_sound(called, f"{len(faults)} findings, the first: {faults[0]}")
            stamp = book.execute(QUERIES["stamp"]).fetchone()
            events, newest_us = book.execute("SELECT count(*), max(at_us) FROM book_events").fetchone()
        except sqlite3.Error as error:
            raise _not_sound(called, str(error)) from error
    if stamp is None or not events:
        raise BookBroken(f"{called} is of a book that was never started: there is nothing to restore in it")
    return Backup(identity(stamp), stamp[2], events, from_us(newest_us))


def _faults(book: sqlite3.Connection) -> list[str]:
    """Everything that is wrong with the file and its rules, and when these are right, with the journals."""
    faults = file_faults(book, full=True)
    faults += [f"{part.kind} {part.name} is {how}" for part, how in lost_parts(book).items() if part.kind != "view"]
    if not faults:
        faults += [f"{finding.what}, {finding.where}: {finding.book}" for finding in chain_findings(book, full=True)[1]]
    return faults


def _not_sound(called: Path, finding: str) -> BookBroken:
    return BookBroken(f"{called} is not sound ({finding}); take another backup")
