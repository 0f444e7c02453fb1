"""What really leaves for the broker, held against what the book intends, at the moment of each order.

Rule 1: an order leaves once, after the book has it, and as the book has it. Knight's servers sent more than anybody had
asked for, and nothing compared the two.
Rule 2: it reads the book's file, as committed, and nothing of what the daemon has in memory.
"""

from contextlib import closing
from pathlib import Path

from trader.adapters.sqlite.database import read_only
from trader.app.links import AccountRows
from trader.domain.order import Order

_INTENDED = "SELECT symbol, side, quantity FROM book_orders WHERE account = ? AND order_ref = ?"


class Tap:
    """Hears every order on its way to the broker."""

    def __init__(self, db: Path, account: str) -> None:
        self.faults: list[str] = []
        """Of orders that left as nobody had intended, in words."""
        self._db = db
        self._account = account
        self._left: set[str] = set()

    def hear(self, order: Order) -> None:
        """Compare an order that leaves now. Raises BookError."""
        if order.ref in self._left:
            self.faults.append(f"{order.ref} left twice")
        self._left.add(order.ref)
        with closing(read_only(self._db)) as book:
            row = AccountRows(book, self._account).one(_INTENDED, order.ref)
        if row is None:
            self.faults.append(f"{order.ref} left before the book had it")
        elif tuple(row) != (order.symbol, order.side, order.quantity):
            self.faults.append(f"{order.ref} left as another order than the book has")
