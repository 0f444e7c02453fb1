"""What stays when the daemon has stopped, in words: positions, and which of their exits live on at the broker."""

from trader.domain.decision import UNSTAMPED
from trader.domain.ledger import Position
from trader.domain.portfolio import Book
from trader.services.draft import Draft
from trader.services.protecting import guards_of


def what_stays(book: Book, *, broker_outlives: bool) -> str:
    """Every position by symbol; nothing where none is held. `broker_outlives`: orders there go on without us."""
    draft = Draft(book, UNSTAMPED)  # only looked at
    return "; ".join(
        f"{symbol} {held.quantity} ({_exits(draft, held) if broker_outlives else 'no exit outlives this daemon'})"
        for symbol, held in sorted(book.positions.items())
    )


def _exits(draft: Draft, position: Position) -> str:
    symbol, held = position.symbol, position.quantity
    selling = draft.exits.get(symbol)
    if selling is not None:
        return f"an exit of {selling.remaining} works on at the broker"
    guards = guards_of(draft, symbol)
    stopped, targeted = min(guards.stopped, held), min(guards.targeted, held)
    if not stopped:
        return "NO EXIT at the broker"
    bare = f", NO EXIT of {held - stopped}" if stopped < held else ""
    return f"at the broker stay a stop of {stopped} and a target of {targeted}{bare}"
