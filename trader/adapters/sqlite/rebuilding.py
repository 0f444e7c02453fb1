"""The tables written anew from the journal.

Rule 1: only what differs is touched, in one transaction, and the journal gets a word of it.
Rule 2: executions and the journal are never rewritten: they are what everything else follows from. A journal with
findings of its own rebuilds nothing.
Rule 3: the database's own rules stand aside while rows are mended, and are all back, as the schema has them, before
the commit; whoever removed one by hand finds it restored.
"""

import sqlite3
from contextlib import closing
from typing import NamedTuple

from trader.adapters.sqlite.folding import Folded, fold
from trader.adapters.sqlite.projections import (
    ACCOUNT,
    HALTS,
    LOCKS,
    LOTS,
    ORDERS,
    POSITIONS,
    ROUND_TRIPS,
    Projection,
    Sides,
    orders_made,
    sides,
)
from trader.adapters.sqlite.queries import QUERIES, SCHEMA
from trader.adapters.sqlite.rows import Row, event_text, from_us, to_us
from trader.adapters.sqlite.transaction import Head, link
from trader.domain.errors import BookBroken
from trader.domain.events import JournalEntry, JournalType
