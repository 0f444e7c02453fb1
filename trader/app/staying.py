"""What stays when the daemon has stopped, in words: positions, and which of their exits live on at the broker."""

from trader.domain.ledger import Position
from trader.domain.portfolio import Book
from trader.domain.protection import Guards


def what_stays(book: Book, *, broker_outlives: bool) -> str:
    """Every position by symbol; nothing where none is held. `broker_outlives`: orders there go on without us."""
    return "; ".join(
        f"{symbol} {held.quantity} ({_exits(book, held) if broker_outlives else 'no exit outlives this daemon'})"
        for symbol, held in sorted(book.positions.items())
    )


def _exits(book: Book, position: Position) -> str:
    symbol, held = position.symbol, position.quantity
    selling = book.exits.get(symbol)
    if selling is not None:
        return f"an exit of {selling.remaining} works on at the broker"
    lock = book.locks.get(symbol)
    protection = [order for order in book.orders.values() if order.is_protection and order.symbol == symbol]
    guards = Guards.of(protection, book.orders.get(lock.order_ref) if lock is not None else None)
    stopped, targeted = min(guards.stopped, held), min(guards.targeted, held)
    if not stopped:
        return "NO EXIT at the broker"
    bare = f", NO EXIT of {held - stopped}" if stopped < held else ""
    return f"at the broker stay a stop of {stopped} and a target of {targeted}{bare}"
