"""The account's equity over time, from its fills, its cash movements and the bars that were recorded.

Rule 1: the walk starts with the account and ends with the period, so that what was held before is known.
Rule 2: what is held counts at the last price that the book has of it: a recorded bar's close, else its last fill.
Rule 3: cash that came or went otherwise than by trading moves the equity and is no profit.
"""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from heapq import merge
from itertools import takewhile
from typing import NamedTuple

import orjson

from trader.adapters.sqlite.rows import from_us
from trader.app.report.period import Period
from trader.domain.money import MICROS_PER_DOLLAR
from trader.domain.session import new_york_date

LONGEST_WEEK_US = 7 * 86_400 * 1_000_000
"""What is held when a period begins is worth its last price: a week reaches over every holiday."""


class Point(NamedTuple):
    """The account at a moment, dollars."""

    at: datetime
    equity: float
    drawdown: float
    """Below the highest profit so far in the period; 0 or less."""


class Day(NamedTuple):
    """A New York date of the period, dollars."""

    day: date
    opening_equity: float
    closing_equity: float
    pnl: float
    """Without cash that was moved."""
    moved: float
    fills: int
    commission: float


class Course(NamedTuple):
    """A period's equity; `cash` is what the fills and movements up to its end come to, dollars."""

    points: tuple[Point, ...]
    days: tuple[Day, ...]
    pnl: float
    commission: float
    max_drawdown: float
    cash: float


class _Change(NamedTuple):
    """Something that moved the account, or the price of something: in the order of time."""

    at_us: int
    cash_micros: int
    """What trading did to the cash, commission included."""
    moved_micros: int
    commission_micros: int
    symbol: str
    shares: int
    """Bought, or sold with a minus; of an option those that its contracts are of."""
    prices: tuple[tuple[str, int], ...]


def read_course(book: sqlite3.Connection, account: str, period: Period) -> Course:
    """Walk an account's history up to the period's end."""
    first_us, _ = period.bounds_us
    opened = book.execute("SELECT starting_cash_micros FROM book_accounts WHERE account = ?", (account,)).fetchone()
    walk = _Walk(int(opened[0]))
    for change in _changes(book, account, period):
        if change.at_us >= first_us:
            walk.look_before(change)
        walk.apply(change)
        if change.at_us >= first_us:
            walk.look_after(change)
    return walk.course()


@dataclass(slots=True)
class _DayMicros:
    """A date while it goes on, exact."""

    day: date
    opening: int
    closing: int
    moved: int = 0
    fills: int = 0
    commission: int = 0

    @property
    def pnl(self) -> int:
        return self.closing - self.opening - self.moved

    def in_dollars(self) -> Day:
        return Day(
            self.day,
            _usd(self.opening),
            _usd(self.closing),
            _usd(self.pnl),
            _usd(self.moved),
            self.fills,
            _usd(self.commission),
        )


class _Walk:
    """Goes from change to change."""

    def __init__(self, cash_micros: int) -> None:
        self._cash = cash_micros
        self._moved = 0
        self._held: dict[str, int] = {}
        self._prices: dict[str, int] = {}
        self._peak: int | None = None
        self._points: list[Point] = []
        self._days: list[_DayMicros] = []
        self._max_drawdown = 0

    def look_before(self, change: _Change) -> None:
        """A new date opens with what the one before it has left."""
        day = new_york_date(from_us(change.at_us))
        equity = self._equity()
        if self._peak is None:
            self._peak = equity - self._moved
        if not self._days or self._days[-1].day != day:
            self._days.append(_DayMicros(day, equity, equity))

    def apply(self, change: _Change) -> None:
        """Cash, what is held, and what it is worth."""
        self._cash += change.cash_micros + change.moved_micros
        self._moved += change.moved_micros
        if change.shares:
            held = self._held.get(change.symbol, 0) + change.shares
            self._held[change.symbol] = held
        self._prices.update(change.prices)

    def look_after(self, change: _Change) -> None:
        """A point of the curve, and the date's figures."""
        equity = self._equity()
        profit = equity - self._moved
        self._peak = max(profit, self._peak if self._peak is not None else profit)
        drawdown = profit - self._peak
        self._max_drawdown = min(self._max_drawdown, drawdown)
        at = from_us(change.at_us)
        if self._points and self._points[-1].at == at:
            self._points.pop()
        self._points.append(Point(at, _usd(equity), _usd(drawdown)))
        day = self._days[-1]
        day.closing = equity
        day.moved += change.moved_micros
        day.commission += change.commission_micros
        day.fills += 1 if change.shares else 0

    def course(self) -> Course:
        """What was seen."""
        return Course(
            points=tuple(self._points),
            days=tuple(day.in_dollars() for day in self._days),
            pnl=_usd(sum(day.pnl for day in self._days)),
            commission=_usd(sum(day.commission for day in self._days)),
            max_drawdown=_usd(self._max_drawdown),
            cash=_usd(self._cash),
        )

    def _equity(self) -> int:
        return self._cash + sum(quantity * self._prices[symbol] for symbol, quantity in self._held.items() if quantity)


def _changes(book: sqlite3.Connection, account: str, period: Period) -> Iterator[_Change]:
    """Everything in the order of time; at one moment bars come before fills, which come after them."""
    first_us, end_us = period.bounds_us
    bars = _bars(book, account, first_us - LONGEST_WEEK_US, end_us)
    ways = (bars, _fills(book, account, end_us), _movements(book, account, end_us))
    return merge(*ways, key=lambda change: change.at_us)


def _fills(book: sqlite3.Connection, account: str, end_us: int) -> Iterator[_Change]:
    for symbol, side, shares, price, commission, at_us in book.execute(
        "SELECT symbol, side, quantity * multiplier, price_micros, commission_micros, executed_us FROM charged_fills "
        "WHERE account = ? AND executed_us < ? ORDER BY executed_us, id",
        (account, end_us),
    ):
        signed = shares if side == "BUY" else -shares
        yield _Change(at_us, -signed * price - commission, 0, commission, symbol, signed, ((symbol, price),))


def _movements(book: sqlite3.Connection, account: str, end_us: int) -> Iterator[_Change]:
    for at_us, data in book.execute(
        "SELECT at_us, data FROM book_events WHERE account = ? AND type = 'cash_moved' AND at_us < ? ORDER BY seq",
        (account, end_us),
    ):
        yield _Change(at_us, 0, int(json.loads(data)["amount_micros"]), 0, "", 0, ())


def _bars(book: sqlite3.Connection, account: str, since_us: int, end_us: int) -> Iterator[_Change]:
    """The recorded bars: the close of each is known at its end."""
    newest_first = book.execute(
        "SELECT at_us, data FROM book_inputs WHERE account = ? AND kind = 'BarTime' AND at_us < ? ORDER BY seq DESC",
        (account, end_us),
    )
    recorded = list(takewhile(lambda row: row[0] >= since_us, newest_first))  # so that a long history costs nothing
    for at_us, data in reversed(recorded):
        bars = orjson.loads(data)["bars"]
        yield _Change(at_us, 0, 0, 0, "", 0, tuple((bar[0], int(bar[4])) for bar in bars))


def _usd(amount_micros: int) -> float:
    return round(amount_micros / MICROS_PER_DOLLAR, 2)
