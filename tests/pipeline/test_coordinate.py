"""Allocation -> Intent: never long and inverse in one family, over positions and working and unknown orders."""

from dataclasses import replace
from itertools import permutations

import pytest
from builders import FAMILIES, MINUTE, NOON, a_lock, a_portfolio, a_position, a_signal

from trader.domain.decision import Allocation, Close, Purpose, Rule
from trader.domain.exit_plan import ExitReason
from trader.domain.ledger import PositionState
from trader.domain.portfolio import Portfolio
from trader.pipeline.coordinate import Coordination, conflicting, coordinate

MEMBERS = ["QQQ", "TQQQ", "PSQ", "SQQQ"]


def wanting(symbol: str | None, portfolio: Portfolio) -> Coordination:
    return coordinate(Allocation(a_signal("QQQ"), "QQQ", symbol), FAMILIES, portfolio, NOON)


def rule_of(coordination: Coordination) -> Rule | None:
    return coordination.refusal.rule if coordination.refusal else None


@pytest.mark.parametrize("wanted", MEMBERS)
def test_into_a_flat_family_every_member_may_be_bought(wanted: str) -> None:
    result = wanting(wanted, a_portfolio())
    assert result.intent is not None
    assert (result.intent.symbol, result.intent.family) == (wanted, "QQQ")
    assert result.intent.direction == FAMILIES.instrument(wanted).direction


@pytest.mark.parametrize(("held", "wanted"), list(permutations(MEMBERS, 2)))
def test_what_is_held_is_closed_and_nothing_is_opened_before_it_is_flat(held: str, wanted: str) -> None:
    result = wanting(wanted, a_portfolio(a_position(held)))
    assert result.closes == (Close(held, Purpose.EXIT, ExitReason.TURN, ""),)
    assert result.intent is None
    assert rule_of(result) is Rule.TURNING


@pytest.mark.parametrize(("working", "wanted"), list(permutations(MEMBERS, 2)))
def test_a_working_entry_of_another_member_is_cancelled_first(working: str, wanted: str) -> None:
    result = wanting(wanted, a_portfolio(locks=[a_lock(working, ref="the-entry")]))
    assert result.cancels == ("the-entry",)
    assert result.intent is None
    assert rule_of(result) is Rule.TURNING


@pytest.mark.parametrize(("closing", "wanted"), list(permutations(MEMBERS, 2)))
def test_a_position_on_its_way_out_still_bars_the_family(closing: str, wanted: str) -> None:
    result = wanting(wanted, a_portfolio(a_position(closing, state=PositionState.CLOSING)))
    assert result.intent is None
    assert rule_of(result) is Rule.TURNING


@pytest.mark.parametrize("lost", MEMBERS)
@pytest.mark.parametrize("wanted", MEMBERS)
def test_an_order_of_unknown_fate_bars_the_family(lost: str, wanted: str) -> None:
    result = wanting(wanted, replace(a_portfolio(), unknown=frozenset({lost})))
    assert result.intent is None
    assert rule_of(result) is Rule.UNKNOWN_ORDER


def test_an_unknown_order_elsewhere_bars_nothing() -> None:
    assert wanting("QQQ", replace(a_portfolio(), unknown=frozenset({"AAPL"}))).intent is not None


def test_a_symbol_with_a_working_entry_is_locked() -> None:
    result = wanting("QQQ", a_portfolio(locks=[a_lock("QQQ")]))
    assert rule_of(result) is Rule.SYMBOL_LOCKED
    assert not result.closes
    assert not result.cancels


def test_what_is_being_closed_is_not_bought_again() -> None:
    assert rule_of(wanting("QQQ", a_portfolio(a_position("QQQ", state=PositionState.CLOSING)))) is Rule.CLOSING


def test_one_opening_a_bar_and_family() -> None:
    now = replace(a_portfolio(), opened_at={"QQQ": NOON})
    before = replace(a_portfolio(), opened_at={"QQQ": NOON - MINUTE, "AAPL": NOON})
    assert rule_of(wanting("TQQQ", now)) is Rule.ONE_OPENING_PER_BAR
    assert wanting("TQQQ", before).intent is not None


def test_a_bar_goes_on_for_a_signal_between_two_bars() -> None:
    opened = replace(a_portfolio(), opened_at={"QQQ": NOON.replace(second=14)})
    assert (
        coordinate(Allocation(a_signal("QQQ"), "QQQ", "TQQQ"), FAMILIES, opened, NOON.replace(second=59)).intent is None
    )
    assert coordinate(Allocation(a_signal("QQQ"), "QQQ", "TQQQ"), FAMILIES, opened, NOON + MINUTE).intent is not None


def test_cash_closes_everything_and_cancels_everything() -> None:
    portfolio = a_portfolio(a_position("QQQ"), a_position("TQQQ"), locks=[a_lock("PSQ", ref="the-entry")])
    result = wanting(None, portfolio)
    assert result.closes == tuple(Close(symbol, Purpose.EXIT, ExitReason.SIGNAL, "") for symbol in ("QQQ", "TQQQ"))
    assert result.cancels == ("the-entry",)
    assert (result.intent, result.refusal) == (None, None)


def test_a_held_conflict_is_closed_but_for_the_wanted_side() -> None:
    """Incident 1: the coordinator never repaired a conflict that was already there."""
    portfolio = a_portfolio(*(a_position(symbol) for symbol in MEMBERS))
    result = wanting("PSQ", portfolio)
    assert [close.symbol for close in result.closes] == ["QQQ", "TQQQ", "SQQQ"]
    assert result.intent is None


def test_another_family_is_left_alone() -> None:
    portfolio = a_portfolio(a_position("AAPL"), locks=[a_lock("MSFT")])
    result = wanting("SQQQ", portfolio)
    assert not result.closes
    assert not result.cancels
    assert result.intent is not None


@pytest.mark.parametrize(
    ("held", "conflict"),
    [
        ((), False),
        (("QQQ", "TQQQ"), False),
        (("PSQ", "SQQQ"), False),
        (("QQQ", "PSQ"), True),
        (("TQQQ", "SQQQ"), True),
        (("QQQ", "TQQQ", "PSQ"), True),
        (("QQQ", "AAPL"), False),
    ],
)
def test_long_and_inverse_at_once_is_a_conflict_and_one_side_twice_is_none(
    held: tuple[str, ...], conflict: bool
) -> None:
    assert conflicting(FAMILIES.family("QQQ"), a_portfolio(*map(a_position, held)).positions) == conflict


def test_a_conflict_with_one_side_on_its_way_out_is_none() -> None:
    """It is being repaired; a second look must not close the other side too."""
    held = a_portfolio(a_position("QQQ"), a_position("PSQ", state=PositionState.CLOSING))
    assert not conflicting(FAMILIES.family("QQQ"), held.positions)
