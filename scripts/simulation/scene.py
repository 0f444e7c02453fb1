"""What an invariant may look at: the daemon's memory, its file, what it has sent, and the truth at the broker."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from simulation.faults import Faults
from simulation.history import History
from simulation.host import SimulatedHost
from simulation.market import Market
from simulation.venue import Venue
from trader.adapters.sqlite.database import read_only
from trader.app.settings import Settings
from trader.domain.portfolio import Book
from trader.domain.session import SessionDay, new_york_date
from trader.services.engine import Engine


@dataclass(slots=True)
class Scene:
    """One moment of a run."""

    settings: Settings
    """Of the life of the moment, or of the one that comes: its files."""
    venue: Venue
    """The truth: what was received, executed, and is held."""
    market: Market
    """The truth of time: how far the market has come."""
    history: History
    """Everything sent, heard and said so far, through all lives."""
    faults: Faults
    life: int = -1
    """Its number."""
    engine: Engine | None = None
    """None while no daemon stands on the book."""
    host: SimulatedHost | None = None
    is_recovered: bool = False
    """The start of this life is over: it runs."""
    _reader: sqlite3.Connection | None = None

    @property
    def account(self) -> str:
        """The one account."""
        return self.settings.account.name

    @property
    def book(self) -> Book:
        """The committed book in memory."""
        assert self.engine is not None  # noqa: S101  (asked only of a daemon that lives)
        return self.engine.book

    @property
    def now(self) -> datetime:
        """The market's time as the daemon has it, which may be wrong."""
        assert self.host is not None  # noqa: S101
        assert self.host.feed_ is not None  # noqa: S101
        return self.host.feed_.now()

    @property
    def session(self) -> SessionDay | None:
        """The session of the market's own day."""
        return self.market.calendar.session(new_york_date(self.market.at)) if self.market.at is not None else None

    def rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        """Read the book's file as it is committed by now."""
        if self._reader is None:
            self._reader = read_only(self.settings.book.db)
        return self._reader.execute(query, values).fetchall()

    def turn_the_page(self) -> None:
        """Another life, other files."""
        if self._reader is not None:
            self._reader.close()
        self._reader = None
