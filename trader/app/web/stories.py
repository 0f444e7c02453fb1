"""The page of one id: its whole story, and the candles around it."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import orjson

from trader.adapters.sqlite.rows import from_us, to_us
from trader.app.links import AccountRows, find_links, nearest
from trader.app.report import charts
from trader.app.story import Happening, tell
from trader.domain.money import MICROS_PER_DOLLAR

_AROUND = timedelta(minutes=30)
_LONGEST = timedelta(days=3)
"""Of a longer story no candles are drawn: nobody could tell one from another."""


class Story(NamedTuple):
    """What there is to tell of an id; `story` is None of one that the book does not know."""

    id: str
    kind: str
    story: Sequence[Happening] | None
    near: Sequence[str]
    candles: charts.Chart | None


def read_story(book: sqlite3.Connection, account: str, id_: str) -> Story:
    """Everything that belongs to an id."""
    rows = AccountRows(book, account)
    links = find_links(rows, id_)
    if links is None:
        return Story(id_, "", None, tuple(nearest(rows, id_)), None)
    story = tell(rows, links)
    symbols = sorted({episode.symbol for episode in links.episodes})
    drawn = _candles(book, account, symbols[0], story) if len(symbols) == 1 and story else None
    return Story(id_, links.kind, story, (), drawn)


def _candles(book: sqlite3.Connection, account: str, symbol: str, story: Sequence[Happening]) -> charts.Chart | None:
    first, last = story[0].at - _AROUND, story[-1].at + _AROUND
    if last - first > _LONGEST:
        return None
    bars = _bars(book, account, symbol, first, last)
    marks = [(happening.at, happening.what) for happening in story if happening.what == "fill"]
    return charts.candles(bars, marks) if bars else None


def _bars(
    book: sqlite3.Connection, account: str, symbol: str, first: datetime, last: datetime
) -> list[tuple[datetime, float, float, float, float]]:
    """The recorded bars of a symbol, dollars."""
    found = []
    for at_us, data in book.execute(
        "SELECT at_us, data FROM book_inputs WHERE account = ? AND kind = 'BarTime' AND at_us BETWEEN ? AND ? "
        "ORDER BY seq",
        (account, to_us(first), to_us(last)),
    ):
        for name, *prices, _ in orjson.loads(data)["bars"]:
            if name == symbol:
                opens, high, low, close = (price / MICROS_PER_DOLLAR for price in prices)
                found.append((from_us(at_us), opens, high, low, close))
    return found
