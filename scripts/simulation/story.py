"""The orders that a violation is about, and their stories as `trader why` tells them."""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from trader.adapters.sqlite.database import read_only
from trader.app.links import AccountRows, find_links
from trader.app.story import Happening, tell
from trader.domain.errors import TraderError

_MOST = 2
"""Stories; who wants more asks `trader why`."""
_NAME = re.compile(r"[\w.:/-]+")


class Story(NamedTuple):
    """Of one order."""

    order_ref: str
    happenings: list[Happening]


def newest_book(folder: Path) -> Path | None:
    """Of the folders of a run's lives, the last one that has a book."""
    lives = sorted((life for life in folder.iterdir() if life.name.isdigit()), key=lambda life: int(life.name))
    books = [life / "trading_data.db" for life in lives]
    return next((book for book in reversed(books) if book.exists()), None)


def stories(path: Path, fault: str, lines: Sequence[str]) -> list[Story]:
    """Of the orders that the fault names, else of its symbols' newest ones, else of those last spoken of in the log.

    Empty where the book cannot be read: it may be what is wrong.
    """
    try:
        book = read_only(path)
    except TraderError:
        return []
    try:
        found = list(_of(book, fault, lines))
    except (sqlite3.Error, ValueError):
        return []
    finally:
        book.close()
    return found


def _of(book: sqlite3.Connection, fault: str, lines: Sequence[str]) -> Iterator[Story]:
    orders = book.execute("SELECT account, order_ref, symbol FROM book_orders ORDER BY created_us DESC").fetchall()
    accounts = {order["order_ref"]: order["account"] for order in orders}
    for ref in _refs(orders, fault, lines)[:_MOST]:
        rows = AccountRows(book, accounts[ref])
        links = find_links(rows, ref)
        if links is not None:
            yield Story(ref, tell(rows, links))


def _refs(orders: Sequence[sqlite3.Row], fault: str, lines: Sequence[str]) -> list[str]:
    known = {order["order_ref"] for order in orders}
    newest = {order["symbol"]: order["order_ref"] for order in reversed(orders)}
    names = _names(fault)
    named = [name for name in names if name in known] or [newest[name] for name in names if name in newest]
    return named or [name for line in reversed(lines) for name in _names(line) if name in known]


def _names(text: str) -> list[str]:
    """Words that may be names, each once, in order."""
    return list(dict.fromkeys(word.strip(".:") for word in _NAME.findall(text)))
