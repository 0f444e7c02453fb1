"""Exits: from the first share to flat, and the end of the day."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from simulation.invariants.registry import When, invariant
from simulation.scene import Scene
from trader.domain.decision import UNSTAMPED, Purpose, Rule, Side
from trader.domain.events import JournalType
from trader.domain.exit_plan import ExitPlan
from trader.domain.ledger import Position, PositionState
from trader.domain.market import Bar
from trader.domain.money import tick_micros
from trader.domain.order import Order, OrderState
from trader.domain.session import SessionDay, microseconds

_SOON = 10
"""Minutes of the market that the daemon was told; those in which its host slept do not count."""
_FRESH = timedelta(minutes=2)
_A_MINUTE = timedelta(minutes=1)
_PAGED = timedelta(minutes=16)
_ASKED = (OrderState.CANCELLING, OrderState.UNKNOWN)
_DECIDED = ("flatten", "flat_by_now", "closed")
_SESSION_IS_OVER = "the session is over"

_CREATED_WITHOUT_LEVELS = """
    SELECT symbol FROM book_events
    WHERE type = 'fill' AND seq > ? AND json_extract(data, '$.position_created')
      AND (json_extract(data, '$.stop_micros') IS NULL OR json_extract(data, '$.take_profit_micros') IS NULL)"""
_HELD_WITHOUT_LEVELS = """
    SELECT symbol FROM book_positions
    WHERE quantity > 0 AND (stop_micros IS NULL OR take_profit_micros IS NULL)"""
_CLOSINGS = """
    SELECT seq, type, symbol FROM book_events
    WHERE seq > ? AND (type = 'position_closing'
      OR (type = 'fill' AND json_extract(data, '$.held') = 0)
      OR (type = 'order_created' AND json_extract(data, '$.side') = 'SELL'))
    ORDER BY seq"""
_LEFT_TO_THE_BROKER = """
    SELECT 1 FROM book_events
    WHERE type = 'alarm' AND symbol = ? AND at_us >= ? AND instr(data, 'the broker has not sold it')"""
_PHASES_OF = """
    SELECT json_extract(data, '$.phase') FROM book_events WHERE type = 'phase' AND json_extract(data, '$.day') = ?"""
_NEWEST_PAGE = "SELECT max(at_us) FROM book_events WHERE type = 'not_flat' AND json_extract(data, '$.day') = ?"


@dataclass(slots=True)
class Since:
    """Since when something has been so, by symbol or reference."""

    when: dict[str, int] = field(default_factory=dict)

    def too_long(self, so: Mapping[str, str], at: int, patience: int = 0) -> Iterator[str]:
        """What is so now, in words, and has been at every look for longer than its patience, and then for a while."""
        self.when = {key: self.when.get(key, at) for key in so}
        for key, words in so.items():
            if at - self.when[key] > patience + _SOON:
                yield f"{words} for {at - self.when[key]} minutes"


class _Unwatched(Since):
    """Positions that the scanner does not watch."""


@dataclass(slots=True)
class _Touched(Since):
    """Positions whose prices are beyond a level."""

    first: dict[str, tuple[int, int, Bar | None]] = field(default_factory=dict)
    """First stop and target, and the newest bar at the first look at them."""

    def heard(self, key: str, plan: ExitPlan, bars: Sequence[Bar | None]) -> list[Bar]:
        """Of the newest bars those that were not there yet when these levels were seen first."""
        levels = (plan.initial_stop_micros, plan.take_profit_micros)
        if self.first.get(key, ())[:2] != levels:
            self.first[key] = (*levels, bars[-1])
        before = self.first[key][2]
        return [bar for bar in bars if bar is not None and (before is None or bar.timestamp > before.timestamp)]


class _Misjudged(Since):
    """Positions of which the scanner watches other shares."""


class _Orphans(Since):
    """Exits of what is not held."""


@dataclass(slots=True)
class _Plans:
    """Positions at the look before."""

    before: Mapping[str, Position] = field(default_factory=dict)


@dataclass(slots=True)
class _Working:
    """Exits that the broker has not ended yet, as far as it was looked."""

    refs: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Read:
    """How far the journal was read, and the positions on their way out by then."""

    seq: int = 0
    closing: dict[str, int] = field(default_factory=dict)


class _ReadForLevels(_Read):
    """By the check of levels."""


@invariant(22)
def what_is_held_is_watched(scene: Scene) -> Iterator[str]:
    """Soon after its first share each position is armed in the scanner's last whole look, or on its way out.

    One of which no bar is told cannot be watched; the scanner says so, and that is enough.
    """
    if scene.recovered_at is None or scene.market.at is None:
        return
    unwatched = {
        symbol: f"{symbol} {position.quantity} has nobody who watches its exits"
        for symbol, position in scene.book.positions.items()
        if position.state is not PositionState.CLOSING and not _is_watched(scene, symbol)
    }
    yield from scene.in_life(_Unwatched).too_long(unwatched, scene.minutes_told)


def _is_watched(scene: Scene, symbol: str) -> bool:
    assert scene.engine is not None  # noqa: S101
    trading = scene.engine.trading
    if symbol in trading.exits.last.armed:
        return True
    bar = trading.prices.last(symbol)
    has_fresh_bar = bar is not None and scene.now - bar.timestamp < _FRESH
    return symbol in trading.exits.last.unarmed and not has_fresh_bar


@invariant(22)
def what_is_beyond_its_levels_goes(scene: Scene) -> Iterator[str]:
    """Two bars in a row at the stop, or two at the target, that it has heard: soon it is on its way out.

    By the first stop, which a trailing one is never below. One bar may be a price that has jumped; and by the daemon's
    clock, which may be wrong, nobody knows which bars are later than a position. What is the broker's to sell is told
    to a person, and not acted upon.
    """
    if scene.recovered_at is None:
        return
    assert scene.engine is not None  # noqa: S101
    prices, touched, beyond = scene.engine.trading.prices, scene.in_life(_Touched), {}
    for symbol, position in scene.book.positions.items():
        bars = (prices.before(symbol), prices.last(symbol))
        if position.exit_plan is None or position.state is PositionState.CLOSING:
            continue
        heard = touched.heard(f"{symbol} {position.opened_at}", position.exit_plan, bars)
        level = _level_touched(position.exit_plan, heard) if len(heard) == len(bars) else ""
        if level and not scene.rows(_LEFT_TO_THE_BROKER, symbol, microseconds(position.opened_at)):
            beyond[f"{symbol} {position.opened_at}"] = f"{symbol} is beyond its {level} and held"
    yield from touched.too_long(beyond, scene.minutes_told)


def _level_touched(plan: ExitPlan, bars: Sequence[Bar]) -> str:
    """The level that every one of these bars has touched, or nothing."""
    if all(bar.low_micros <= plan.initial_stop_micros for bar in bars):
        return "stop"
    return "target" if all(bar.high_micros >= plan.take_profit_micros for bar in bars) else ""


@invariant(22, When.CLOSE)
@invariant(22, When.DEATH)
def levels_stand_in_the_row_from_the_first_share(scene: Scene) -> Iterator[str]:
    """In the transaction that made it non-zero, and ever after."""
    read = scene.in_run(_ReadForLevels)
    for row in [*scene.rows(_CREATED_WITHOUT_LEVELS, read.seq), *scene.rows(_HELD_WITHOUT_LEVELS)]:
        yield f"{row['symbol']} is held without its stop or its target"
    read.seq = _newest(scene)


@invariant(23)
def levels_lie_around_the_entry(scene: Scene) -> Iterator[str]:
    """Stop below, target above, both on the tick; and a stop only ever rises, but where a purchase was another one."""
    plans, positions = scene.in_life(_Plans), scene.book.positions
    before, plans.before = plans.before, positions
    if positions is before:
        return
    anew = {row["symbol"] for row in scene.news.fills if row["purpose"] == Purpose.REVERSAL}
    for symbol, position in positions.items():
        was = before.get(symbol) if symbol not in anew else None
        if position is was:
            continue
        plan = position.exit_plan
        if plan is None or not _is_around(plan):
            yield f"{symbol} is held with {plan}"
        elif was is not None and was.opened_at == position.opened_at and _falls(was.exit_plan, plan):
            yield f"the stop of {symbol} falls: {was.exit_plan} becomes {plan}"


def _is_around(plan: ExitPlan) -> bool:
    """A trailing stop ends one micro below the target, off the grid: it is compared, and never sent."""
    below = 0 < plan.initial_stop_micros <= plan.stop_micros < plan.take_profit_micros
    on_tick = all(level % tick_micros(level) == 0 for level in (plan.initial_stop_micros, plan.take_profit_micros))
    return below and on_tick and plan.initial_stop_micros < plan.entry_micros < plan.take_profit_micros


def _falls(before: ExitPlan | None, after: ExitPlan) -> bool:
    return before is not None and after.stop_micros < before.stop_micros


@invariant(23)
def all_that_is_held_is_watched(scene: Scene) -> Iterator[str]:
    """After each part of a fill soon as many shares as are held, and as the broker is known to have."""
    if scene.recovered_at is None or scene.market.at is None:
        return
    assert scene.engine is not None  # noqa: S101
    armed, misjudged = scene.engine.trading.exits.last.armed, {}
    for symbol, position in scene.book.positions.items():
        drift = scene.book.drift.get(symbol)
        held = position.quantity if drift is None else max(0, min(position.quantity, drift.broker))
        if symbol in armed and armed[symbol] != held:
            misjudged[f"{symbol} {held}"] = f"{armed[symbol]} of {held} shares of {symbol} are watched"
    yield from scene.in_life(_Misjudged).too_long(misjudged, scene.minutes_told)


@invariant(24)
def no_exit_of_what_is_not_held(scene: Scene) -> Iterator[str]:
    """Soon after the last share is sold: in the book none that was not asked back, at the broker none beside it."""
    if scene.recovered_at is None or scene.market.at is None:
        return
    assert scene.engine is not None  # noqa: S101
    book, venue = scene.book, scene.venue
    working = scene.in_run(_Working)
    working.refs.update((order.ref, order.symbol) for order in scene.news.sent if order.side is Side.SELL)
    working.refs = {
        ref: symbol for ref, symbol in working.refs.items() if ref in venue.received and ref not in venue.ended
    }
    orphans = {
        ref: f"exit {ref} of {symbol} works and nothing is held"
        for ref, symbol in working.refs.items()
        if symbol not in book.positions and (ref not in book.orders or book.orders[ref].state not in _ASKED)
        if not _may_be_bought(scene, venue.received[ref])
    }
    yield from scene.in_life(_Orphans).too_long(
        {ref: words for ref, words in orphans.items() if ref in book.orders or ref not in scene.engine.asks_about},
        scene.minutes_told,
    )


def _may_be_bought(scene: Scene, order: Order) -> bool:
    """Whether it is a child, and its entry works in the book."""
    return order.oca != order.ref and order.symbol in scene.book.locks


@invariant(25, When.CLOSE)
def flat_when_nothing_hinders(scene: Scene) -> Iterator[str]:
    """After a session in which nothing struck: no share on either side, unless the broker could not fill."""
    session = scene.closed
    if session is None or not scene.has_run_healed:
        return
    venue, book = scene.venue, scene.book
    there = {symbol: shares - venue.foreign[symbol] for symbol, shares in venue.positions.items()}
    excused = {*book.drift, *_never_filled(scene, session)}
    for symbol in dict.fromkeys([*book.positions, *there]):
        if symbol not in excused and (there.get(symbol, 0) or symbol in book.positions):
            yield f"{symbol} is held after the close: {there.get(symbol, 0)} at the broker"


def _never_filled(scene: Scene, session: SessionDay) -> Iterator[str]:
    """Symbols of which an exit of this session was left when it ended."""
    for ref, ended in scene.venue.ended.items():
        order = scene.venue.received.get(ref)
        if ended.reason != _SESSION_IS_OVER or order is None:
            continue
        if order.side is Side.SELL and order.created_at >= session.opens_at:
            yield order.symbol


@invariant(25, When.CLOSE)
def who_is_not_flat_is_paged(scene: Scene) -> Iterator[str]:
    """Again and again, as long as it is so and the book can be written."""
    session, looked_at = scene.closed, _looked_at(scene)
    if session is None or not session.flat_by_at + _A_MINUTE <= looked_at < session.closes_at + _PAGED:
        return
    held = {symbol: position.quantity for symbol, position in scene.book.positions.items()}
    newest = scene.rows(_NEWEST_PAGE, session.day.isoformat())[0][0]
    if (held or scene.book.orders) and (newest is None or newest < microseconds(looked_at - _PAGED)):
        yield f"{held}, {len(scene.book.orders)} orders at the close of {session.day}, and nobody is told"


def _looked_at(scene: Scene) -> datetime:
    """By the daemon's own clock, when it has looked last; before everything while it recovers or cannot write."""
    assert scene.engine is not None  # noqa: S101
    trading = scene.engine.trading
    can_say_so = scene.recovered_at is not None and Rule.BOOK_UNWRITABLE not in trading.gate.why
    return trading.exits.last.at if can_say_so else UNSTAMPED


@invariant(26, When.CLOSE)
def each_session_has_its_flatten(scene: Scene) -> Iterator[str]:
    """However late: who was awake after the deadline has said that it is past."""
    session, looked_at = scene.closed, _looked_at(scene)
    if session is None or not session.flatten_at + _A_MINUTE <= looked_at < session.closes_at + _PAGED:
        return
    phases = [row[0] for row in scene.rows(_PHASES_OF, session.day.isoformat())]
    if not any(phase in _DECIDED for phase in phases):
        yield f"{session.day}: {phases or 'no phase'} and nothing of its end"


@invariant(26, When.CLOSE)
@invariant(26, When.DEATH)
def a_position_is_closed_once(scene: Scene) -> Iterator[str]:
    """The decision is a fact of the position: neither a restart nor a clock that goes back makes it again.

    One that has led to an exit may stand again before the next: those that left without the book are booked so.
    """
    read = scene.in_run(_Read)
    for row in scene.rows(_CLOSINGS, read.seq):
        read.seq = row["seq"]
        if row["type"] != JournalType.POSITION_CLOSING:
            read.closing.pop(row["symbol"], None)
        elif row["symbol"] in read.closing:
            yield f"{row['symbol']} is closed by event {read.closing[row['symbol']]} and again by {row['seq']}"
        else:
            read.closing[row["symbol"]] = row["seq"]


def _newest(scene: Scene) -> int:
    """The number of the newest event."""
    return int(scene.rows("SELECT coalesce(max(seq), 0) FROM book_events")[0][0])
