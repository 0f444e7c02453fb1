"""What an invariant may look at: the daemon's memory, its file, what it has sent, and the truth at the broker."""

import sqlite3
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar, cast

from simulation.faults import Faults
from simulation.history import History
from simulation.host import SimulatedHost
from simulation.news import News
from simulation.person import Person
from simulation.truth import Truth
from trader.adapters.sqlite.database import read_only
from trader.adapters.sqlite.one_account import show_only
from trader.app.settings import Settings
from trader.domain.family import Family
from trader.domain.portfolio import Book
from trader.domain.rules import Rules
from trader.domain.session import Calendar, SessionDay, new_york_date
from trader.services.engine import Engine

_ADOPTED = """
    SELECT coalesce(sum(quantity), 0) FROM book_fills
    WHERE account = ? AND execution_id >= 'adopted-' AND execution_id < 'adopted.' AND symbol = ?"""
_Kept = TypeVar("_Kept")


class Hours(Protocol):
    """The market, as far as it is looked at."""

    @property
    def at(self) -> datetime | None:
        """How far it has come; None before it has begun."""
        ...

    @property
    def calendar(self) -> Calendar:
        """Its sessions."""
        ...


@dataclass(slots=True)
class Scene:
    """One moment of a run."""

    settings: Settings
    """Of the life of the moment, or of the one that comes: its files."""
    venue: Truth
    """The truth: what was received, executed, and is held."""
    market: Hours
    """The truth of time: how far the market has come."""
    history: History
    """Everything sent, heard and said so far, through all lives."""
    faults: Faults
    is_alone: bool = True
    """No other account is in the book."""
    life: int = -1
    """Its number."""
    engine: Engine | None = None
    """None while no daemon stands on the book."""
    host: SimulatedHost | None = None
    person: Person | None = None
    """Who stands in front of it, once it runs."""
    recovered_at: datetime | None = None
    """Market time at which the start of this life was over; None before that."""
    news: News = field(default_factory=News)
    """What has changed since the step before."""
    differs: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Symbol -> how many shares more the broker has than the book says, and the number of true answers at that time."""
    sealed: tuple[int, str] = (0, "")
    """Number and hash of the newest event when the journal was looked at last."""
    closed: SessionDay | None = None
    """The session that has closed last."""
    healed_at: datetime | None = None
    """Market time from which on nothing strikes."""
    _of_run: dict[type, object] = field(default_factory=dict)
    _of_life: dict[type, tuple[int, object]] = field(default_factory=dict)
    _reader: sqlite3.Connection | None = None
    _rules: Rules | None = None

    @property
    def account(self) -> str:
        """The account of this daemon."""
        return self.settings.account.name

    def in_run(self, kind: type[_Kept]) -> _Kept:
        """What a check keeps from look to look, through all lives; made empty when it is first asked for."""
        if kind not in self._of_run:
            self._of_run[kind] = kind()
        return cast("_Kept", self._of_run[kind])

    def in_life(self, kind: type[_Kept]) -> _Kept:
        """The same, empty again in every life."""
        if kind not in self._of_life or self._of_life[kind][0] != self.life:
            self._of_life[kind] = (self.life, kind())
        return cast("_Kept", self._of_life[kind][1])

    @property
    def has_run_healed(self) -> bool:
        """This life has run through all of the time in which nothing strikes, and has had a while of it."""
        return self.healed_at is not None and self.recovered_at is not None and self.recovered_at <= self.healed_at

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
    def minutes_told(self) -> int:
        """Minutes of the market that this life has been told."""
        return self.host.feed_.minutes_told if self.host is not None and self.host.feed_ is not None else 0

    @property
    def session(self) -> SessionDay | None:
        """The session of the market's own day."""
        return self.market.calendar.session(new_york_date(self.market.at)) if self.market.at is not None else None

    @property
    def rules(self) -> Rules:
        """The operator's limits; those of one run."""
        self._rules = self._rules or self.settings.rules()
        return self._rules

    def family(self, symbol: str) -> Family:
        """The family that a symbol moves with."""
        assert self.engine is not None  # noqa: S101
        families = self.engine.trading.families
        return families.family(families.instrument(symbol).family)

    def ours(self, symbol: str) -> int:
        """Shares at the broker that the book may count as its own: of executions, and what an operator has taken in.

        By the book's own word of that: whoever has asked for it may not have lived to hear the answer.
        """
        venue = self.venue
        adopted = int(self.rows(_ADOPTED, self.account, symbol)[0][0])
        return venue.shares[symbol] + min(adopted, venue.foreign[symbol] + venue.taken_in[symbol])

    def look(self) -> None:
        """Something has changed: take in what."""
        self.news.look(self.life, self.book, self.history.entries, self.history.orders, self.rows)

    @property
    def reader(self) -> sqlite3.Connection:
        """A connection that cannot write, on the book's file."""
        if self._reader is None:
            self._reader = read_only(self.settings.book.db)
            if not self.is_alone:
                show_only(self._reader, self.account)
        return self._reader

    def rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        """Read the book's file as it is committed by now."""
        return self.reader.execute(query, values).fetchall()

    @property
    def has_begun(self) -> bool:
        """There is a book, with its tables: a first life may have died before that."""
        path = self.settings.book.db
        return path.exists() and bool(path.stat().st_size) and bool(self.rows("SELECT 1 FROM book_accounts"))

    def turn_the_page(self) -> None:
        """Another life, other files."""
        if self._reader is not None:
            self._reader.close()
        self._reader = None
