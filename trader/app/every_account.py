"""Each account's broker against its book: who holds what. Both are only looked at; what does not answer is unknown.

Interactive Brokers is asked by a client of its own, beside the daemon's. The paper broker lives in its daemon; what
it leaves behind is the executions in the book, and what the daemon has found to be different.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping
from typing import NamedTuple

from trader.adapters.clock import SystemClock
from trader.adapters.sqlite.queries import QUERIES
from trader.adapters.sqlite.rows import read_drift
from trader.app.settings import Settings
from trader.domain.errors import BookError, BrokerUnreachable, ConfigurationError
from trader.domain.holdings import Comparison, compare

_CONNECT_S = 10.0
_UNTIL_BOOKED_S = 2.0
"""An execution that the broker has counted may be on its way into the book."""
_OF_A_LOOK = 2_000
"""Above the account's client id, as that of a probe."""


class Holdings(NamedTuple):
    """Quantities by symbol, of one account, out of its book."""

    held: Mapping[str, int]
    at_paper_broker: Mapping[str, int]


class Look(NamedTuple):
    """Both sides of one account; None is unknown."""

    account: str
    broker: Mapping[str, int] | None
    book: Mapping[str, int] | None
    why: tuple[str, ...] = ()
    """What is unknown, and why."""

    @property
    def comparison(self) -> Comparison | None:
        """None where either side is unknown."""
        return compare(self.book, self.broker) if self.book is not None and self.broker is not None else None


ReadBook = Callable[[Settings], Holdings]


def read_holdings(book: sqlite3.Connection, account: str) -> Holdings:
    """Read a book, at one moment."""
    book.execute("BEGIN")
    try:
        held = dict(book.execute(QUERIES["held_shares"], (account,)).fetchall())
        executed = dict(book.execute(QUERIES["executed_shares"], (account,)).fetchall())
        drift = [read_drift(tuple(row)) for row in book.execute(QUERIES["drift"], (account,))]
    finally:
        book.execute("ROLLBACK")
    return Holdings(held, {**executed, **{row.symbol: row.broker for row in drift}})


async def look_at(settings: Settings, read: ReadBook) -> Look:
    """Look at an account, and once more where the two differ."""
    found = await _look(settings, read)
    if settings.broker.kind == "ibkr" and found.comparison is not None and found.comparison.differences:
        await asyncio.sleep(_UNTIL_BOOKED_S)
        found = await _look(settings, read)
    return found


def look_at_undeclared(settings: Settings, read: ReadBook) -> Look | None:
    """Look at an account that only a book has; None where it holds nothing. Nobody says whose it is at the broker."""
    why = "the broker is unknown: it is not configured, so that no daemon looks after what it holds"
    try:
        held = read(settings).held
    except BookError as error:
        return Look(settings.account.name, None, None, (why, f"the database is unknown: {error}"))
    return Look(settings.account.name, None, held, (why,)) if any(held.values()) else None


async def _look(settings: Settings, read: ReadBook) -> Look:
    account, why = settings.account.name, []
    broker: Mapping[str, int] | None = None
    holdings: Holdings | None = None
    if settings.broker.kind == "ibkr":
        try:
            broker = await _ask_ib(settings)
        except (BrokerUnreachable, ConfigurationError) as error:
            why.append(f"the broker is unknown: {error}")
    try:
        holdings = read(settings)
    except BookError as error:
        why.append(f"the database is unknown: {error}")
    if settings.broker.kind == "paper":
        broker = holdings.at_paper_broker if holdings is not None else None
    return Look(account, broker, holdings.held if holdings is not None else None, tuple(why))


async def _ask_ib(settings: Settings) -> Mapping[str, int]:
    from trader.adapters.ibkr.connection import Address  # its library takes a third of a second to load
    from trader.adapters.ibkr.look import positions_at_ib

    ibkr = settings.ibkr
    address = Address(ibkr.host, ibkr.port, ibkr.client_id + _OF_A_LOOK)
    return await positions_at_ib(address, ibkr.account, SystemClock(), _CONNECT_S)
