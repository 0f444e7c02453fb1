"""What may be opened: within the limits, on one side of a family, and only while nothing keeps the gate closed."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from simulation.contracts import worth_micros
from simulation.faults import Fault
from simulation.invariants.executions import untold, working
from simulation.invariants.ledger import asked
from simulation.invariants.registry import When, invariant
from simulation.scene import Scene
from trader.domain.decision import Purpose, Side
from trader.domain.ledger import Position, PositionState
from trader.domain.money import part
from trader.domain.order import Order
from trader.domain.session import microseconds, new_york_date

_A_MINUTE = timedelta(minutes=1)


def entries(scene: Scene) -> Iterator[Order]:
    """Opening orders that have left since the look before."""
    for order in scene.news.sent:
        if order.side is Side.BUY:
            yield order


@invariant(16)
def limits_hold_when_an_entry_leaves(scene: Scene) -> Iterator[str]:
    """At the worst: everything held at its price, everything that works filled at its limit, commission included.

    More of what is held is no more positions, also where an undone sale has made them too many.
    """
    book, limits = scene.book, scene.rules.limits
    for order in entries(scene):
        at_worst = {symbol: _worth_micros(scene, held) for symbol, held in book.positions.items()}
        equity = book.cash_micros + sum(at_worst.values())
        for lock in book.locks.values():
            at_worst[lock.symbol] = at_worst.get(lock.symbol, 0) + lock.reserved_micros
        members = scene.family(order.symbol).members
        notional_micros = worth_micros(order.symbol, order.quantity, order.limit_micros or 0)
        measured = {
            "position": (at_worst.get(order.symbol, 0), part(equity, limits.position_ppm)),
            "family": (sum(at_worst.get(symbol, 0) for symbol in members), part(equity, limits.family_ppm)),
            "gross": (sum(at_worst.values()), part(equity, limits.gross_ppm)),
            "order": (notional_micros, limits.order_notional_micros),
            "positions": (0 if order.symbol in book.positions else len(at_worst), limits.open_positions),
            "cash": (book.reserved_micros + part(equity, limits.cash_reserve_ppm), book.cash_micros),
        }
        for what, (at_most, limit) in measured.items():
            if at_most > limit:
                yield f"{order.ref} BUY {order.quantity} {order.symbol}: {what} may come to {at_most}, {limit} allowed"


def _worth_micros(scene: Scene, held: Position) -> int:
    """At its newest price; one that has jumped up is no price before a second print, and makes nobody richer."""
    assert scene.engine is not None  # noqa: S101
    prices = scene.engine.trading.prices
    last, before = prices.last(held.symbol), prices.before(held.symbol)
    if last is None:
        return held.cost_micros
    has_jumped = before is not None and last.close_micros - before.close_micros > part(
        before.close_micros, scene.rules.limits.collar_ppm
    )
    price = before if before is not None and has_jumped else last
    return worth_micros(held.symbol, held.quantity, price.close_micros)


@dataclass(slots=True)
class _Opened:
    """Entries that have left, by exchange date."""

    openings: Counter[date] = field(default_factory=Counter)
    notional_micros: Counter[date] = field(default_factory=Counter)


@invariant(16)
def limits_of_the_day_hold_when_an_entry_leaves(scene: Scene) -> Iterator[str]:
    """What has left on its date, through all lives, and the day's loss by now."""
    opened, limits = scene.in_run(_Opened), scene.rules.limits
    for order in entries(scene):
        assert scene.engine is not None  # noqa: S101
        day, stored = new_york_date(order.created_at), scene.book.day
        opened.openings[day] += 1
        opened.notional_micros[day] += worth_micros(order.symbol, order.quantity, order.limit_micros or 0)
        equity = scene.book.equity_micros(scene.engine.trading.prices)
        opening = stored.opening_equity_micros if stored is not None else equity
        measured = {
            "openings": (opened.openings[day], limits.openings_per_day),
            "notional": (opened.notional_micros[day], part(equity, limits.daily_notional_ppm)),
            "loss": (opening - equity + 1, part(opening, limits.day_loss_ppm)),
        }
        for what, (at_most, limit) in measured.items():
            if at_most > limit:
                yield f"{order.ref} BUY {order.symbol}: the {what} of {day} come to {at_most}, {limit} allowed"


@dataclass(slots=True)
class _Recent:
    """When the entries of this life have left, by the daemon's clock."""

    times: list[datetime] = field(default_factory=list)


@invariant(16)
def entries_of_a_minute_are_counted(scene: Scene) -> Iterator[str]:
    """In one life. A clock that has jumped says nothing of minutes."""
    times = scene.in_life(_Recent).times
    for order in entries(scene):
        times[:] = [at for at in times if order.created_at - at < _A_MINUTE] + [order.created_at]
        is_sure = not scene.faults.struck[Fault.MARKET_CLOCK_JUMPS]
        if is_sure and len(times) > scene.rules.limits.orders_per_minute:
            yield f"{order.ref} is number {len(times)} within a minute"


@invariant(16)
def what_works_is_reserved(scene: Scene) -> Iterator[str]:
    """An entry that works at the broker holds its worst case back, until the book knows its end."""
    for order in entries(scene):
        for other in working(scene, order.symbol, Side.BUY):
            lock = scene.book.locks.get(order.symbol)
            rest = other.quantity - scene.venue.filled(other.ref)
            rest_micros = worth_micros(other.symbol, rest, other.limit_micros or 0)
            is_short = lock is None or lock.reserved_micros < rest_micros
            if is_short and not untold(scene, order.symbol):
                yield f"{other.ref} may still cost {rest_micros} micros; reserved is {lock}"


@invariant(16)
def reserved_is_covered(scene: Scene) -> Iterator[str]:
    """By cash, at every instant."""
    book = scene.book
    if book.cash_micros < book.reserved_micros:
        yield f"{book.reserved_micros} micros are reserved of {book.cash_micros}"


@invariant(16, When.CLOSE)
@invariant(16, When.DEATH)
def reservations_add_up(scene: Scene) -> Iterator[str]:
    """In the file."""
    yield from asked(
        scene,
        "cash is not below zero",
        "what is reserved is covered by cash",
        "reserved is the sum of the live locks",
    )


@invariant(18)
def one_side_of_a_family(scene: Scene) -> Iterator[str]:
    """In memory: over what is held and what works.

    Somebody who trades by hand can buy the other side, and so can an entry whose execution is heard of after its end;
    then one of the sides is on its way out at once.
    """
    before, book = scene.news.before, scene.book
    if before is not None and before.positions is book.positions and before.locks is book.locks:
        return
    for family, sides in _sides(scene).items():
        if len(sides) < 2:
            continue
        nobody_could_help = _is_meddled_with(scene, family) or _was_bought_late(scene, family)
        if not (nobody_could_help and _is_being_repaired(scene, family)):
            yield f"{family} is held or opened both ways: {sides}"


@invariant(18)
def no_entry_against_what_the_broker_has(scene: Scene) -> Iterator[str]:
    """By the broker's truth: nothing of the other side is there, or works.

    What was bought by an execution of which no report has arrived yet, the daemon cannot know: its cancel may have.
    """
    for order in entries(scene):
        members = scene.family(order.symbol).members
        own = members[order.symbol]
        for symbol, leverage in members.items():
            if leverage * own > 0:
                continue
            there = scene.ours(symbol)
            works = [other.ref for other in working(scene, symbol, Side.BUY)]
            could_be_known = works or (there > 0 and not untold(scene, symbol))
            if could_be_known and not _is_meddled_with(scene, scene.family(symbol).name):
                yield f"{order.ref} opens {order.symbol} while {there} {symbol} are at the broker, and {works} work"


@invariant(19)
def nothing_opens_behind_a_closed_gate(scene: Scene) -> Iterator[str]:
    """Before the broker has told everything in this life; halted; tripped; drifting; or for what keeps it closed."""
    book = scene.book
    for order in entries(scene):
        assert scene.host is not None  # noqa: S101
        assert scene.host.wire is not None  # noqa: S101
        assert scene.engine is not None  # noqa: S101
        if not scene.host.wire.has_told_all:
            yield f"{order.ref} has left before the broker has told everything"
        family = scene.family(order.symbol)
        halts = [key for key in ("all", f"family:{family.name}", f"symbol:{order.symbol}") if key in book.halts]
        drift = [symbol for symbol in family.members if symbol in book.drift]
        closed = scene.engine.trading.gate.why
        latches = [
            latch.key
            for latch in book.latches.values()
            if latch.covers(family.name, order.symbol) and latch.tripped_at < order.created_at
        ]
        if halts or drift or closed or latches:
            yield (
                f"{order.ref} opens {order.symbol}: halted {halts}, tripped {latches}, drift of {drift}, "
                f"gate closed by {closed!r}"
            )


@invariant(19)
def nothing_opens_out_of_its_time(scene: Scene) -> Iterator[str]:
    """By the daemon's clock: within the session, before its cut-off, on a price that is not stale."""
    for order in scene.news.sent:
        session = scene.market.calendar.session(new_york_date(order.created_at))
        if session is None or not session.trades_at(order.created_at):
            yield f"{order.ref} was made at {order.created_at:%H:%M:%S}, out of the session"
        elif order.side is Side.BUY:
            if order.created_at >= session.entries_stop_at:
                yield f"{order.ref} was made at {order.created_at:%H:%M:%S}, after the cut-off"
            yield from _stale(scene, order)


@invariant(19)
def only_an_entry_buys(scene: Scene) -> Iterator[str]:
    """Everything else reduces, and none of it is an entry."""
    for order in scene.news.sent:
        if (order.side is Side.BUY) != (order.purpose is Purpose.ENTRY):
            yield f"{order.ref} is a {order.side} for {order.purpose}"


@invariant(19)
def nothing_opens_on_a_price_that_has_jumped(scene: Scene) -> Iterator[str]:
    """Before a second print has confirmed it."""
    for order in entries(scene):
        assert scene.engine is not None  # noqa: S101
        last, before = (
            bars(order.symbol) for bars in (scene.engine.trading.prices.last, scene.engine.trading.prices.before)
        )
        if last is not None and before is not None:
            jump_micros = abs(last.close_micros - before.close_micros)
            if jump_micros > part(before.close_micros, scene.rules.limits.collar_ppm) + 1:
                yield f"{order.ref} opens {order.symbol} at {last.close_micros} micros, after {before.close_micros}"


def _stale(scene: Scene, order: Order) -> Iterator[str]:
    assert scene.engine is not None  # noqa: S101
    known_at = scene.engine.trading.prices.known_at(order.symbol)
    age_s = (order.created_at - known_at).total_seconds() if known_at is not None else None
    if age_s is None or age_s > scene.rules.limits.stale_price_s:
        yield f"{order.ref} opens {order.symbol} on a price of {age_s} s ago"


def _sides(scene: Scene) -> dict[str, dict[bool, list[str]]]:
    """Family -> whether inverse, by its configured leverage -> symbols that are held, or whose entry works."""
    sides: dict[str, dict[bool, list[str]]] = {}
    for symbol in dict.fromkeys([*scene.book.positions, *scene.book.locks]):
        family = scene.family(symbol)
        sides.setdefault(family.name, {}).setdefault(family.members[symbol] < 0, []).append(symbol)
    return sides


def _is_meddled_with(scene: Scene, family: str) -> bool:
    """Somebody has traded it by hand, or the broker has changed an execution of it afterwards."""
    members, venue = scene.family(family).members, scene.venue
    by_hand = any(fill.symbol in members for fill in venue.executions.values() if fill.order_ref in venue.by_hand)
    return by_hand or len(venue.revisions) > len(venue.executions)


def _was_bought_late(scene: Scene, family: str) -> bool:
    """Since the oldest of what is held or works of it, an execution has come after the end of its order."""
    book, members = scene.book, scene.family(family).members
    began = [held.opened_at for held in book.positions.values() if held.symbol in members]
    began += [lock.acquired_at for lock in book.locks.values() if lock.symbol in members]
    alarms = scene.rows(
        "SELECT symbol FROM book_events WHERE type = 'alarm' AND at_us >= ? AND instr(data, ' filled')",
        microseconds(min(began)),
    )
    return any(row["symbol"] in members for row in alarms)


def _is_being_repaired(scene: Scene, family: str) -> bool:
    """All that is held of one direction is on its way out."""
    members = scene.family(family).members
    held = [position for position in scene.book.positions.values() if position.symbol in members]
    return len({members[position.symbol] < 0 for position in held if position.state is not PositionState.CLOSING}) <= 1
