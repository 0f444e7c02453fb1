"""Time: chores, and what is stored of it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import cast

from simulation.history import What
from simulation.invariants.registry import When, invariant
from simulation.scene import Scene
from trader.domain.session import microseconds, new_york_date

_A_MINUTE = timedelta(minutes=1)
_CLOCK_MAY_BE_WRONG_BY = timedelta(hours=4)
"""A clock that jumps by an hour, and a host that sleeps for three."""
_BOOKED_LATER = ("position_closing", "order_created", "order_state")
"""What an exit was that left without the book is journaled with the time at which it left."""


@dataclass(slots=True)
class _Done:
    """Chores of this life: name and date."""

    done: dict[str, datetime] = field(default_factory=dict)


@dataclass(slots=True)
class _Journal:
    """Its end at the look before."""

    seq: int = 0
    at: datetime | None = None


@invariant(27)
def a_chore_is_done_once_a_date(scene: Scene) -> Iterator[str]:
    """By the exchange's date on the wall, whatever that clock does. A new process has a wall of its own."""
    done = scene.in_life(_Done).done
    for entry in scene.news.entries:
        if entry.what is What.CHORE:
            at = cast("datetime", entry.value)
            key = f"{entry.subject} {new_york_date(at)}"
            if key in done:
                yield f"{key} is done at {done[key]} and again at {at}"
            done[key] = at


@invariant(28)
def orders_are_stamped_with_the_market_s_time(scene: Scene) -> Iterator[str]:
    """UTC, and the hour that it is: no zone is taken for another one."""
    at = scene.market.at
    if at is None or not scene.news.sent:
        return
    until = _latest(scene, at)
    for order in scene.news.sent:
        is_near = at - _CLOCK_MAY_BE_WRONG_BY < order.created_at < until + _CLOCK_MAY_BE_WRONG_BY
        if order.created_at.tzinfo is not UTC or not is_near:
            yield f"order {order.ref} is stamped {order.created_at.isoformat()} at {at.isoformat()}"


@invariant(28, When.CLOSE)
@invariant(28, When.DEATH)
def events_are_numbered_without_a_gap(scene: Scene) -> Iterator[str]:
    """Whatever the clock does; and none lies where the market has not been since the look before."""
    journal, now = scene.in_run(_Journal), scene.market.at
    count, lowest, highest = scene.rows("SELECT count(*), min(seq), max(seq) FROM book_events")[0]
    if count and (lowest, highest) != (1, count):
        yield f"{count} events are numbered {lowest} to {highest}"
    if highest is not None and highest < journal.seq:
        yield f"the journal ends at {highest} and has ended at {journal.seq}"
    if journal.at is not None and now is not None:
        span = (journal.at - _CLOCK_MAY_BE_WRONG_BY, _latest(scene, now) + _CLOCK_MAY_BE_WRONG_BY)
        for row in scene.rows("SELECT seq, type, at_us FROM book_events WHERE seq > ?", journal.seq):
            is_early = row["at_us"] < microseconds(span[0]) and row["type"] not in _BOOKED_LATER
            if is_early or row["at_us"] > microseconds(span[1]):
                yield f"event {row['seq']} {row['type']} is stamped {row['at_us']}, outside {span[0]} to {span[1]}"
    journal.seq, journal.at = highest or 0, now


def _latest(scene: Scene, at: datetime) -> datetime:
    """The latest that it may be: once the last bar of a session has begun, a moment before the next one."""
    session = scene.session
    is_over = session is None or at >= session.closes_at - _A_MINUTE
    return scene.market.calendar.next_session(new_york_date(at)).opens_at if is_over else at


@invariant(28, When.DEATH)
def rows_keep_the_time_of_what_left(scene: Scene) -> Iterator[str]:
    """To the microsecond since 1970, UTC."""
    for ref, created_us in scene.rows("SELECT order_ref, created_us FROM book_orders"):
        order = scene.history.orders.get(ref)
        if order is not None and created_us != microseconds(order.created_at):
            yield f"order {ref} left at {order.created_at.isoformat()} and its row says {created_us}"
