"""Start-up is recovery: one path, run every morning.

Every order that the book holds as live is settled by the broker's evidence before anything else happens. The embedded
broker answers completely; an order that is not in a complete answer does not exist, and that is what its lock is
released with. What the broker says is held has to equal the ledger, or entries stay stopped.
"""

from collections.abc import Mapping

from trader.domain.corporate_action import split_fitting
from trader.domain.events import BrokerEvent, Command, CommandName, OrderCancelled
from trader.services.engine import Engine
from trader.services.ports import Broker, Log


async def recover(engine: Engine, broker: Broker, log: Log) -> None:
    """Bring the book to what the broker knows. Raises BrokerUnreachable when it does not answer."""
    await engine.take_up_spilled()
    live = sorted(engine.book.orders)
    evidence = await broker.evidence(live)
    gone: list[BrokerEvent] = [
        OrderCancelled(ref, "absent from the broker's complete answer at start")
        for ref in live
        if ref not in evidence.working
    ]
    if evidence.events or gone:
        await engine.handle([*evidence.events, *gone])
    difference = _difference(
        {symbol: position.quantity for symbol, position in engine.book.positions.items()}, evidence.positions
    )
    await engine.repair()
    if difference:
        log.error(f"DRIFT at start: {difference}; entries stopped account={engine.book.account}")
        await engine.handle([Command(CommandName.HALT, "recovery", f"book and broker differ: {difference}")])


def _split(symbol: str, book: Mapping[str, int], broker: Mapping[str, int]) -> str:
    if symbol not in book or symbol not in broker:
        return ""
    split = split_fitting(broker[symbol], book[symbol])
    return f" (fits a {split} split)" if split else ""


def _difference(book: Mapping[str, int], broker: Mapping[str, int]) -> str:
    return ", ".join(
        f"{symbol} book {book.get(symbol, 0)} broker {broker.get(symbol, 0)}{_split(symbol, book, broker)}"
        for symbol in sorted({*book, *broker})
        if book.get(symbol, 0) != broker.get(symbol, 0)
    )
