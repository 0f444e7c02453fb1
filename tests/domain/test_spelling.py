"""What somebody may have meant."""

import pytest

from trader.domain.spelling import did_you_mean, nearest


@pytest.mark.parametrize(("word", "meant"), [("fed", "feed"), ("FEED", "feed"), ("limit", "limits"), ("xyz", None)])
def test_the_nearest_word_is_found_capitals_or_not(word: str, meant: str | None) -> None:
    assert nearest(word, ["limits", "feed", "log"]) == meant


def test_where_nothing_is_near_nothing_is_said() -> None:
    assert did_you_mean("xyz", ["limits"]) == ""
    assert did_you_mean("limit", ["limits"]) == "; did you mean limits?"
