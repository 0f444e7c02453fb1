"""The order's table, row by row: every state with every event."""

import pytest
from builders import MINUTE, NOON, a_fill, a_lock, an_order

from trader.domain.decision import Side
from trader.domain.errors import IllegalTransition
from trader.domain.money import micros
from trader.domain.order import DONE, LIVE, OrderEvent, OrderState

EVENTS = ["accepted", "partly_filled", "filled", "cancel_asked", "cancelled", "rejected", "lost"]

# state        accepted     partly        filled    cancel_asked  cancelled    rejected    lost
TABLE = """
created        working      working       filled    cancelling    cancelled    rejected    unknown
working        working      working       filled    cancelling    cancelled    rejected    unknown
cancelling     cancelling   cancelling    filled    cancelling    cancelled    rejected    unknown
unknown        working      working       filled    unknown       cancelled    rejected    unknown
filled         filled       filled        filled    filled        filled       -           -
cancelled      cancelled    cancelled     filled    cancelled     cancelled    -           -
rejected       -            rejected      filled    rejected      rejected     rejected    -
"""

CASES = [
    (row.split()[0], event, after)
    for row in TABLE.strip().splitlines()
    for event, after in zip(EVENTS, row.split()[1:], strict=True)
]


def test_the_table_lists_every_state_with_every_event() -> None:
    assert {(state, event) for state, event, _ in CASES} == {
        (state.value, event.value) for state in OrderState for event in OrderEvent
    }
    assert set(OrderState) == LIVE | DONE
    assert not LIVE & DONE


@pytest.mark.parametrize(("state", "event", "after"), [case for case in CASES if case[2] != "-"])
def test_what_may_happen_leads_where_the_table_says(state: str, event: str, after: str) -> None:
    order = an_order(state=OrderState(state), quantity=10, filled=2)
    moved = order.after(OrderEvent(event), NOON + MINUTE, filled=3)
    assert moved.state == after
    assert (moved.filled, moved.updated_at) == (5, NOON + MINUTE)
    assert moved._replace(state=order.state, filled=2, updated_at=NOON) == order


@pytest.mark.parametrize(("state", "event"), [case[:2] for case in CASES if case[2] == "-"])
def test_what_may_not_happen_raises_and_changes_nothing(state: str, event: str) -> None:
    order = an_order(state=OrderState(state))
    before = tuple(order)
    with pytest.raises(IllegalTransition, match=f"is {state} and cannot be {event}"):
        order.after(OrderEvent(event), NOON + MINUTE)
    assert tuple(order) == before


@pytest.mark.parametrize("state", sorted(DONE))
def test_an_ended_order_never_lives_again(state: OrderState) -> None:
    ends = {after for before, _, after in CASES if before == state and after != "-"}
    assert ends <= DONE


@pytest.mark.parametrize("state", list(OrderState))
def test_unknown_counts_as_live(state: OrderState) -> None:
    assert an_order(state=state).live == (state not in DONE)


def test_an_order_knows_what_is_left_of_it() -> None:
    assert an_order(quantity=10, filled=4).remaining == 6


def test_a_fill_takes_its_commission_from_cash_on_either_side() -> None:
    assert a_fill(quantity=10, price=100.0, commission=1.5).cash_effect_micros == -1_001_500_000
    assert a_fill(quantity=10, price=100.0, commission=1.5, side=Side.SELL).cash_effect_micros == 998_500_000


@pytest.mark.parametrize(("reserved", "commission", "left"), [(1010.0, 1.0, 609.0), (1000.0, 5.0, 600.0)])
def test_a_lock_keeps_the_rest_at_its_limit_and_what_commission_leaves_over(
    reserved: float, commission: float, left: float
) -> None:
    fill = a_fill(quantity=4, price=99.0, commission=commission)
    after = a_lock(reserved=reserved).after(fill, an_order(quantity=10, filled=4, limit=100.0))
    assert after.reserved_micros == micros(left)
