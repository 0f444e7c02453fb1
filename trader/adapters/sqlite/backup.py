"""A copy of the book while it is written to, checked before it counts."""

import sqlite3
from datetime import datetime
from pathlib import Path

from trader.domain.errors import BookBroken, BookError


def backup(db: Path, folder: Path, at: datetime, kept: int) -> Path:
    """Copy the book into a folder, check the copy, keep the newest `kept`. Gives the copy's path.

    Raises BookBroken when the copy is not sound: then the book is not, either.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = folder / f"{db.stem}-{at:%Y%m%dT%H%M%S}Z.db"
    partial = target.with_suffix(".partial")
    if not db.exists():
        raise BookError(f"there is no book at {db}")
    source = sqlite3.connect(f"{db.resolve().as_uri()}?mode=ro", uri=True)
    copy = sqlite3.connect(partial)
    try:
        partial.chmod(0o600)
        source.backup(copy)
        answer = copy.execute("PRAGMA quick_check").fetchone()[0]
    except sqlite3.Error as error:
        raise BookBroken(f"backup of {db} failed: {error}") from error
    finally:
        copy.close()
        source.close()
    if answer != "ok":
        raise BookBroken(f"backup of {db} is not sound: {answer}")
    partial.rename(target)
    for old in sorted(folder.glob(f"{db.stem}-*Z.db"))[:-kept]:
        old.unlink()
    return target
