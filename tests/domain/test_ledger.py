"""Positions and lots, and what one fill does to them."""

import pytest
from builders import FAMILIES, MINUTE, NOON, a_fill, a_position
from hypothesis import given
from hypothesis import strategies as st

from trader.domain.decision import Purpose, Side
from trader.domain.exit_plan import ExitPlan
from trader.domain.ledger import (
    POSITION_TRANSITIONS,
    Booked,
    Lot,
    Oversold,
    Position,
    PositionEvent,
    PositionState,
    book_fill,
)
from trader.domain.money import micros
from trader.domain.order import Fill

PLAN = ExitPlan.around(100_000_000, 50_000_000, 200_000_000)


class Ledger:
    """One symbol's position and lots, through a series of fills."""

    def __init__(self) -> None:
        self.position: Position | None = None
        self.lots: tuple[Lot, ...] = ()
        self.cash_micros = 0

    def book(self, fill: Fill, plan: ExitPlan = PLAN) -> Booked:
        booked = book_fill(self.position, self.lots, fill, FAMILIES.instrument(fill.symbol), plan, "exit")
        self.position, self.lots = booked.position, booked.lots
        self.cash_micros += fill.cash_effect_micros
        return booked

    @property
    def held(self) -> Position:
        assert self.position is not None
        return self.position


def buy(quantity: int, price: float, commission: float = 0.0, symbol: str = "AAPL") -> Fill:
    return a_fill(symbol, quantity, price, commission=commission)


def sell(quantity: int, price: float, commission: float = 0.0, symbol: str = "AAPL") -> Fill:
    return a_fill(symbol, quantity, price, side=Side.SELL, commission=commission)


def test_a_first_buy_makes_a_position_with_its_exit_plan() -> None:
    ledger = Ledger()
    booked = ledger.book(a_fill("SQQQ", 10, 30.0, commission=1.0, at=NOON))
    assert booked.created
    assert ledger.held[:4] == ("paper", "SQQQ", "QQQ", -1)
    assert (ledger.held.quantity, ledger.held.cost_micros) == (10, 300_000_000)
    assert ledger.held.exit_plan == PLAN
    assert ledger.held.state is PositionState.OPEN
    assert ledger.held.opened_at == NOON
    assert booked.realized_micros == ledger.held.realized_micros == -1_000_000


def test_adding_keeps_the_first_plan_and_is_no_creation() -> None:
    ledger = Ledger()
    ledger.book(buy(10, 100.0))
    booked = ledger.book(buy(5, 130.0), ExitPlan.around(2, 1, 3))
    assert not booked.created
    assert ledger.held.exit_plan == PLAN
    assert ledger.held.avg_cost_micros == 110_000_000
    assert [lot.remaining for lot in ledger.lots] == [10, 5]


def test_the_oldest_shares_are_sold_first() -> None:
    ledger = Ledger()
    ledger.book(buy(10, 100.0))
    ledger.book(buy(10, 120.0))
    assert ledger.book(sell(10, 130.0)).realized_micros == 300_000_000
    assert ledger.book(sell(10, 130.0)).realized_micros == 100_000_000


def test_a_sale_across_lots_changes_only_the_lots_it_used() -> None:
    ledger = Ledger()
    for price in (100.0, 110.0, 120.0):
        ledger.book(buy(10, price))
    booked = ledger.book(sell(15, 130.0))
    assert [(lot.remaining, lot.cost_micros) for lot in booked.changed_lots] == [(0, 0), (5, 550_000_000)]
    assert [lot.remaining for lot in ledger.lots] == [5, 10]
    assert ledger.held.cost_micros == 1_750_000_000


def test_realised_profit_counts_both_commissions() -> None:
    ledger = Ledger()
    ledger.book(buy(10, 100.0, commission=1.0))
    booked = ledger.book(sell(10, 101.0, commission=2.5))
    assert booked.realized_micros == 7_500_000
    assert booked.round_trip is not None
    assert booked.round_trip.pnl_micros == 6_500_000 == ledger.cash_micros


def test_the_last_share_makes_a_round_trip_and_takes_the_plan_with_it() -> None:
    ledger = Ledger()
    ledger.book(buy(10, 100.0))
    assert ledger.book(sell(4, 90.0)).round_trip is None
    ledger.position = ledger.held.closing(Purpose.EOD, "eod", NOON)
    trip = ledger.book(a_fill("AAPL", 6, 95.0, side=Side.SELL, commission=0.0, at=NOON + MINUTE)).round_trip
    assert trip is not None
    assert (trip.quantity, trip.bought_micros, trip.sold_micros) == (10, 1_000_000_000, 930_000_000)
    assert (trip.exit_reason, trip.closed_at) == ("eod", NOON + MINUTE)
    assert ledger.held.exit_plan is None
    assert ledger.held.state is PositionState.FLAT
    assert ledger.held.closing_purpose is None
    assert ledger.held.cost_micros == ledger.held.avg_cost_micros == 0
    assert ledger.lots == ()


def test_a_position_bought_again_starts_from_nothing() -> None:
    ledger = Ledger()
    ledger.book(buy(10, 100.0))
    ledger.book(sell(10, 90.0))
    booked = ledger.book(buy(3, 95.0, commission=1.0))
    assert booked.created
    assert (ledger.held.bought, ledger.held.sold_micros, ledger.held.realized_micros) == (3, 0, -1_000_000)
    assert ledger.held.exit_plan == PLAN


@pytest.mark.parametrize("bought", [0, 5])
def test_a_sale_of_more_than_is_held_raises_and_changes_nothing(bought: int) -> None:
    ledger = Ledger()
    if bought:
        ledger.book(buy(bought, 100.0))
    position, lots = ledger.position, ledger.lots
    with pytest.raises(Oversold, match=f"sells 6 of {bought} held"):
        ledger.book(sell(6, 100.0))
    assert (ledger.position, ledger.lots) == (position, lots)


def test_a_flat_position_holds_nothing_to_sell() -> None:
    ledger = Ledger()
    ledger.book(buy(5, 100.0))
    ledger.book(sell(5, 100.0))
    with pytest.raises(Oversold):
        ledger.book(sell(1, 100.0))


def test_the_first_reason_to_close_stays() -> None:
    closing = a_position().closing(Purpose.EXIT, "stop", NOON)
    assert closing.closing(Purpose.EOD, "eod", NOON + MINUTE) == closing
    assert (closing.state, closing.closing_reason) == (PositionState.CLOSING, "stop")


def test_more_bought_while_closing_is_closing_too() -> None:
    ledger = Ledger()
    ledger.book(buy(5, 100.0))
    ledger.position = ledger.held.closing(Purpose.EXIT, "stop", NOON)
    ledger.book(buy(2, 100.0))
    assert ledger.held.state is PositionState.CLOSING
    assert ledger.held.quantity == 7


PRICES = st.integers(1, 10**9)
STEPS = st.lists(st.tuples(st.booleans(), st.integers(1, 50), PRICES, st.integers(0, 10**6)), max_size=40)


@given(STEPS)
def test_shares_and_cost_are_conserved_to_the_micro(steps: list[tuple[bool, int, int, int]]) -> None:
    """Whatever is bought and sold: cash = realised less the cost of what is held, and lots sum to the position."""
    ledger, realized = Ledger(), 0
    for buys, quantity, price_micros, commission in steps:
        held = ledger.held.quantity if ledger.position else 0
        side = Side.BUY if buys or not held else Side.SELL
        size = quantity if side is Side.BUY else min(quantity, held)
        fill = a_fill(quantity=size, side=side)._replace(price_micros=price_micros, commission_micros=commission)
        realized += ledger.book(fill).realized_micros
        assert sum(lot.remaining for lot in ledger.lots) == ledger.held.quantity
        assert sum(lot.cost_micros for lot in ledger.lots) == ledger.held.cost_micros
        assert all(lot.remaining > 0 and lot.cost_micros >= 0 for lot in ledger.lots)
        assert ledger.cash_micros == realized - ledger.held.cost_micros
        assert (ledger.held.exit_plan is not None) == (ledger.held.quantity > 0)


# -- states ---------------------------------------------------------------------------------------------------------


def test_a_position_is_opening_while_its_entry_works_and_open_when_that_has_ended() -> None:
    instrument = FAMILIES.instrument("AAPL")
    first = book_fill(None, (), buy(3, 100.0), instrument, PLAN, "", entry_works_on=True)
    assert first.position.state is PositionState.OPENING
    assert first.position.entry_ended(NOON).state is PositionState.OPEN
    last = book_fill(first.position, first.lots, buy(7, 100.0), instrument, PLAN, "")
    assert last.position.state is PositionState.OPEN


def test_an_addition_to_an_open_position_does_not_open_it_again() -> None:
    ledger = Ledger()
    ledger.book(buy(3, 100.0))
    added = book_fill(
        ledger.held, ledger.lots, buy(1, 100.0), FAMILIES.instrument("AAPL"), PLAN, "", entry_works_on=True
    )
    assert added.position.state is PositionState.OPEN


def test_what_is_on_its_way_out_stays_so_until_it_is_flat() -> None:
    ledger = Ledger()
    ledger.book(buy(10, 100.0))
    ledger.position = ledger.held.closing(Purpose.EXIT, "stop", NOON)
    ledger.book(buy(5, 100.0))
    ledger.book(sell(14, 100.0))
    assert ledger.held.entry_ended(NOON).state is PositionState.CLOSING
    ledger.book(sell(1, 100.0))
    assert ledger.held.state is PositionState.FLAT


def test_every_held_state_has_an_answer_to_every_event() -> None:
    for state in (PositionState.OPENING, PositionState.OPEN, PositionState.CLOSING):
        assert set(POSITION_TRANSITIONS[state]) == set(PositionEvent)


def test_a_stop_is_raised_and_never_lowered() -> None:
    ledger = Ledger()
    ledger.book(buy(10, 100.0))
    raised = ledger.held.tightened(90_000_000, NOON)
    assert raised.exit_plan == PLAN._replace(stop_micros=90_000_000)
    assert raised.tightened(80_000_000, NOON) is raised
    assert raised.tightened(300_000_000, NOON).exit_plan == PLAN._replace(stop_micros=PLAN.take_profit_micros - 1)


def test_contracts_cost_and_bring_a_hundred_times_their_premium() -> None:
    ledger, call = Ledger(), "QQQ261218C00500000"
    ledger.book(buy(3, 4.0, 1.95, call))
    assert (ledger.held.cost_micros, ledger.held.avg_cost_micros) == (micros(1_200), micros(4))
    assert ledger.cash_micros == micros(-1_201.95)
    booked = ledger.book(sell(1, 6.0, 1.0, call))
    assert booked.realized_micros == micros(600 - 400 - 1)
    assert [(lot.remaining, lot.cost_micros) for lot in ledger.lots] == [(2, micros(800))]
    assert ledger.cash_micros == micros(-1_201.95 + 599)
