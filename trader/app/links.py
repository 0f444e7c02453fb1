"""What belongs together: signal, orders, executions and the position that they made, from flat to flat.

Links are followed in both directions: from a signal to its entry and everything after it, and from anything in between
back to the signals that began and ended it.
"""

import json
import sqlite3
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from trader.pipeline.intake import decided_before

_NEAREST = 5
_LONGEST_NUMBER = 18  # a longer one is none that SQLite has given


class Episode(NamedTuple):
    """One position from flat to flat, or to now (`until_us` None). Its times are those of booking, stored."""

    symbol: str
    fills: tuple[sqlite3.Row, ...]
    since_us: int
    until_us: int | None

    @property
    def order_refs(self) -> set[str]:
        """Orders that were filled in it."""
        return {fill["order_ref"] for fill in self.fills}

    @property
    def executions(self) -> set[str]:
        """Executions that it consists of."""
        return {fill["execution_id"] for fill in self.fills}

    def holds(self, symbol: str, at_us: int) -> bool:
        """Whether it was the position of this symbol at an instant; at the instant it got flat it is not any more."""
        return symbol == self.symbol and self.since_us <= at_us and (self.until_us is None or at_us < self.until_us)


class Closing(NamedTuple):
    """The journal's word that a position has to go."""

    symbol: str
    at_us: int
    signal_id: str


@dataclass(slots=True)
class Links:
    """Everything that belongs to one story."""

    kind: str
    signals: set[str] = field(default_factory=set)
    orders: set[str] = field(default_factory=set)
    executions: set[str] = field(default_factory=set)
    episodes: list[Episode] = field(default_factory=list)


class AccountRows:
    """Rows of one account: the first parameter of every query is the account."""

    def __init__(self, book: sqlite3.Connection, account: str) -> None:
        self._book = book
        self._account = account

    def all(self, query: str, *values: object) -> list[sqlite3.Row]:
        """Every row."""
        return self._book.execute(query, (self._account, *values)).fetchall()

    def one(self, query: str, *values: object) -> sqlite3.Row | None:
        """The first row, if there is one."""
        return next(iter(self.all(query, *values)), None)


def find_links(rows: AccountRows, id_: str) -> Links | None:
    """What an id names and everything it is linked with, or None when the book does not know it."""
    links = _signal(rows, id_) or _order(rows, id_) or _execution(rows, id_)
    if links is None:
        return None
    closings = _closings(rows)
    links.episodes = _episodes(rows, links, [closing for closing in closings if closing.signal_id == id_])
    for episode in links.episodes:
        links.executions |= episode.executions
        links.orders |= episode.order_refs | _ordered_meanwhile(rows, episode)
        links.signals |= {closing.signal_id for closing in closings if episode.holds(closing.symbol, closing.at_us)}
    for ref in links.orders:
        order = rows.one("SELECT signal_id FROM book_orders WHERE account = ? AND order_ref = ?", ref)
        links.signals |= {order["signal_id"]} if order is not None else set()
    links.signals.discard("")
    return links


def nearest(rows: AccountRows, id_: str) -> list[str]:
    """Known ids around this one, among those that begin as it does for as long as any does."""
    known = {
        str(row[0])
        for query in (
            "SELECT id FROM book_signals WHERE account = ?",
            "SELECT order_ref FROM book_orders WHERE account = ?",
            "SELECT execution_id FROM book_fills WHERE account = ?",
            "SELECT id FROM book_fills WHERE account = ?",
        )
        for row in rows.all(query)
    }
    for length in range(len(id_), 0, -1):
        alike = sorted((len(name), name) for name in known if name.startswith(id_[:length]))
        if alike:
            first = max(0, min(bisect_left(alike, (len(id_), id_)) - _NEAREST // 2, len(alike) - _NEAREST))
            return [name for _, name in alike[first : first + _NEAREST]]
    return []


def _signal(rows: AccountRows, id_: str) -> Links | None:
    signal = rows.one("SELECT order_ref FROM book_signals WHERE account = ? AND id = ?", id_)
    if signal is None:
        return None
    ordered = rows.all("SELECT order_ref FROM book_orders WHERE account = ? AND signal_id = ?", id_)
    orders = {signal["order_ref"], *(row["order_ref"] for row in ordered)} - {""}
    repeats = rows.all(
        "SELECT id FROM book_signals WHERE account = ? AND rule = 'repeated' AND detail = ?", decided_before(id_)
    )
    return Links("signal", signals={id_, *(row["id"] for row in repeats)}, orders=orders)


def _order(rows: AccountRows, id_: str) -> Links | None:
    if rows.one("SELECT 1 FROM book_orders WHERE account = ? AND order_ref = ?", id_) is None:
        return None
    return Links("order", orders={id_})


def _execution(rows: AccountRows, id_: str) -> Links | None:
    """By the broker's id, else by the number that `trader trades` shows."""
    fill = rows.one("SELECT execution_id FROM book_fills WHERE account = ? AND execution_id = ?", id_)
    if fill is None and id_.isascii() and id_.isdigit() and len(id_) <= _LONGEST_NUMBER:
        fill = rows.one("SELECT execution_id FROM book_fills WHERE account = ? AND id = ?", int(id_))
    return Links("execution", executions={fill["execution_id"]}) if fill is not None else None


def _closings(rows: AccountRows) -> list[Closing]:
    found = []
    for row in rows.all(
        "SELECT symbol, at_us, data FROM book_events WHERE account = ? AND type = 'position_closing' ORDER BY seq"
    ):
        try:
            found.append(Closing(row["symbol"], row["at_us"], str(json.loads(row["data"]).get("signal_id", ""))))
        except ValueError:  # a damaged event; the story itself says so
            continue
    return found


def _episodes(rows: AccountRows, links: Links, closed: list[Closing]) -> list[Episode]:
    """The positions that these orders, executions and closings belong to."""
    orders = [
        order
        for ref in sorted(links.orders)
        for order in rows.all("SELECT symbol, created_us FROM book_orders WHERE account = ? AND order_ref = ?", ref)
    ]
    fills = [
        fill
        for id_ in links.executions
        for fill in rows.all("SELECT symbol FROM book_fills WHERE account = ? AND execution_id = ?", id_)
    ]
    moments = [(order["symbol"], order["created_us"]) for order in orders]
    moments += [(closing.symbol, closing.at_us) for closing in closed]
    symbols = sorted({symbol for symbol, _ in moments} | {fill["symbol"] for fill in fills})
    return [
        episode
        for symbol in symbols
        for episode in _of_symbol(rows, symbol)
        if episode.order_refs & links.orders
        or episode.executions & links.executions
        or any(episode.holds(*moment) for moment in moments)
    ]


def _of_symbol(rows: AccountRows, symbol: str) -> Iterator[Episode]:
    held = 0
    fills: list[sqlite3.Row] = []
    for fill in rows.all("SELECT * FROM book_fills WHERE account = ? AND symbol = ? ORDER BY id", symbol):
        fills.append(fill)
        held += fill["quantity"] if fill["side"] == "BUY" else -fill["quantity"]
        if held == 0:
            yield Episode(symbol, tuple(fills), fills[0]["booked_us"], fill["booked_us"])
            fills = []
    if fills:
        yield Episode(symbol, tuple(fills), fills[0]["booked_us"], None)


def _ordered_meanwhile(rows: AccountRows, episode: Episode) -> set[str]:
    """Orders of the symbol made while it was held, also those that came to nothing."""
    made = rows.all("SELECT order_ref, created_us FROM book_orders WHERE account = ? AND symbol = ?", episode.symbol)
    return {row["order_ref"] for row in made if episode.holds(episode.symbol, row["created_us"])}
