"""Positions that come to be too fast: what counts as a row of regular intervals."""

from datetime import datetime, timedelta
from itertools import accumulate

import pytest
from builders import NOON

from trader.domain.creation import regular_row, too_many_in_an_hour, too_regular
from trader.domain.decision import Rule, Stage
from trader.domain.rules import Limits


def after(*intervals_s: float) -> list[datetime]:
    return [NOON + timedelta(seconds=seconds) for seconds in accumulate(intervals_s, initial=0.0)]


@pytest.mark.parametrize(
    ("intervals_s", "row"),
    [
        ((), 1),
        ((300,), 2),
        ((302, 301, 303), 4),  # a timer that drifts
        ((420, 480, 420, 480), 5),  # seven and a half minutes, on bars of a minute
        ((3600, 3700, 3550), 4),
        ((300, 600, 300), 2),
        ((900, 300, 300, 300), 4),  # a row that has begun after something else
        ((300, 300, 300, 900), 2),  # and one that has ended
        ((3600, 4200, 3600), 2),
    ],
)
def test_a_row_of_regular_intervals_ends_with_the_newest(intervals_s: tuple[float, ...], row: int) -> None:
    assert regular_row(after(*intervals_s)) == row


def test_nothing_is_no_row() -> None:
    assert regular_row(()) == 0


def test_what_goes_slowly_away_from_a_rhythm_is_none() -> None:
    """Each interval is like the one before it, and the last is not like the first."""
    assert regular_row(after(3600, 3900, 4200, 4500)) == 3


def test_the_limits_allow_as_many_as_they_say() -> None:
    limits = Limits(creations_per_hour=3, regular_creations=2)
    assert too_many_in_an_hour("QQQ", 3, limits) is None
    refusal = too_many_in_an_hour("QQQ", 4, limits)
    assert refusal is not None
    assert refusal[:5] == (Stage.SIZING, Rule.CREATIONS_PER_HOUR, "QQQ", 4, 3)
    assert too_regular("QQQ", after(300), limits) is None
    refusal = too_regular("QQQ", after(300, 300), limits)
    assert refusal is not None
    assert refusal[:5] == (Stage.SIZING, Rule.REGULAR_CREATIONS, "QQQ", 3, 2)
