"""What looks like a split, and what does not."""

import pytest

from trader.domain.corporate_action import split_fitting, split_of_shares


@pytest.mark.parametrize(
    ("before", "after", "split"),
    [
        (200.0, 100.0, "2:1"),
        (200.0, 103.0, "2:1"),
        (150.0, 100.0, "3:2"),
        (1200.0, 121.0, "10:1"),
        (10.0, 100.0, "1:10"),
        (40.0, 81.0, "1:2"),
        (200.0, 160.0, ""),
        (200.0, 200.0, ""),
        (200.0, 110.0, ""),
        (100.0, 125.0, ""),
    ],
)
def test_a_price_that_fits_a_ratio_is_named_by_it(before: float, after: float, split: str) -> None:
    assert split_fitting(round(before * 1e6), round(after * 1e6)) == split


@pytest.mark.parametrize(
    ("before", "after", "split"),
    [
        (10, 20, "2:1"),
        (11, 16, "3:2"),
        (105, 10, "1:10"),
        (109, 10, "1:10"),
        (110, 10, ""),
        (100, 198, ""),
        (100, 100, ""),
        (100, 0, ""),
        (1, 0, ""),
    ],
)
def test_shares_that_fit_a_ratio_but_for_a_fraction_are_named_by_it(before: int, after: int, split: str) -> None:
    assert split_of_shares(before, after) == split
