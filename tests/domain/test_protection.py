"""What the live protection of one symbol does together: each pair once, and of a child what its entry has bought."""

from builders import an_order

from trader.domain.decision import Purpose, Side
from trader.domain.money import micros
from trader.domain.order import Order, OrderState
from trader.domain.protection import Guards


def a_pair(number: int, shares: int, *, oca: str = "", stop: float = 98.0) -> tuple[Order, Order]:
    sale = an_order(quantity=shares, side=Side.SELL, purpose=Purpose.PROTECTION)
    of_stop = f"paper-1-{number:04}"
    sale = sale._replace(oca=oca or of_stop)
    stop_order = sale._replace(ref=of_stop, stop_micros=micros(stop))
    return stop_order, sale._replace(ref=f"paper-1-{number + 1:04}", limit_micros=micros(103.0))


def test_a_pair_counts_once() -> None:
    guards = Guards.of([*a_pair(2, 10), *a_pair(4, 5)])
    assert (guards.asked, guards.asked_of_held, guards.stopped, guards.targeted) == (15, 15, 15, 15)


def test_what_the_target_has_sold_the_stop_sells_no_more() -> None:
    stop, target = a_pair(2, 10)
    assert Guards.of([stop, target._replace(filled=4)]).stopped == 6
    assert Guards.of([stop._replace(filled=3), target._replace(filled=4)]).stopped == 3


def test_children_protect_what_their_entry_may_still_buy_before_what_is_held() -> None:
    entry = an_order(quantity=10, filled=3)
    guards = Guards.of(a_pair(2, 10, oca=entry.ref), entry)
    assert (guards.asked, guards.asked_of_held, guards.stopped) == (10, 3, 3)


def test_a_pair_of_its_own_protects_what_is_held_whatever_an_entry_may_buy() -> None:
    entry = an_order(quantity=10, filled=3)
    assert Guards.of(a_pair(2, 3), entry).asked_of_held == 3


def test_what_is_taken_back_or_of_unknown_fate_protects_nothing_and_still_asks() -> None:
    for state in (OrderState.CANCELLING, OrderState.UNKNOWN):
        stop, target = a_pair(2, 10)
        guards = Guards.of([stop._replace(state=state), target])
        assert (guards.asked, guards.stopped, guards.targeted, guards.all_stop_at_micros) == (10, 0, 0, 0)


def test_a_target_without_its_stop_is_alone_and_protects_nothing() -> None:
    _, target = a_pair(2, 10)
    guards = Guards.of([target])
    assert (guards.asked, guards.targeted, guards.lone_targets) == (0, 0, (target,))


def test_all_stops_are_touched_at_the_lowest() -> None:
    guards = Guards.of([*a_pair(2, 10, stop=98.0), *a_pair(4, 5, stop=97.0)])
    assert guards.all_stop_at_micros == micros(97.0)
