"""The book in memory, and the frozen view of it that a decision may see."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import NamedTuple

from trader.domain.breaker import Latch
from trader.domain.cash import CashDrift
from trader.domain.corporate_action import split_of_shares
from trader.domain.decision import Side, Ticket
from trader.domain.ledger import Lot, Position
from trader.domain.market import Prices
from trader.domain.order import Fill, Order, PendingLock
from trader.domain.symbol import is_option, units_of


def scopes_of(family: str, symbol: str) -> tuple[str, str, str]:
    """Keys of the halts that a symbol may be under, the widest first."""
    return "all", f"family:{family}", f"symbol:{symbol}"


def scope_of_strategy(name: str) -> str:
    """Key of the halt under which a strategy is disabled."""
    return f"strategy:{name}"


class Halt(NamedTuple):
    """Entries barred for a named reason until it is cleared. Exits are never barred.

    `scope` is `all`, `family`, `symbol` or `strategy`; `target` names it and is empty for `all`. One of a strategy bars
    what that strategy says, and nothing else.
    """

    scope: str
    target: str
    reason: str
    since: datetime
    flattens: bool = False
    """Whether everything that comes to be held in its scope is closed too."""

    @property
    def key(self) -> str:
        """`all`, `family:QQQ`, `symbol:AAPL`: one halt of a scope at a time."""
        return f"{self.scope}:{self.target}" if self.target else self.scope

    def covers(self, family: str, symbol: str) -> bool:
        """Whether a symbol of a family is in its scope."""
        return self.key in scopes_of(family, symbol)


class Drift(NamedTuple):
    """Shares of a symbol that book and broker do not agree on. Entries of its family are barred while it lasts."""

    symbol: str
    book: int
    broker: int
    """Negative where the account is short."""
    since: datetime

    @property
    def split(self) -> str:
        """The split that would explain it, or nothing: a trade by hand can be of as many shares."""
        is_told = self.book and self.broker > 0 and not is_option(self.symbol)
        return split_of_shares(self.book, self.broker) if is_told else ""

    @property
    def what(self) -> str:
        """What differs, in words."""
        units = units_of(self.symbol)
        hint = f" (fits a {self.split} split)" if self.split else ""
        if self.broker < 0:
            return f"the account is short of {-self.broker} {units}"
        if self.broker > self.book:
            return f"{self.broker - self.book} foreign {units}{hint}, which are left alone"
        return (
            f"{self.book - self.broker} {units} are missing at the broker{hint}, and exits ask for no more than it has"
        )

    @property
    def way_out(self) -> str:
        """What a person can do about it."""
        if self.broker < 0:
            return (
                f"buy {-self.broker} {self.symbol} at the broker; what is missing then, `trader adjust --missing` books"
            )
        after_split = f"; after a split close it then: `trader flatten --symbol {self.symbol}`" if self.split else ""
        if self.broker > self.book:
            return f"`trader adopt {self.symbol} --price USD` takes them in, or sell them at the broker{after_split}"
        return (
            f"an execution that is found ends it, or `trader adjust --missing {self.symbol} --price USD`{after_split}"
        )

    def after(self, fill: Fill, held: int) -> "Drift":
        """What is left to sell at the broker after one of our executions. A buy may be just what was not known.

        Of a correction it is not known whether the broker's number was told before or after it: that number stays.
        """
        sold = fill.quantity if fill.side is Side.SELL and not fill.corrects else 0
        return self._replace(book=held, broker=self.broker - sold)


class Day(NamedTuple):
    """Counters of one exchange date. Only its first line is stored; the counts are those of the day's own rows."""

    day: date
    started_at: datetime
    opening_equity_micros: int
    openings: int = 0
    notional_micros: int = 0
    sold_micros: int = 0
    """Proceeds of today's sales; a cash account may not spend them before the next session."""
    moved_micros: int = 0
    """Cash that has come or gone since it began, otherwise than by trading."""
    costs_micros: int = 0
    """Commissions of today's executions."""
    resumed_at: datetime | None = None
    """When a person has last resumed entries of everything, or cleared a breaker of creations."""

    @property
    def creations_from(self) -> datetime:
        """Positions that came to be before are not counted any more."""
        return self.resumed_at or self.started_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """One account's committed state, by symbol or reference. Replaced whole after each commit, never changed."""

    account: str
    epoch: int
    cash_micros: int
    starting_cash_micros: int
    positions: Mapping[str, Position]
    """Held ones only."""
    lots: Mapping[str, tuple[Lot, ...]]
    orders: Mapping[str, Order]
    """Live ones only."""
    exits: Mapping[str, Order]
    """The live order that holds a symbol's exit slot."""
    locks: Mapping[str, PendingLock]
    """Symbol -> the right of its working entry."""
    halts: Mapping[str, Halt]
    latches: Mapping[str, Latch]
    """Breakers that have tripped, by key."""
    cleared: Mapping[str, datetime]
    """Key of a latch -> when a person has last cleared it."""
    drift: Mapping[str, Drift]
    """By symbol: what book and broker do not agree on."""
    cash_drift: CashDrift | None
    """Cash that they do not agree on."""
    day: Day | None
    day_trades: Mapping[date, int]
    """Round trips within one session, by exchange date: of the last sessions only."""
    past_creations: Mapping[str, tuple[datetime, ...]]
    """By symbol: when those positions of the day came to be that are flat again."""
    orders_made: int
    """How many order references this epoch has used."""
    signals_seen: int
    build: str = ""
    """What runs, by its fingerprint: it stands on every order that is made. Empty in a replay."""

    @property
    def reserved_micros(self) -> int:
        """Cash that working entries may still spend."""
        return sum(lock.reserved_micros for lock in self.locks.values())

    def seen(self, signals: int) -> "Book":
        """The same book, so many signals later."""
        return replace(self, signals_seen=signals) if signals != self.signals_seen else self

    def spent(self, orders_made: int) -> "Book":
        """The same book, whose references up to this number are never used again.

        They may stand on the disk, or at the broker, though no commit of them was acknowledged.
        """
        return replace(self, orders_made=max(self.orders_made, orders_made))

    def equity_micros(self, prices: Prices) -> int:
        """Cash plus positions at their last price."""
        return self.cash_micros + prices.worth_micros(self.positions.values())


@dataclass(slots=True, kw_only=True)
class Portfolio:
    """What the decisions of one step may see: exposure counts positions at market, working entries at their worst case.

    A decision only reads it; `take` counts its ticket before the next one looks.
    """

    account: str
    cash_micros: int
    reserved_micros: int
    equity_micros: int
    gross_micros: int
    family_micros: dict[str, int]
    positions: Mapping[str, Position]
    locks: Mapping[str, PendingLock]
    exits: Mapping[str, Order]
    unknown: frozenset[str]
    """Symbols with an order of unknown fate."""
    halts: Mapping[str, Halt]
    latches: Mapping[str, Latch]
    drift: Mapping[str, Drift]
    day: Day
    slots: int
    """Open positions and working entries, each symbol once."""
    day_trades: int
    """Of five sessions, those included that the slots will become when they close today."""
    turning: Mapping[str, str]
    """Family -> the instrument it is turning to: closes have been asked for, nothing of it may be held meanwhile."""
    opened_at: Mapping[str, datetime]
    """Family -> the bar time of its newest opening."""
    entries_last_minute: int
    created_last_hour: int
    """Positions, and working entries that will be some."""
    past_creations: Mapping[str, tuple[datetime, ...]]

    def halt_for(self, family: str, symbol: str) -> Halt | None:
        """The halt that bars an entry, the widest first."""
        if not self.halts:
            return None
        for key in scopes_of(family, symbol):
            if key in self.halts:
                return self.halts[key]
        return None

    def latch_for(self, family: str, symbol: str) -> Latch | None:
        """The tripped breaker that bars an entry, the oldest first."""
        for latch in self.latches.values():
            if latch.covers(family, symbol):
                return latch
        return None

    def take(self, ticket: Ticket, locks: Mapping[str, PendingLock]) -> None:
        """Count a ticket's cash, slot and exposure as taken; `locks` hold its own."""
        reserved = ticket.reserved_micros
        self.reserved_micros += reserved
        self.gross_micros += reserved
        self.family_micros[ticket.family] = self.family_micros.get(ticket.family, 0) + reserved
        self.locks = locks
        self.day = self.day._replace(
            openings=self.day.openings + 1, notional_micros=self.day.notional_micros + reserved
        )
        self.slots += ticket.takes_slot
        self.day_trades += ticket.takes_slot
        self.entries_last_minute += 1
        self.created_last_hour += ticket.takes_slot
