"""Signal -> Allocation: which instrument the probability asks for."""

import pytest
from builders import FAMILIES, a_lock, a_portfolio, a_position, a_signal, some_prices
from hypothesis import given
from hypothesis import strategies as st

from trader.domain.decision import Allocation, Refusal, Rule
from trader.domain.family import Families
from trader.domain.market import Prices
from trader.domain.portfolio import Portfolio
from trader.domain.rules import Thresholds
from trader.pipeline.allocate import allocate, wanted_leverage

EVERY = some_prices(QQQ=500.0, TQQQ=80.0, PSQ=40.0, SQQQ=30.0, AAPL=200.0)
PROBABILITIES = st.floats(0, 1)


def asked(
    probability: float,
    portfolio: Portfolio | None = None,
    prices: Prices = EVERY,
    symbol: str = "QQQ",
    families: Families = FAMILIES,
) -> str | Rule | None:
    """The instrument asked for, None for cash, or the rule that says no."""
    given = allocate(a_signal(symbol, probability), families, portfolio or a_portfolio(), prices, Thresholds())
    return given.rule if isinstance(given, Refusal) else given.symbol


@pytest.mark.parametrize(
    ("probability", "instrument"),
    [
        (1.0, "TQQQ"),
        (0.90, "TQQQ"),
        (0.8999, "QQQ"),
        (0.75, "QQQ"),
        (0.7499, None),
        (0.5, None),
        (0.2501, None),
        (0.25, "PSQ"),
        (0.1001, "PSQ"),
        (0.099, "SQQQ"),
        (0.0, "SQQQ"),
    ],
)
def test_the_thresholds_choose_the_instrument(probability: float, instrument: str | None) -> None:
    assert asked(probability) == instrument


@pytest.mark.parametrize(
    ("held", "probability", "instrument"),
    [
        ("QQQ", 0.60, "QQQ"),
        ("QQQ", 0.5999, None),
        ("QQQ", 0.8999, "QQQ"),
        ("QQQ", 0.90, "TQQQ"),
        ("TQQQ", 0.80, "TQQQ"),
        ("TQQQ", 0.7999, "QQQ"),
        ("TQQQ", 0.7499, None),
        ("PSQ", 0.40, "PSQ"),
        ("PSQ", 0.4001, None),
        ("SQQQ", 0.20, "SQQQ"),
        ("SQQQ", 0.2001, "PSQ"),
        ("PSQ", 0.80, "QQQ"),
        ("QQQ", 0.05, "SQQQ"),
    ],
)
def test_what_is_held_is_kept_down_to_its_leave_level(held: str, probability: float, instrument: str | None) -> None:
    assert asked(probability, a_portfolio(a_position(held, 10, 50.0))) == instrument


def test_what_is_being_bought_counts_as_held() -> None:
    assert asked(0.65, a_portfolio(locks=[a_lock("QQQ")])) == "QQQ"
    assert asked(0.65) is None


@given(PROBABILITIES, st.sampled_from([0, 1, 3]))
def test_long_and_inverse_are_mirror_images(p: float, held: int) -> None:
    thresholds = Thresholds()
    probability = 1 - (1 - p)  # one that 1 - p gives back exactly
    assert wanted_leverage(1 - probability, -held, thresholds) == -wanted_leverage(probability, held, thresholds)


@given(st.floats(0.7501, 0.8999), st.lists(st.floats(0.6, 0.8999), max_size=20))
def test_jitter_between_leave_and_enter_never_trades(first: float, jitter: list[float]) -> None:
    held = wanted_leverage(first, 0, Thresholds())
    for p in jitter:
        assert wanted_leverage(p, held, Thresholds()) == held


@given(PROBABILITIES, st.sampled_from([0, 1, -1, 3, -3]))
def test_holding_what_was_asked_for_asks_for_the_same(p: float, held: int) -> None:
    once = wanted_leverage(p, held, Thresholds())
    assert wanted_leverage(p, once, Thresholds()) == once


@given(st.sampled_from([0, 1, -1, 3, -3]), PROBABILITIES, PROBABILITIES)
def test_a_higher_probability_never_asks_for_less(held: int, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert wanted_leverage(low, held, Thresholds()) <= wanted_leverage(high, held, Thresholds())


@pytest.mark.parametrize("symbol", ["TQQQ", "PSQ", "SQQQ"])
def test_a_family_is_driven_by_its_underlying_alone(symbol: str) -> None:
    assert asked(0.9, symbol=symbol) is Rule.NOT_THE_UNDERLYING


@pytest.mark.parametrize(("probability", "instrument"), [(0.95, "AAPL"), (0.8, "AAPL"), (0.05, None), (0.5, None)])
def test_a_single_symbol_has_neither_triple_nor_inverse(probability: float, instrument: str | None) -> None:
    assert asked(probability, symbol="AAPL") == instrument


def test_a_family_without_a_triple_takes_its_single() -> None:
    families = Families.of({"QQQ": {"QQQ": 1, "PSQ": -1}})
    assert asked(0.95, families=families) == "QQQ"
    assert asked(0.05, families=families) == "PSQ"


def test_an_instrument_without_a_price_is_refused() -> None:
    assert asked(0.95, prices=some_prices(QQQ=500.0)) is Rule.NO_PRICE


def test_what_is_held_goes_even_when_what_is_wanted_has_no_price() -> None:
    given = allocate(
        a_signal("QQQ", 0.05),
        FAMILIES,
        a_portfolio(a_position("QQQ", 10, 500.0)),
        some_prices(QQQ=500.0),
        Thresholds(),
    )
    assert isinstance(given, Allocation)
    assert given.symbol is None
