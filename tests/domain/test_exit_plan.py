"""Take-profit and stop: where they lie, and when a bar triggers them."""

import pytest
from builders import a_bar
from hypothesis import given
from hypothesis import strategies as st

from trader.domain.exit_plan import ExitPlan, ExitReason, ExitRule, exit_due
from trader.domain.money import micros, tick_micros

PLAN = ExitPlan.around(micros(100.0), micros(98.0), micros(103.0))


def test_the_default_levels_are_two_and_three_average_ranges_away() -> None:
    plan = ExitRule().plan(micros(100.0), 1)
    assert plan == ExitPlan.around(micros(100.0), micros(98.60), micros(102.10))


@pytest.mark.parametrize("leverage", [3, -3])
def test_a_triple_is_given_three_times_the_room(leverage: int) -> None:
    assert ExitRule().plan(micros(100.0), leverage) == ExitPlan.around(micros(100.0), micros(95.80), micros(106.30))


@given(st.integers(50_000, 10**10), st.sampled_from([1, -1, 2, 3, -3]))
def test_levels_bracket_the_entry_on_the_tick_grid_away_from_it(entry_micros: int, leverage: int) -> None:
    rule = ExitRule()
    plan = rule.plan(entry_micros, leverage)
    assert 0 < plan.stop_micros < entry_micros < plan.take_profit_micros
    assert plan.stop_micros <= entry_micros - entry_micros * rule.stop_ppm * abs(leverage) // 1_000_000
    assert plan.take_profit_micros % tick_micros(plan.take_profit_micros) == 0


@pytest.mark.parametrize("entry_micros", [100, 999_999, micros(1.0), micros(100.0)])
def test_levels_keep_off_the_entry_however_small_the_distances(entry_micros: int) -> None:
    plan = ExitRule(stop_ppm=0, take_profit_ppm=0).plan(entry_micros, 1)
    assert 0 < plan.stop_micros < entry_micros < plan.take_profit_micros


@pytest.mark.parametrize(
    ("low", "high", "due"),
    [
        (99.0, 102.0, None),
        (98.01, 102.99, None),
        (98.0, 102.0, ExitReason.STOP),
        (97.0, 102.0, ExitReason.STOP),
        (99.0, 103.0, ExitReason.TAKE_PROFIT),
        (99.0, 110.0, ExitReason.TAKE_PROFIT),
        (97.0, 104.0, ExitReason.STOP),
    ],
)
def test_a_touched_level_is_due_and_the_stop_counts_when_both_are(
    low: float, high: float, due: ExitReason | None
) -> None:
    assert exit_due(PLAN, a_bar(close=100.0, low=low, high=high)) is due
