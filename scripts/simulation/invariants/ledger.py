"""Shares, lots and cash: the book against its executions, its journal, and the broker."""

from collections.abc import Iterator

from invariants import CHECKS, broken_links, unlike_the_journal

from simulation.contracts import worth_micros
from simulation.invariants.executions import is_unbookable, standing_executions
from simulation.invariants.registry import When, invariant
from simulation.scene import Scene
from trader.adapters.sqlite.projections import compare
from trader.adapters.sqlite.soundness import GUARDS, lost_parts
from trader.domain.decision import Side
from trader.domain.order import Fill

_ANSWERS = 4
"""So many true answers are enough to find a difference: one may be stale, and two in a row have to show it."""

_CASH_NOW = """
    SELECT cash_micros, starting_cash_micros
      + (SELECT coalesce(sum((CASE side WHEN 'BUY' THEN -1 ELSE 1 END) * quantity * price_micros * multiplier
                             - commission_micros), 0) FROM charged_fills)
      + (SELECT coalesce(sum(json_extract(data, '$.amount_micros')), 0) FROM book_events WHERE type = 'cash_moved')
    FROM book_accounts"""

_CASH_MADE = """
    SELECT cash_micros - starting_cash_micros
      - (SELECT coalesce(sum(json_extract(data, '$.amount_micros')), 0) FROM book_events WHERE type = 'cash_moved')
    FROM book_accounts"""


def asked(scene: Scene, *names: str) -> Iterator[str]:
    """The book's own invariants of these names, by SQL on its file."""
    for name in names:
        rows = [tuple(row) for row in scene.rows(CHECKS[name])]
        if rows:
            yield f"{name}: {rows}"


@invariant(7)
def executions_are_the_position(scene: Scene) -> Iterator[str]:
    """Between two looks a position moves by what was booked of it."""
    before, after = scene.news.before, scene.book
    if before is None or (before.positions is after.positions and not scene.news.fills):
        return
    moved: dict[str, int] = {}
    for row in scene.news.fills:
        signed = row["quantity"] if row["side"] == Side.BUY else -row["quantity"]
        moved[row["symbol"]] = moved.get(row["symbol"], 0) + signed
    for symbol in dict.fromkeys([*before.positions, *after.positions, *moved]):
        was = before.positions[symbol].quantity if symbol in before.positions else 0
        is_ = after.positions[symbol].quantity if symbol in after.positions else 0
        if is_ != was + moved.get(symbol, 0):
            yield f"{symbol}: {was} and {moved.get(symbol, 0)} of executions make {is_}"


@invariant(7, When.CLOSE)
@invariant(7, When.DEATH)
def all_executions_are_the_position(scene: Scene) -> Iterator[str]:
    """In the file."""
    yield from asked(scene, "fills are the position")


@invariant(8)
def a_difference_is_found(scene: Scene) -> Iterator[str]:
    """While no order of a symbol is on its way, the book soon says by how much the broker differs, and no more of it.

    Soon: within some true answers. A symbol whose order works, or is of unknown fate, has reports to come.
    """
    assert scene.host is not None  # noqa: S101
    wire, book = scene.host.wire, scene.book
    if wire is None or scene.news.entries:
        return
    before, scene.differs = scene.differs, {}
    in_orders = {order.symbol for order in book.orders.values()}
    there = scene.venue.positions
    for symbol in dict.fromkeys([*there, *book.positions, *book.drift]):
        held = book.positions[symbol].quantity if symbol in book.positions else 0
        drift = book.drift.get(symbol)
        said = drift.broker - drift.book if drift is not None else 0
        unsaid = there.get(symbol, 0) - held - said
        if not unsaid or symbol in in_orders:
            continue
        known, answers = before.get(symbol, (0, 0))
        scene.differs[symbol] = (unsaid, answers if known == unsaid else wire.true_answers)
        if wire.true_answers - scene.differs[symbol][1] > _ANSWERS:
            yield f"{symbol}: the book holds {held}, the broker {there.get(symbol, 0)}, and the book says {said} more"


@invariant(8, When.SETTLED)
def the_book_holds_what_the_broker_holds(scene: Scene) -> Iterator[str]:
    """At rest, in every symbol without an order on its way; foreign shares lie beside it."""
    venue, in_orders = scene.venue, {order.symbol for order in scene.book.orders.values()}
    held = {symbol: position.quantity for symbol, position in scene.book.positions.items()}
    for symbol in sorted({*held, *venue.positions} - in_orders):
        there = scene.ours(symbol)
        if held.get(symbol, 0) != there and not is_unbookable(scene, symbol):
            yield f"{symbol}: the book holds {held.get(symbol, 0)}, the broker {there}"


@invariant(9)
def cash_moves_by_executions_and_commands(scene: Scene) -> Iterator[str]:
    """To the micro, by the broker's own numbers of what was booked since the look before."""
    before, after = scene.news.before, scene.book
    if before is None:
        return
    fills = [scene.venue.revisions.get(row["execution_id"]) for row in scene.news.fills]
    by_fills = sum(_cash_of(fill) for fill in fills if fill is not None)
    if after.cash_micros == before.cash_micros + by_fills:
        return
    [(in_file, expected)] = scene.rows(_CASH_NOW)
    if not after.cash_micros == in_file == expected:
        yield f"cash is {after.cash_micros} micros, {in_file} in the file, and should be {expected}"


@invariant(9, When.CLOSE)
@invariant(9, When.DEATH)
def cash_is_what_executions_and_movements_made_of_it(scene: Scene) -> Iterator[str]:
    """In the file; and equity is what was realised and what is held."""
    yield from asked(
        scene, "cash is what the fills and movements made of it", "cash is what was realised less what is held"
    )


@invariant(9, When.SETTLED)
def cash_is_what_the_broker_made_of_it(scene: Scene) -> Iterator[str]:
    """At rest, by the broker's own numbers: each execution that counts pays its price and its commission, once."""
    standing, expected = standing_executions(scene), 0
    for row in scene.rows("SELECT * FROM charged_fills"):
        if row["execution_id"] in standing:
            fill = scene.venue.revisions.get(row["execution_id"])
            price_micros, commission_micros = row["price_micros"], row["commission_micros"]
            if fill is not None:
                price_micros, commission_micros = fill.price_micros, fill.commission_micros
            value_micros = worth_micros(row["symbol"], row["quantity"], price_micros)
            expected += (value_micros if row["side"] == Side.SELL else -value_micros) - commission_micros
    [(made,)] = scene.rows(_CASH_MADE)
    if made != expected:
        yield f"executions have made {made} micros of cash, and {expected} by the broker's word of them"


@invariant(10)
def lots_are_the_position(scene: Scene) -> Iterator[str]:
    """In memory: their shares and their cost, none of them empty or below."""
    before, book = scene.news.before, scene.book
    if before is not None and before.lots is book.lots and before.positions is book.positions:
        return
    for symbol in dict.fromkeys([*book.positions, *book.lots]):
        lots, position = book.lots.get(symbol, ()), book.positions.get(symbol)
        shares, cost_micros = (position.quantity, position.cost_micros) if position is not None else (0, 0)
        if sum(lot.remaining for lot in lots) != shares or sum(lot.cost_micros for lot in lots) != cost_micros:
            yield f"{symbol}: {shares} shares of {cost_micros} micros are held in {lots}"
        if any(lot.remaining <= 0 or lot.cost_micros < 0 for lot in lots):
            yield f"{symbol} has an empty lot: {lots}"


@invariant(10, When.CLOSE)
@invariant(10, When.DEATH)
def cost_is_conserved(scene: Scene) -> Iterator[str]:
    """In the file: over lots that are sold in parts, up to what each round trip has realised."""
    yield from asked(scene, "open lots are the position", "round trips realise what their fills realised")


@invariant(12, When.CLOSE)
@invariant(12, When.DEATH)
def the_journal_only_grows(scene: Scene) -> Iterator[str]:
    """The chain holds, its guards are there, and what was its end at an earlier look is in it unchanged."""
    yield from (f"event {seq} of {account} breaks the chain" for account, seq in broken_links(scene.reader))
    yield from (
        f"{part.kind} {part.name} is {how}" for part, how in lost_parts(scene.reader).items() if part.kind in GUARDS
    )
    seq, digest = scene.sealed
    if seq and not scene.rows("SELECT 1 FROM book_events WHERE seq = ? AND hash = ?", seq, digest):
        yield f"event {seq} was there with the hash {digest} and is not any more"
    for row in scene.rows("SELECT seq, hash FROM book_events ORDER BY seq DESC LIMIT 1"):
        scene.sealed = (row["seq"], row["hash"])


@invariant(13, When.CLOSE)
@invariant(13, When.DEATH)
def the_journal_makes_the_book(scene: Scene) -> Iterator[str]:
    """Every table that follows from it, row by row. An account that has only just been made has none yet."""
    if not scene.rows("SELECT 1 FROM book_events LIMIT 1"):
        return
    yield from (str(finding) for finding in compare(scene.reader, scene.account).findings)


@invariant(13, When.DEATH)
def adding_up_the_journal_makes_the_book(scene: Scene) -> Iterator[str]:
    """Shares, cash and exits, by a reading that shares no line with the daemon's own."""
    if scene.rows("SELECT 1 FROM book_events LIMIT 1"):
        yield from (str(row) for row in unlike_the_journal(scene.reader))


def _cash_of(fill: Fill) -> int:
    """What an execution does to cash, micros; reckoned here, not by the product's own word."""
    value_micros = worth_micros(fill.symbol, fill.quantity, fill.price_micros)
    return (value_micros if fill.side is Side.SELL else -value_micros) - fill.commission_micros
