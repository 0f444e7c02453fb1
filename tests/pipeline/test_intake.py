"""Nothing is believed of a strategy or a file: hostile values become refusals, by name, and nothing raises."""

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from builders import NOON
from hypothesis import given
from hypothesis import strategies as st

from trader.domain.decision import Refusal, Rule, Signal
from trader.pipeline.intake import check_signal


def checked(raw: object, max_age_s: int = 60) -> Signal | Refusal:
    return check_signal(raw, NOON, "a strategy", max_age_s)


def rule(raw: object) -> Rule | None:
    result = checked(raw)
    return result.rule if isinstance(result, Refusal) else None


class Timeless(tzinfo):
    """A time zone that does not say its offset."""

    def utcoffset(self, _: datetime | None) -> timedelta | None:
        return None

    def dst(self, _: datetime | None) -> timedelta | None:
        return None

    def tzname(self, _: datetime | None) -> str:
        return "nowhere"


@pytest.mark.parametrize("raw", [None, 1, "QQQ", ("QQQ", 0.9), {"symbol": "QQQ"}, [], object(), ValueError("no")])
def test_what_is_no_signal_is_refused(raw: object) -> None:
    assert rule(raw) is Rule.NOT_A_SIGNAL


@pytest.mark.parametrize(
    "symbol",
    [
        "",
        "qqq",
        "QQQ ",
        " QQQ",
        "QQQ\n",
        "QQQ;DROP TABLE book_fills",
        "\uff31\uff31\uff31",
        "Q" * 11,
        "1QQ",
        "BRK.",
        "BRK.ABCD",
        "\x00",
        "\ud800",
        None,
        7,
        10**5000,
        b"QQQ",
        ["QQQ"],
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_symbol_is_refused(symbol: Any) -> None:
    assert rule(Signal(symbol, 0.9)) is Rule.BAD_SYMBOL


@pytest.mark.parametrize("symbol", ["A", "QQQ", "BRK.B", "BF-B", "C3", "GOOGL"])
def test_symbols_of_us_stocks_pass(symbol: str) -> None:
    assert rule(Signal(symbol, 0.9)) is None


@pytest.mark.parametrize(
    "probability",
    [
        float("nan"),
        float("inf"),
        float("-inf"),
        -0.0001,
        1.0001,
        2,
        -1,
        10**400,
        -(10**400),
        10**5000,
        None,
        "0.9",
        True,
        False,
        Decimal("0.9"),
        Fraction(9, 10),
        complex(0.9),
        [0.9],
        [10**5000],
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_probability_is_refused(probability: Any) -> None:
    assert rule(Signal("QQQ", probability)) is Rule.BAD_PROBABILITY


@pytest.mark.parametrize("probability", [0, 1, 0.0, 1.0, 5e-324, -0.0])
def test_the_ends_of_the_range_are_probabilities(probability: float) -> None:
    assert rule(Signal("QQQ", probability)) is None


def test_out_of_range_says_what_was_measured_and_the_limit() -> None:
    refusal = checked(Signal("QQQ", 1.5))
    assert isinstance(refusal, Refusal)
    assert (refusal.measured, refusal.limit) == (1.5, 1.0)


@pytest.mark.parametrize(
    "identity",
    [5, 10**5000, None, ["a"], {"a": 1}, b"a", "\ud800", "a\nb", "x" * 65, "\x00", 1.5, object()],
    ids=lambda value: type(value).__name__,
)
def test_an_id_that_cannot_be_kept_is_refused(identity: Any) -> None:
    """It would be hashed, stored and printed: an unhashable or unprintable one must not reach the engine."""
    assert rule(Signal("QQQ", 0.9, id=identity)) is Rule.NOT_A_SIGNAL


@pytest.mark.parametrize(
    "timestamp",
    [None, 5, "2025-06-23", NOON.replace(tzinfo=None), NOON.date(), NOON.replace(tzinfo=Timeless())],
)
def test_a_timestamp_without_a_time_zone_is_refused(timestamp: Any) -> None:
    assert rule(Signal("QQQ", 0.9, timestamp)) is Rule.NOT_A_SIGNAL


@pytest.mark.parametrize(
    ("age_s", "expected"),
    [
        (0, None),
        (60, None),
        (60.001, Rule.EXPIRED),
        (86_400 * 365, Rule.EXPIRED),
        (-2, None),
        (-2.001, Rule.FROM_THE_FUTURE),
    ],
)
def test_a_signal_has_an_age(age_s: float, expected: Rule | None) -> None:
    assert rule(Signal("QQQ", 0.9, NOON - timedelta(seconds=age_s))) is expected


@pytest.mark.parametrize("extreme", [datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)])
def test_the_ends_of_time_are_refused_and_do_not_overflow(extreme: datetime) -> None:
    west, east = timezone(timedelta(hours=-23)), timezone(timedelta(hours=23))
    for at in (extreme, extreme.replace(tzinfo=west), extreme.replace(tzinfo=east)):
        assert rule(Signal("QQQ", 0.9, at)) in {Rule.EXPIRED, Rule.FROM_THE_FUTURE}


def test_an_unstamped_signal_gets_the_time_and_every_signal_its_source() -> None:
    assert checked(Signal("QQQ", 0.9)) == Signal("QQQ", 0.9, NOON, "", "a strategy")
    stamped = Signal("QQQ", 0.9, NOON - timedelta(seconds=5), "own", "somebody else")
    assert checked(stamped) == Signal("QQQ", 0.9, stamped.timestamp, "own", "a strategy")


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.datetimes(),
    st.datetimes(timezones=st.just(UTC)),
    st.lists(st.integers(), max_size=2),
    st.sampled_from(["QQQ", 10**400, NOON]),
)


@given(ANYTHING, ANYTHING, ANYTHING, ANYTHING)
def test_whatever_is_in_a_signal_nothing_raises(symbol: Any, probability: Any, timestamp: Any, identity: Any) -> None:
    result = checked(Signal(symbol, probability, timestamp, identity))
    if isinstance(result, Signal):
        assert 0 <= result.probability <= 1
        assert result.timestamp.utcoffset() is not None
        assert isinstance(result.id, str)


def test_what_passes_is_plain_text_and_a_plain_number() -> None:
    """A library's own kinds of them could be compared, kept or shown otherwise."""

    class Text(str):
        __slots__ = ()

    class Number(float):
        pass

    passed = checked(Signal(Text("QQQ"), Number(0.9)))
    assert isinstance(passed, Signal)
    assert type(passed.symbol) is str
    assert type(passed.probability) is float
