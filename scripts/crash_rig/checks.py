"""What has to be true: of a book whose daemon has just died, of one that has recovered, and of one that is settled.

Everything is read by plain SQL from the file, and compared with what the broker knows. A check gives its faults, in
words; an empty list is a yes.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from invariants import violations

from crash_rig.messages import BY_HAND, Snapshot
from trader.adapters.spill_file import SpillFile, spill_path
from trader.adapters.sqlite.projections import compare
from trader.domain.order import Fill

_BEFORE_ITS_FIRST_EVENT = frozenset({"the journal's fills give the book"})
"""Not asked of an account that is made and not journaled yet."""

_TRADED_BY_HAND = frozenset({"never both sides of a family"})
"""Who trades the account by hand can buy what he wants; the next step begins to repair it."""

_LIVE = "('created', 'working', 'cancelling', 'unknown')"


class Checks:
    """Of one account in one book."""

    def __init__(self, path: Path, account: str) -> None:
        self._path = path
        self._account = account

    def dead(self, known: Snapshot) -> list[str]:
        """At every instant: the book's own invariants, and nothing is at the broker that is not written down."""
        if not self._path.exists():
            return [*known.faults, *(f"order {ref} is at the broker and there is no book" for ref in known.received)]
        with self._open() as book:
            begun = book.execute("SELECT count(*) FROM book_events").fetchone()[0]
            by_hand = any(fill.order_ref.startswith(BY_HAND) for fill in known.executions)
            but = (frozenset() if begun else _BEFORE_ITS_FIRST_EVENT) | (_TRADED_BY_HAND if by_hand else frozenset())
            broken = violations(book, but=but)
            written = _orders(book) | self._spilled()
        return [*known.faults, *(f"{name}: {rows}" for name, rows in broken.items()), *_unwritten(known, written)]

    def recovered(self, known: Snapshot) -> list[str]:
        """After the first complete answer: the same orders, executions, shares and cash on both sides."""
        with self._open() as book:
            faults = [
                *_unwritten(known, _orders(book)),
                *_unlike("execution", _booked(book), Counter(map(_as_row, known.executions))),
                *_unlike("position", _held(book), Counter(known.positions.items())),
                *_unlike("foreign shares", _drift(book), Counter(known.foreign.items())),
                *(f"tables and journal differ: {finding}" for finding in compare(book, self._account).findings),
            ]
            cash, expected = _cash(book, known)
        return [*faults, *([f"cash is {cash} micros and should be {expected}"] if cash != expected else [])]

    def settled(self, known: Snapshot) -> list[str]:
        """Nothing is held and nothing works, on either side."""
        open_ = [*self.still_open(), *(f"{ref} works at the broker" for ref in known.working)]
        return [f"not settled: {what}" for what in [*open_, *(f"{known.positions}" for _ in [0] if known.positions)]]

    def still_open(self) -> list[str]:
        """Positions, orders and locks of the book that have not ended."""
        with self._open() as book:
            rows = book.execute(
                f"SELECT 'position ' || symbol FROM book_positions WHERE quantity > 0 "  # noqa: S608
                f"UNION ALL SELECT state || ' ' || order_ref FROM book_orders WHERE state IN {_LIVE} "
                "UNION ALL SELECT 'lock ' || symbol FROM book_locks WHERE released_us IS NULL"
            )
            return [str(row[0]) for row in rows]

    def _spilled(self) -> set[str]:
        path = spill_path(self._path, self._account)
        if not path.exists():
            return set()
        with closing(SpillFile(path)) as spill:
            return {order.ref for order in spill.read()}

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Read only: the log that a dead daemon left has to be taken up by the next one, not by us."""
        with closing(
            sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=5)
        ) as book:
            yield book


def _orders(book: sqlite3.Connection) -> set[str]:
    return {row[0] for row in book.execute("SELECT order_ref FROM book_orders")}


def _unwritten(known: Snapshot, written: set[str]) -> list[str]:
    return [f"order {ref} is at the broker and nowhere in the book" for ref in known.received if ref not in written]


def _as_row(fill: Fill) -> tuple[object, ...]:
    return (
        fill.execution_id,
        fill.order_ref,
        fill.symbol,
        str(fill.side),
        fill.quantity,
        fill.price_micros,
        fill.commission_micros,
    )


def _booked(book: sqlite3.Connection) -> Counter[tuple[object, ...]]:
    return Counter(
        book.execute(
            "SELECT execution_id, order_ref, symbol, side, quantity, price_micros, commission_micros FROM charged_fills"
        ).fetchall()
    )


def _held(book: sqlite3.Connection) -> Counter[tuple[object, ...]]:
    return Counter(book.execute("SELECT symbol, quantity FROM book_positions WHERE quantity <> 0").fetchall())


def _drift(book: sqlite3.Connection) -> Counter[tuple[object, ...]]:
    return Counter(book.execute("SELECT symbol, broker - book FROM book_drift").fetchall())


def _cash(book: sqlite3.Connection, known: Snapshot) -> tuple[int, int]:
    """Cash of the book, and what the broker's executions and the operator's movements make of what it began with."""
    cash, start = book.execute("SELECT cash_micros, starting_cash_micros FROM book_accounts").fetchone()
    [(moved,)] = book.execute(
        "SELECT coalesce(sum(json_extract(data, '$.amount_micros')), 0) FROM book_events WHERE type = 'cash_moved'"
    )
    return cash, start + moved + sum(fill.cash_effect_micros for fill in known.executions)


def _unlike(what: str, booked: Counter[tuple[object, ...]], known: Counter[tuple[object, ...]]) -> list[str]:
    missing, beyond = known - booked, booked - known
    return [
        *(f"{what} {row} is at the broker and not in the book" for row in missing.elements()),
        *(f"{what} {row} is in the book and not at the broker" for row in beyond.elements()),
    ]
