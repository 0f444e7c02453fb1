"""Thresholds that contradict one another, and what a trade costs."""

import pytest

from trader.domain.exit_plan import ExitRule
from trader.domain.money import micros
from trader.domain.rules import Costs, Limits, OptionRules, Rules, Thresholds


@pytest.mark.parametrize(
    "wrong",
    [
        {"enter_1x": 0.55},
        {"leave_1x": 0.5},
        {"leave_1x": 0.75},
        {"enter_1x": 1.1},
        {"enter_3x": 0.7},
        {"leave_3x": 0.9},
        {"leave_3x": 0.55},
        {"enter_3x": 1.01},
        {"enter_1x": float("nan")},
    ],
)
def test_leave_lies_below_enter_or_the_thresholds_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="need"):
        Thresholds(**wrong)


def test_the_defaults_are_the_raised_ones_of_the_post_mortem() -> None:
    assert (Thresholds().enter_1x, Thresholds().enter_3x) == (0.75, 0.90)


@pytest.mark.parametrize(
    ("quantity", "price", "commission"),
    [(100, 50.0, 1.0), (1000, 50.0, 5.0), (200, 50.0, 1.0), (1, 50.0, 0.5), (10, 0.5, 0.05)],
)
def test_commission_is_a_half_cent_a_share_a_dollar_at_least_a_percent_at_most(
    quantity: int, price: float, commission: float
) -> None:
    assert Costs().commission_micros("AAPL", quantity, micros(price)) == micros(commission)


@pytest.mark.parametrize(("contracts", "commission"), [(1, 1.0), (2, 1.3), (100, 65.0)])
def test_commission_of_an_option_is_65_cents_a_contract_a_dollar_at_least(contracts: int, commission: float) -> None:
    assert Costs().commission_micros("QQQ261218C00500000", contracts, micros(0.05)) == micros(commission)


def test_an_option_has_limits_and_exits_of_its_own() -> None:
    rules = Rules(limits=Limits(gross_ppm=7, collar_ppm=8))
    shares, option = rules.limits_of("QQQ"), rules.limits_of("QQQ261218C00500000")
    assert (shares.collar_ppm, shares.gross_ppm, shares.minimum_price_micros) == (8, 7, 0)
    assert (option.collar_ppm, option.gross_ppm, option.minimum_price_micros) == (500_000, 7, 100_000)
    assert rules.exit_rule("QQQ261218C00500000").days_to_expiry == 1
    assert rules.exit_rule("QQQ").days_to_expiry == 0


def test_an_option_is_not_held_overnight_behind_a_stop_that_dies_with_the_daemon() -> None:
    with pytest.raises(ValueError, match="overnight = true of every option"):
        Rules(options=OptionRules(exits=ExitRule(overnight=True)))
