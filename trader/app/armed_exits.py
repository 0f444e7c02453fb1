"""The ledger on disk against the exits that the daemon armed in its last whole scan: two sources, put side by side."""

import sqlite3
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from trader.adapters.sqlite.queries import QUERIES
from trader.domain.consistency import Consistency, Gap, consistency_of, gaps_between

if TYPE_CHECKING:
    from trader.app.standing import DaemonSays


_PROTECTED = """
    SELECT s.symbol, sum(s.quantity - (SELECT sum(g.filled) FROM book_orders g
                                       WHERE g.account = s.account AND g.oca = s.oca AND g.oca <> ''))
    FROM book_orders s
    WHERE s.account = ? AND s.purpose = 'protection' AND s.stop_micros IS NOT NULL AND s.state = 'working'
    GROUP BY s.symbol"""
"""Shares that stops at the broker sell without a daemon."""


class ArmedExits(NamedTuple):
    """One comparison."""

    consistency: Consistency
    gaps: tuple[Gap, ...]
    held: int
    """Positions in the ledger."""
    armed: Mapping[str, int]
    scanned_at: str
    """Market time of the last whole scan, ISO-8601; empty when there was none."""

    def in_words(self) -> str:
        """For a person."""
        watched = f"{self.held - len(self.gaps)} of {self.held} positions watched"
        return f"{self.consistency}: {watched}, last scan {self.scanned_at or 'never'}"


def read_armed_exits(book: sqlite3.Connection, account: str, daemon: "DaemonSays") -> ArmedExits:
    """Compare by symbol and shares. Without a daemon only what stops at the broker cover is armed, by the book."""
    held = {
        row[0]: row[1]
        for row in book.execute(
            "SELECT symbol, quantity FROM book_positions WHERE account = ? AND quantity > 0", (account,)
        )
    }
    scan = daemon.answer.get("scan") if daemon.answer is not None else None
    armed, unarmed, at = _read(scan)
    if scan is None:
        unarmed = dict.fromkeys(held, "no daemon watches it")
        protected = dict(book.execute(_PROTECTED, (account,)).fetchall()) if _is_outside(book, account) else {}
        armed = {symbol: min(held[symbol], shares) for symbol, shares in protected.items() if symbol in held}
    gaps = gaps_between(held, armed, unarmed)
    return ArmedExits(consistency_of(held, gaps), gaps, len(held), armed, at)


def _is_outside(book: sqlite3.Connection, account: str) -> bool:
    """Whether its broker outlives the daemon. The paper broker does not, and calls the account as we do."""
    called: dict[str, str] = dict(book.execute(QUERIES["broker_accounts"]).fetchall())
    return called.get(account, account) != account


def _read(scan: object) -> tuple[dict[str, int], dict[str, str], str]:
    """The daemon's word, checked: what is no scan is none, and what is no number of shares arms nothing."""
    if not isinstance(scan, Mapping):
        return {}, {}, ""
    armed, unarmed = scan.get("armed"), scan.get("unarmed")
    return (
        {str(symbol): shares for symbol, shares in armed.items() if isinstance(shares, int)}
        if isinstance(armed, Mapping)
        else {},
        {str(symbol): str(why) for symbol, why in unarmed.items()} if isinstance(unarmed, Mapping) else {},
        str(scan.get("at") or ""),
    )
