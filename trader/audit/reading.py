"""The audit's own way to the book: a connection that cannot write to it, and what it has of its own beside it.

Rule 1: the file is opened read-only. What the audit keeps lies in temporary tables, which are no part of the book.
Rule 2: what cannot be read was not checked. It is never an empty answer.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCHEMA = Path(__file__).parents[1] / "adapters" / "sqlite" / "schema.sql"
"""The schema as it is shipped: a text that is compared with, no code that is used."""
_STEPS = SCHEMA.with_name("migrations")
"""Each begins with the number of the schema that it leads to."""


class CannotCheck(Exception):
    """The book cannot be looked at. The message says why."""


def open_read_only(path: Path) -> sqlite3.Connection:
    """Open a book that others may be writing to. Raises CannotCheck, also for one of another schema than is shipped."""
    if not path.is_file():
        raise CannotCheck(f"there is no book at {path}; name one with --db")
    try:
        connection = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
        )
        connection.executescript("PRAGMA busy_timeout = 5000; PRAGMA trusted_schema = OFF;")
        [schema] = connection.execute("SELECT user_version FROM pragma_user_version, sqlite_master").fetchone() or (0,)
    except sqlite3.Error as error:
        raise CannotCheck(f"{path} cannot be read: {error}") from error
    _refuse_other_schemas(path, schema)
    return connection


def _refuse_other_schemas(path: Path, schema: int) -> None:
    """Its tables have other columns: no rule could be asked."""
    known = max(int(step.name.partition("_")[0]) for step in _STEPS.glob("*.sql"))
    if 0 < schema < known:
        raise CannotCheck(
            f"{path} has schema {schema}, and the rules are of {known}: start the trader once, which copies the book "
            "and brings it up to date"
        )
    if schema > known:
        raise CannotCheck(
            f"{path} has schema {schema}, and the rules are of {known}: it was written by a newer version; ask that one"
        )


def version_of(connection: sqlite3.Connection) -> int:
    """A number that is another one once somebody else has committed."""
    [version] = connection.execute("PRAGMA data_version").fetchone()
    return int(version)


@contextmanager
def one_moment(connection: sqlite3.Connection) -> Iterator[None]:
    """Everything read meanwhile is of one moment of the book; what is kept of it is kept whole or not at all."""
    connection.execute("BEGIN")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
