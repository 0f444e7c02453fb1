"""The account: what may work in it at once, whose reports count, and that it always comes to rest."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from simulation.invariants.registry import When, invariant
from simulation.scene import Scene
from trader.domain.decision import Outcome, Rule
from trader.domain.order import Order, OrderState
from trader.domain.session import microseconds

_MOST_ORDERS = 20
_OF_AN_ACCOUNT = ("positions", "orders", "fills", "locks", "lots", "events", "signals", "drift", "round_trips")
_BOOKED_OF_ANOTHER = "SELECT execution_id FROM book_fills WHERE order_ref LIKE 'astray-%'"
_OF_THE_DAY = (Rule.OPENINGS_PER_DAY, Rule.DAILY_NOTIONAL, Rule.DAY_LOSS)
_GATES = (Rule.UNRECONCILED, Rule.BOOK_UNWRITABLE, Rule.EXIT_SCAN_OVERDUE)
_UNTIL_SOMEBODY_HAS_LOOKED = timedelta(hours=1)
_OUTCOMES = """
    SELECT outcome, coalesce(rule, '') AS rule, sum(count) AS count FROM book_signals
    WHERE received_us >= ? AND received_us < ? GROUP BY 1, 2 ORDER BY 1, 2"""


@dataclass(slots=True)
class _Working:
    """Orders that have left and have not ended at the broker."""

    orders: list[Order] = field(default_factory=list)


@invariant(21)
def few_orders_of_a_symbol_and_side(scene: Scene) -> Iterator[str]:
    """As a broker counts them: what has left and has not ended there, whatever the book holds of it."""
    if not scene.news.sent:
        return
    working, ended = scene.in_run(_Working), scene.venue.ended
    working.orders.extend(scene.news.sent)
    working.orders = [order for order in working.orders if order.ref not in ended]
    for (symbol, side), count in Counter((order.symbol, order.side) for order in working.orders).items():
        if count > _MOST_ORDERS:
            yield f"{count} orders {side} {symbol} work at once"


@invariant(37, When.DEATH)
def only_this_account_is_in_the_book(scene: Scene) -> Iterator[str]:
    """Reports of another one are journaled as what they are, and nothing else."""
    for table in _OF_AN_ACCOUNT:
        for (account,) in scene.rows(f"SELECT DISTINCT account FROM book_{table}"):  # noqa: S608  (names of ours)
            if account != scene.account:
                yield f"book_{table} has rows of {account}"
    for (execution_id,) in scene.rows(_BOOKED_OF_ANOTHER):
        yield f"execution {execution_id} of another account is booked"


@invariant(37)
def what_leaves_names_this_account(scene: Scene) -> Iterator[str]:
    """Each order, and its reference."""
    for order in scene.news.sent:
        if order.account != scene.account or not order.ref.startswith(f"{scene.account}-"):
            yield f"order {order.ref} leaves for the account {order.account}"


@invariant(39, When.SETTLED)
def nothing_is_left_unknown(scene: Scene) -> Iterator[str]:
    """After a whole day without faults; but for symbols on whose shares a person has to decide."""
    assert scene.engine is not None  # noqa: S101
    if not scene.has_run_healed:
        return
    book, why = scene.book, scene.engine.trading.gate.why
    for order in book.orders.values():
        if order.state is OrderState.UNKNOWN and order.symbol not in book.drift:
            yield f"order {order.ref} of {order.symbol} is of unknown fate since {order.updated_at}"
    if any(rule in why for rule in _GATES):
        yield f"the gate is closed: {why}"


@invariant(39, When.CLOSE)
def entries_are_possible_again(scene: Scene) -> Iterator[str]:
    """In a day without faults a strategy this moody is served, once somebody has resumed what was halted.

    But where a limit of the day had stopped it by then.
    """
    session = scene.closed
    if session is None or not scene.has_run_healed:
        return
    since, until = session.opens_at + _UNTIL_SOMEBODY_HAS_LOOKED, session.entries_stop_at
    if scene.recovered_at is None or scene.recovered_at > session.opens_at:
        return
    became: Counter[str] = Counter()
    for row in scene.rows(_OUTCOMES, microseconds(since), microseconds(until)):
        became[row["rule"] or row["outcome"]] += row["count"]
    if became and not became[Outcome.ORDERED] and not any(became[rule] for rule in _OF_THE_DAY):
        yield f"no entry in all of {session.day}: {dict(became)}"
