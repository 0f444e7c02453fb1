"""What a scratch book says of its protections: who said "no", who stopped entries, what was closed, what was alarmed.

Nothing here names a rule. What a protection is called, what it measured and what its limit was is in the rows that it
has written.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from trader.adapters.sqlite.database import read_only
from trader.adapters.sqlite.rows import from_us
from trader.app.links import AccountRows
from trader.domain.decision import UNSTAMPED
from trader.domain.money import dollars


class Kind(StrEnum):
    """How a protection acted."""

    REFUSAL = "refusal"
    """It refused a signal."""
    HALT = "halt"
    """It stopped entries until a person resumes them."""
    BREAKER = "breaker"
    """It measured too much, and stopped entries until a person clears it."""
    EXIT = "exit"
    """It closed a position."""
    ALARM = "alarm"
    """It told a person."""
    UNCHANGED = "unchanged"
    """It let the same opinion change nothing."""


class Catch(NamedTuple):
    """One act of a protection. `measured` and `limit` are in the unit a person would use."""

    at: datetime | None
    """Market time; None before there is a market."""
    kind: Kind
    stage: str
    rule: str
    symbol: str
    measured: float | None = None
    limit: float | None = None
    said: str = ""
    times: int = 1


class Evidence(NamedTuple):
    """Everything that a scratch book has of it, by time."""

    catches: Sequence[Catch]
    loss_usd: float
    """What the account has lost, at last prices; negative for a gain."""

    def stopped(self) -> Catch | None:
        """What has stopped all entries first, if anything has: a halt by the name of the alarm that it has raised."""
        first = self.first(Kind.HALT, Kind.BREAKER)
        if first is None or first.kind is Kind.BREAKER:
            return first
        alarm = next((c for c in self.catches if c.kind is Kind.ALARM and c.at == first.at), None)
        return first._replace(rule=alarm.rule, symbol=alarm.symbol) if alarm is not None else first

    def first(self, *kinds: Kind) -> Catch | None:
        """The first act of these kinds."""
        return next((catch for catch in self.catches if catch.kind in kinds), None)

    def most(self, after: datetime, *kinds: Kind) -> Catch | None:
        """The rule that has acted most often after an instant, with these kinds: its first act since then."""
        later = [catch for catch in self.catches if catch.kind in kinds and catch.at is not None and catch.at > after]
        counts = Counter[str]()
        for catch in later:
            counts[catch.rule] += catch.times
        rule = next((rule for rule, _ in counts.most_common(1)), "")
        first = next((catch for catch in later if catch.rule == rule), None)
        return first._replace(times=counts[rule]) if first is not None else None


def read_evidence(db: Path, account: str) -> Evidence:
    """Read a scratch book. Raises BookError."""
    book = read_only(db)
    try:
        rows = AccountRows(book, account)
        catches = [*_signals(rows), *_halts(rows), *_latches(rows), *_exits(rows), *_alarms(rows)]
        return Evidence(sorted(catches, key=lambda catch: catch.at or UNSTAMPED), _loss_usd(rows))
    finally:
        book.close()


def _signals(rows: AccountRows) -> Iterator[Catch]:
    for row in rows.all("SELECT * FROM book_signals WHERE account = ? ORDER BY rowid"):
        at, times = from_us(row["received_us"]), int(row["count"])
        if row["rule"] is not None:
            yield Catch(
                at,
                Kind.REFUSAL,
                row["stage"],
                row["rule"],
                row["symbol"],
                row["measured"],
                row["limit_value"],
                row["detail"],
                times,
            )
        elif row["outcome"] == "unchanged":
            yield Catch(at, Kind.UNCHANGED, "allocation", "unchanged", row["symbol"], row["probability"], times=times)


def _halts(rows: AccountRows) -> Iterator[Catch]:
    for row in rows.all("SELECT since_us, reason FROM book_halts WHERE account = ? AND scope = 'all' ORDER BY id"):
        yield Catch(from_us(row["since_us"]), Kind.HALT, "halt", "halted", "", said=row["reason"])


def _latches(rows: AccountRows) -> Iterator[Catch]:
    for row in rows.all("SELECT * FROM book_latches WHERE account = ? AND target = '' ORDER BY id"):
        at, measured, limit = from_us(row["tripped_us"]), row["measured"], row["limit_value"]
        yield Catch(at, Kind.BREAKER, "breaker", row["breaker"], "", measured, limit, row["cause"])


_SALES = """
SELECT CASE WHEN o.purpose = 'protection' THEN o.updated_us ELSE o.created_us END AS acted_us,
       o.purpose, o.reason, o.symbol,
       (SELECT f.price_micros FROM book_fills f WHERE f.account = o.account AND f.order_ref = o.order_ref
        ORDER BY f.id LIMIT 1) AS price_micros,
       o.stop_micros AS own_stop_micros,
       (SELECT json_extract(e.data, '$.stop_micros') FROM book_events e WHERE e.account = o.account
          AND e.symbol = o.symbol AND e.type = 'fill' AND e.at_us <= o.created_us
          AND json_extract(e.data, '$.stop_micros') IS NOT NULL ORDER BY e.seq DESC LIMIT 1) AS stop_micros
FROM book_orders o WHERE o.account = ? AND o.side = 'SELL' AND (o.purpose <> 'protection' OR o.filled > 0)
ORDER BY acted_us, o.order_ref
"""
"""What stands at the broker acts when it is filled."""


def _exits(rows: AccountRows) -> Iterator[Catch]:
    for row in rows.all(_SALES):
        level_micros = row["own_stop_micros"] or row["stop_micros"]
        stop = _usd(level_micros) if row["reason"] == "stop" else None
        at, said = from_us(row["acted_us"]), f"purpose {row['purpose']}"
        yield Catch(at, Kind.EXIT, "exit", row["reason"], row["symbol"], _usd(row["price_micros"]), stop, said)


def _usd(price_micros: int | None) -> float | None:
    return None if price_micros is None else float(dollars(price_micros))


def _alarms(rows: AccountRows) -> Iterator[Catch]:
    for row in rows.all("SELECT * FROM book_alarms WHERE account = ? ORDER BY seq"):
        at = from_us(row["first_us"])
        yield Catch(at, Kind.ALARM, "alarm", row["type"], row["subject"], said=row["text"], times=row["count"])


def _loss_usd(rows: AccountRows) -> float:
    row: sqlite3.Row | None = rows.one("SELECT starting_cash - equity AS lost FROM account WHERE account = ?")
    return float(row["lost"]) if row is not None else 0.0
