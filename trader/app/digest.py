"""The digest of a day: what was traded and refused, what is held, what alarms there were. Read from the book alone."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime

from trader.adapters.sqlite.database import read_only
from trader.adapters.sqlite.one_account import show_only
from trader.adapters.sqlite.rows import to_us
from trader.app.settings import Settings
from trader.domain.alarm import AlarmType, Telling
from trader.domain.money import usd
from trader.domain.session import new_york_date, new_york_day

_RULES_SHOWN = 5


def digest_of(settings: Settings, at: datetime) -> str:
    """The New York day of an instant, in lines for a person. Raises BookError."""
    day = new_york_date(at)
    begins, ends = new_york_day(day)
    bounds = (to_us(begins), to_us(ends))
    off = settings.alarms.told(Telling.OFF)
    with closing(read_only(settings.book.db)) as book:
        account = settings.account.name
        show_only(book, account)
        day_of = (account, *bounds)
        lines = (*_traded(book, day_of), _refused(book, day_of), *_stands(book, account), _alarms(book, day_of, off))
    return "\n".join((f"{day} New York, account {settings.account.name}", *lines))


_Day = tuple[str, int, int]
"""Whose, and from when to when."""


def _traded(book: sqlite3.Connection, of: _Day) -> Iterator[str]:
    fills, realized, commission = book.execute(
        "SELECT count(*), coalesce(sum(realized_micros), 0), coalesce(sum(commission_micros), 0) FROM charged_fills "
        "WHERE account = ? AND executed_us >= ? AND executed_us < ?",
        of,
    ).fetchone()
    trips, won = book.execute(
        "SELECT count(*), coalesce(sum(pnl_micros > 0), 0) FROM book_round_trips "
        "WHERE account = ? AND closed_us >= ? AND closed_us < ?",
        of,
    ).fetchone()
    yield f"realised: {usd(realized)} USD, commissions {usd(commission)}"
    yield f"trades: {fills} executions, {trips} round trips, {won} of them won"


def _refused(book: sqlite3.Connection, of: _Day) -> str:
    rules = book.execute(
        "SELECT rule, sum(count) FROM book_signals "
        "WHERE account = ? AND outcome = 'refused' AND received_us >= ? AND received_us < ? "
        "GROUP BY 1 ORDER BY 2 DESC, 1",
        of,
    ).fetchall()
    named = ", ".join(f"{rule} {count}" for rule, count in rules[:_RULES_SHOWN])
    return f"refused: {sum(count for _, count in rules)} signals{f' ({named})' if named else ''}"


def _stands(book: sqlite3.Connection, account: str) -> Iterator[str]:
    """Now, which after the close is as the day has left it."""
    positions = book.execute(
        "SELECT symbol, quantity FROM book_positions WHERE account = ? AND quantity > 0", (account,)
    )
    held = [f"{symbol} {quantity}" for symbol, quantity in positions]
    differ = book.execute("SELECT symbol, book, broker FROM book_drift WHERE account = ?", (account,))
    drift = [f"{symbol} (book {ours}, broker {theirs})" for symbol, ours, theirs in differ]
    [equity] = book.execute("SELECT equity FROM account WHERE account = ?", (account,)).fetchone()
    yield f"held now: {', '.join(held) or 'nothing'}; equity {equity:,.2f} USD"
    yield f"book and broker: {'differ in ' + ', '.join(drift) if drift else 'no difference in shares is known'}"


def _alarms(book: sqlite3.Connection, of: _Day, off: frozenset[AlarmType]) -> str:
    types = book.execute(
        "SELECT type, sum(count), sum(acknowledged_us IS NULL AND severity <> 'info') FROM book_alarms "
        "WHERE account = ? AND last_us >= ? AND last_us < ? GROUP BY 1 ORDER BY 1",
        of,
    ).fetchall()
    told = [(type_, count, open_) for type_, count, open_ in types if type_ not in (*off, AlarmType.DAY_CLOSED)]
    named = ", ".join(f"{type_} {count}" for type_, count, _ in told)
    return f"alarms: {named or 'none'}; {sum(open_ for *_, open_ in told)} not acknowledged"
