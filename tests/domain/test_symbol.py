"""Symbols: both ways of writing an option mean one instrument, and what is none is told why."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trader.domain.money import PREMIUM_TICKS, SHARE_TICKS, micros, tick_down, tick_up
from trader.domain.symbol import (
    Option,
    Right,
    is_option,
    is_symbol,
    option_of,
    read_symbol,
    ticks_of,
    value_micros,
)

CALL = "QQQ261218C00500000"


def test_an_option_is_read_off_its_symbol() -> None:
    assert option_of(CALL) == Option("QQQ", date(2026, 12, 18), Right.CALL, micros(500))
    assert option_of("F260116P00012500") == Option("F", date(2026, 1, 16), Right.PUT, micros("12.5"))


@pytest.mark.parametrize(
    ("written", "symbol"),
    [
        (CALL, CALL),
        ("QQQ   261218C00500000", CALL),
        ("F     260116P00012500", "F260116P00012500"),
        ("GOOGL 260116P00012500", "GOOGL260116P00012500"),
        ("ABCDEF260116P00012500", "ABCDEF260116P00012500"),
        ("TQQQ", "TQQQ"),
        ("BRK.B", "BRK.B"),
    ],
)
def test_padded_and_compact_are_one_symbol(written: str, symbol: str) -> None:
    assert read_symbol(written) == symbol
    assert is_symbol(symbol)


@given(
    st.from_regex(r"[A-Z]{1,6}", fullmatch=True),
    st.dates(date(2000, 1, 1), date(2099, 12, 31)),
    st.sampled_from(Right),
    st.integers(1, 99_999_999),
)
def test_an_option_is_printed_as_it_was_read(root: str, expiry: date, right: Right, strike: int) -> None:
    option = Option(root, expiry, right, strike * 1_000)
    assert option_of(option.symbol) == option
    assert read_symbol(option.padded) == option.symbol
    assert len(option.padded) == 21
    assert is_option(option.symbol)
    assert value_micros(option.symbol, 1, 1) == 100


@given(st.from_regex(r"[A-Z][A-Z0-9]{0,9}(?:[.\-][A-Z]{1,3})?", fullmatch=True))
def test_no_stock_is_taken_for_an_option(symbol: str) -> None:
    assert (read_symbol(symbol), is_symbol(symbol), is_option(symbol)) == (symbol, True, False)
    assert value_micros(symbol, 3, 7) == 21


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("QQQ261318C00500000", "a day that there is not"),
        ("QQQ   260230C00500000", "a day that there is not"),
        ("QQQ261218C00000000", "a strike of 0"),
        ("QQQ 261218C00500000", "padded to six characters"),
        ("QQQ261218X00500000", "C or P"),
        ("QQQ261218C500", "strike in 1/1000 USD"),
        ("AAPL1260116C00150000", "an adjusted option"),
        ("AAPL1 260116C00150000", "an adjusted option"),
        ("qqq261218C00500000", "is no symbol"),
        (" QQQ", "is no symbol"),
        ("", "is no symbol"),
        ("QQQ261218C00500000\n", "is no symbol"),
    ],
)
def test_what_is_no_symbol_is_told_why(text: str, why: str) -> None:
    assert not is_symbol(text)
    with pytest.raises(ValueError, match=why) as told:
        read_symbol(text)
    assert ascii(text)[:40] in str(told.value)
    with pytest.raises(ValueError, match=why):
        option_of(text)


def test_a_premium_moves_in_steps_that_every_class_of_options_has() -> None:
    ticks = ticks_of(CALL)
    assert (ticks, ticks_of("QQQ")) == (PREMIUM_TICKS, SHARE_TICKS)
    assert (tick_down(micros("2.49"), ticks), tick_up(micros("2.41"), ticks)) == (micros("2.45"), micros("2.45"))
    assert (tick_down(micros("3.19"), ticks), tick_up(micros("3.11"), ticks)) == (micros("3.10"), micros("3.20"))
    assert tick_down(1, ticks) == micros("0.05")
