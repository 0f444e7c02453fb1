"""The small sound book of the audit's proof, to be damaged."""

import sqlite3
from contextlib import closing

from trader.audit.proof import sound_book
from trader.audit.reading import SCHEMA


def a_small_book() -> sqlite3.Connection:
    """In memory, in tables as shipped whose schema refuses nothing. The caller closes it."""
    with closing(sqlite3.connect(":memory:")) as shipped:
        shipped.executescript(SCHEMA.read_text("utf-8"))
        return sound_book(shipped)
