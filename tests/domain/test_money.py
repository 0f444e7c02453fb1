"""Exact money: one way in, one way out, nothing lost between."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trader.domain.money import (
    dollars,
    micros,
    part,
    percent_ppm,
    tick_down,
    tick_micros,
    tick_up,
    usd,
)

AMOUNTS = st.integers(-(10**15), 10**15)


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        ("1", 1_000_000),
        (0.1, 100_000),
        (0.1 + 0.2, 300_000),
        (123.456789, 123_456_789),
        ("0.0000005", 0),
        ("0.0000015", 2),
        (Decimal("-2.5"), -2_500_000),
        (10**9, 10**15),
        (-0.0, 0),
    ],
)
def test_dollars_become_micros_rounded_half_even_once(amount: Decimal | str | float, expected: int) -> None:
    assert micros(amount) == expected


@pytest.mark.parametrize("nonsense", ["", "abc", float("nan"), float("inf"), float("-inf"), "NaN", "1,5"])
def test_what_is_not_a_finite_number_is_refused_by_name(nonsense: str | float) -> None:
    with pytest.raises(ValueError, match="not an amount in dollars"):
        micros(nonsense)


@given(AMOUNTS)
def test_micros_to_dollars_and_back_is_exact(amount_micros: int) -> None:
    assert micros(dollars(amount_micros)) == amount_micros


def test_a_person_reads_dollars_with_two_digits() -> None:
    assert usd(1_234_500_000) == "1,234.50"
    assert usd(-1_234_567_890_000) == "-1,234,567.89"


def test_a_percentage_becomes_parts_per_million() -> None:
    assert percent_ppm(1.4) == 14_000
    assert percent_ppm("0.01") == 100
    assert percent_ppm(3000) == 30_000_000


@given(st.integers(0, 10**15), st.integers(0, 2_000_000))
def test_a_part_is_rounded_down_and_never_more_than_asked(amount_micros: int, share_ppm: int) -> None:
    taken = part(amount_micros, share_ppm)
    assert taken * 1_000_000 <= amount_micros * share_ppm < (taken + 1) * 1_000_000


@pytest.mark.parametrize(
    ("price", "tick"), [(0.0001, 100), (0.9999, 100), (1.0, 10_000), (1.01, 10_000), (500.0, 10_000)]
)
def test_ticks_are_a_cent_and_a_hundredth_of_it_below_a_dollar(price: float, tick: int) -> None:
    assert tick_micros(micros(price)) == tick


@given(st.integers(100, 10**12))
def test_rounding_to_the_tick_grid_brackets_the_price(price_micros: int) -> None:
    down, up = tick_down(price_micros), tick_up(price_micros)
    assert down <= price_micros <= up
    assert up - down in {0, tick_micros(price_micros)}
    assert down % tick_micros(price_micros) == up % tick_micros(price_micros) == 0


def test_a_price_never_rounds_down_to_nothing() -> None:
    assert tick_down(1) == 100
    assert tick_down(0) == 100
