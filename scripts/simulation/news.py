"""What a look at the daemon finds new since the look before, so that each costs only what has changed."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence

from simulation.history import Entry, What
from trader.domain.order import Order
from trader.domain.portfolio import Book

_NEW_FILLS = (
    "SELECT id, execution_id, order_ref, symbol, side, quantity, price_micros, commission_micros, purpose, reason "
    "FROM book_fills WHERE id > ? ORDER BY id"
)


class News:
    """Of one run; a new life begins without a look before."""

    def __init__(self) -> None:
        self.before: Book | None = None
        """The book in memory at the look before; None at the first look of a life."""
        self.entries: Sequence[Entry] = ()
        """What was sent and heard since."""
        self.sent: Sequence[Order] = ()
        """Orders that have left since."""
        self.fills: Sequence[sqlite3.Row] = ()
        """Executions that were booked since; read when memory has them too."""
        self.gone: set[str] = set()
        """References of orders that memory has let go: they have ended."""
        self._now: Book | None = None
        self._life = -1
        self._entries_seen = 0
        self._newest_fill = 0

    def look(
        self,
        life: int,
        book: Book,
        entries: Sequence[Entry],
        orders: Mapping[str, Order],
        rows: Callable[..., list[sqlite3.Row]],
    ) -> None:
        """Take in what is new."""
        self.before = self._now if life == self._life else None
        self._now, self._life = book, life
        self.entries = entries[self._entries_seen :]
        self._entries_seen = len(entries)
        self.sent = [orders[entry.subject] for entry in self.entries if entry.what is What.PLACED]
        self.fills = ()
        if book is self.before:
            return
        self.fills = rows(_NEW_FILLS, self._newest_fill)
        if self.fills:
            self._newest_fill = self.fills[-1]["id"]
        if self.before is not None and book.orders is not self.before.orders:
            self.gone.update(ref for ref in self.before.orders if ref not in book.orders)
