"""What has only so long: an answer, an entry, a position; and what follows a price has to do so soon.

By minutes of the market that the daemon was told. While its clock may have been set back, or its book cannot be
written, nobody knows how long it has waited.
"""

from collections.abc import Iterator
from datetime import timedelta

from simulation.faults import Fault
from simulation.invariants.exits import Since
from simulation.invariants.registry import invariant
from simulation.scene import Scene
from trader.domain.decision import Rule, Side
from trader.domain.ledger import Position, PositionState
from trader.domain.market import Bar
from trader.domain.money import part
from trader.domain.order import OrderState

_UNANSWERED = (OrderState.CREATED, OrderState.CANCELLING)
_A_MINUTE_S = 60
_NEW = timedelta(minutes=2)
"""From the start of a bar."""


class _Unanswered(Since):
    """Orders and cancels that the broker has not answered."""


class _Entries(Since):
    """Entries that work, and that nobody has asked back."""


class _Held(Since):
    """Positions with a time stop."""


class _Behind(Since):
    """Positions whose stop could be higher."""


def _can_tell(scene: Scene) -> bool:
    assert scene.engine is not None  # noqa: S101
    is_sure = scene.recovered_at is not None and not scene.faults.struck[Fault.MARKET_CLOCK_JUMPS]
    return is_sure and Rule.BOOK_UNWRITABLE not in scene.engine.trading.gate.why


@invariant(36)
def who_does_not_answer_is_doubted(scene: Scene) -> Iterator[str]:
    """An order, or a cancel, without an answer is of unknown fate, and asked about."""
    waiting = {
        f"{order.ref} {order.state}": f"{order.ref} of {order.symbol} is {order.state} without an answer"
        for order in scene.book.orders.values()
        if _can_tell(scene) and order.state in _UNANSWERED
    }
    yield from scene.in_life(_Unanswered).too_long(waiting, scene.minutes_told)


@invariant(19)
def an_entry_that_is_not_done_is_taken_back(scene: Scene) -> Iterator[str]:
    """What has not bought by then was decided on a price of long ago."""
    working = {
        order.ref: f"entry {order.ref} of {order.symbol} works, and nobody has asked it back"
        for order in scene.book.orders.values()
        if _can_tell(scene) and order.side is Side.BUY and order.ref not in scene.history.asked_back
    }
    patience = scene.rules.entry_timeout_s // _A_MINUTE_S
    yield from scene.in_life(_Entries).too_long(working, scene.minutes_told, patience)


@invariant(22)
def a_position_has_its_time(scene: Scene) -> Iterator[str]:
    """Where a run has a time stop."""
    time_stop_s = scene.rules.exits.time_stop_s
    held = {
        f"{symbol} {position.opened_at}": f"{symbol} is held, and may be for {time_stop_s} s,"
        for symbol, position in scene.book.positions.items()
        if _can_tell(scene) and time_stop_s and position.state is not PositionState.CLOSING
    }
    yield from scene.in_life(_Held).too_long(held, scene.minutes_told, time_stop_s // _A_MINUTE_S)


@invariant(23)
def a_trailing_stop_follows(scene: Scene) -> Iterator[str]:
    """Where a run has one, and the bars of its symbol come: it is where the newest close puts it, or higher."""
    behind = {
        f"{symbol} {position.opened_at}": f"the stop of {symbol} could be higher"
        for symbol, position in scene.book.positions.items()
        if _can_tell(scene) and position.state is not PositionState.CLOSING and _is_behind(scene, position)
    }
    yield from scene.in_life(_Behind).too_long(behind, scene.minutes_told)


def _is_new(scene: Scene, bar: Bar) -> bool:
    """A purchase may be heard after the last bar for long."""
    return scene.market.at is not None and scene.market.at - bar.timestamp <= _NEW


def _is_behind(scene: Scene, position: Position) -> bool:
    assert scene.engine is not None  # noqa: S101
    bar, plan, rule = scene.engine.trading.prices.last(position.symbol), position.exit_plan, scene.rules.exits
    if bar is None or plan is None or not rule.trailing_ppm or not _is_new(scene, bar):
        return False
    leverage = abs(scene.family(position.symbol).members[position.symbol])
    below_micros = part(bar.close_micros, rule.trailing_ppm) * leverage
    level_micros = min(bar.close_micros - below_micros, plan.take_profit_micros)
    return plan.stop_micros < level_micros - part(bar.close_micros, 100)
