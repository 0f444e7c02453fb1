"""The whole chain, once through: outcome, and what leaves the chain before the gates."""

from dataclasses import replace
from datetime import datetime

import pytest
from builders import FAMILIES, NOON, a_lock, a_portfolio, a_position, a_signal, new_york, session_of, some_prices

from trader.domain.decision import Decision, Outcome, Rule
from trader.domain.portfolio import Halt, Portfolio
from trader.domain.rules import Costs, Rules
from trader.pipeline.decide import Chain

CHAIN = Chain(FAMILIES, Rules(), Costs())
PRICES = some_prices(QQQ=500.0, TQQQ=80.0, PSQ=40.0, SQQQ=30.0, AAPL=100.0)


def decided(symbol: str, probability: float, portfolio: Portfolio, now: datetime = NOON) -> Decision:
    return CHAIN.decide(a_signal(symbol, probability, at=now), portfolio, PRICES, session_of(), now)


def test_a_strong_signal_into_cash_is_a_ticket() -> None:
    decision = decided("QQQ", 0.95, a_portfolio())
    assert decision.outcome is Outcome.ORDERED
    assert decision.ticket is not None
    assert decision.ticket.symbol == "TQQQ"


def test_the_same_signal_on_what_it_led_to_changes_nothing() -> None:
    held = a_portfolio(a_position("QQQ", 29, 500.0), cash=85_500)
    assert decided("QQQ", 0.8, held) == Decision(a_signal("QQQ", 0.8), Outcome.UNCHANGED)


def test_cash_asked_for_and_nothing_held_is_unchanged() -> None:
    assert decided("QQQ", 0.5, a_portfolio()).outcome is Outcome.UNCHANGED


def in_every_way_barred(portfolio: Portfolio) -> Portfolio:
    """No cash, no slots, halted, a loss beyond the limit, every counter at its end."""
    halt = Halt("all", "", "a test", NOON)
    return replace(
        portfolio,
        cash_micros=0,
        reserved_micros=10**12,
        equity_micros=1,
        slots=6,
        halts={halt.key: halt},
        entries_last_minute=10_000,
        day=portfolio.day._replace(openings=10_000, notional_micros=10**15),
    )


@pytest.mark.parametrize("now", [NOON, new_york("15:46"), new_york("15:56"), new_york("08:00"), new_york("17:00")])
@pytest.mark.parametrize("probability", [0.5, 0.3, 0.0])
def test_a_close_passes_every_gate(probability: float, now: datetime) -> None:
    """Incident 1: closes were blocked when cash was low or a trade had been made this bar."""
    portfolio = in_every_way_barred(a_portfolio(a_position("AAPL", 10, 100.0), a_position("QQQ", 10, 500.0)))
    for symbol in ("AAPL", "QQQ"):
        decision = decided(symbol, probability, portfolio, now)
        assert decision.outcome is Outcome.CLOSING
        assert [close.symbol for close in decision.closes] == [symbol]
        assert decision.ticket is None


@pytest.mark.parametrize("now", [NOON, new_york("15:46"), new_york("17:00")])
def test_a_reduction_passes_every_gate(now: datetime) -> None:
    portfolio = in_every_way_barred(a_portfolio(a_position("AAPL", 10, 100.0)))
    decision = decided("AAPL", 0.8, portfolio, now)
    assert decision.outcome is Outcome.CLOSING
    assert decision.reduction is not None
    assert decision.reduction.quantity <= 10


def test_a_cancel_passes_every_gate() -> None:
    portfolio = in_every_way_barred(a_portfolio(locks=[a_lock("QQQ", ref="the-entry")]))
    assert decided("QQQ", 0.5, portfolio).cancels == ("the-entry",)


@pytest.mark.parametrize(
    ("symbol", "now", "rule"),
    [("TQQQ", NOON, Rule.NOT_THE_UNDERLYING), ("QQQ", new_york("15:46"), Rule.AFTER_CUTOFF)],
)
def test_a_no_carries_its_rule(symbol: str, now: datetime, rule: Rule) -> None:
    decision = decided(symbol, 0.8, a_portfolio(), now)
    assert decision.outcome is Outcome.REFUSED
    assert decision.refusal is not None
    assert decision.refusal.rule is rule
    assert decision.signal.symbol == symbol


def test_a_no_of_the_family_carries_its_rule() -> None:
    locked = decided("QQQ", 0.8, a_portfolio(locks=[a_lock("QQQ")]))
    assert locked.outcome is Outcome.REFUSED
    assert locked.refusal is not None
    assert locked.refusal.rule is Rule.SYMBOL_LOCKED


def test_no_share_of_what_is_too_much_goes_without_its_signal() -> None:
    too_much = decided("AAPL", 0.8, a_portfolio(a_position("AAPL", 200, 100.0), cash=80_000))
    assert too_much.outcome is Outcome.CLOSING
    assert too_much.reduction is not None
    assert too_much.signal == a_signal("AAPL", 0.8)
