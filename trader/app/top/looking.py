"""What `trader top` shows, read at once: the daemon's word, and the rows of the book."""

import sqlite3
from collections.abc import Mapping
from typing import NamedTuple

from trader.app.cli.context import account_of
from trader.app.settings import Settings
from trader.app.standing import Standing, ask_daemon, read_standing
from trader.app.web.overview import OpenAlarm, read_open_alarms

_SIGNALS_SHOWN = 30


class Seen(NamedTuple):
    """One look."""

    standing: Standing
    alarms: tuple[OpenAlarm, ...]
    signals: tuple[Mapping[str, object], ...]
    """As they came in, the newest first."""


def look(settings: Settings) -> Seen:
    """Ask the daemon and read the book. Raises BookError."""
    daemon = ask_daemon(settings)
    with account_of(settings) as (book, account, _):
        standing = read_standing(book, settings, daemon)
        return Seen(standing, tuple(read_open_alarms(book, account)), _signals(book, account))


def _signals(book: sqlite3.Connection, account: str) -> tuple[Mapping[str, object], ...]:
    rows = book.execute(
        "SELECT signal_us, symbol, probability, outcome, stage, rule, measured, limit_value, count FROM book_signals "
        "WHERE account = ? ORDER BY rowid DESC LIMIT ?",
        (account, _SIGNALS_SHOWN),
    )
    return tuple(dict(row) for row in rows)
