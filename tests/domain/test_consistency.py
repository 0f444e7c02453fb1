"""Whether what is held is watched: by symbol and by shares, never by count."""

import pytest

from trader.domain.consistency import Consistency, Gap, consistency_of, gaps_between

HELD = {"AAPL": 10, "QQQ": 5}


def verdict(held: dict[str, int], armed: dict[str, int]) -> Consistency:
    return consistency_of(held, gaps_between(held, armed, {}))


@pytest.mark.parametrize(
    ("held", "armed", "expected"),
    [
        ({}, {}, Consistency.CONSISTENT),
        (HELD, HELD, Consistency.CONSISTENT),
        (HELD, {"AAPL": 10}, Consistency.PARTIAL),
        (HELD, {"AAPL": 10, "QQQ": 4}, Consistency.PARTIAL),
        (HELD, {"AAPL": 10, "MSFT": 5}, Consistency.PARTIAL),
        (HELD, {**HELD, "MSFT": 5}, Consistency.PARTIAL),
        ({}, {"AAPL": 10}, Consistency.PARTIAL),
        (HELD, {}, Consistency.CRITICAL),
        (HELD, {"AAPL": 0, "QQQ": 0}, Consistency.CRITICAL),
        (HELD, {"MSFT": 10, "TSLA": 5}, Consistency.CRITICAL),
    ],
)
def test_the_same_number_of_others_is_no_consistency(
    held: dict[str, int], armed: dict[str, int], expected: Consistency
) -> None:
    assert verdict(held, armed) is expected


def test_a_gap_says_what_is_held_what_is_armed_and_why() -> None:
    assert gaps_between(HELD, {"AAPL": 10}, {"QQQ": "no bar"}) == (Gap("QQQ", 5, 0, "no bar"),)
