"""Thresholds that contradict one another, and what a trade costs."""

import pytest

from trader.domain.money import micros
from trader.domain.rules import Costs, Thresholds


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
    assert Costs().commission_micros(quantity, micros(price)) == micros(commission)
