"""What a decision may see, and what a ticket made before it has taken."""

from dataclasses import replace

import pytest
from builders import NOON, a_lock, a_portfolio, a_position, a_ticket

from trader.domain.money import micros
from trader.domain.portfolio import Drift, Halt


def test_the_next_decision_sees_what_a_ticket_has_taken() -> None:
    before, after = (a_portfolio(a_position("AAPL", 10, 100.0)) for _ in range(2))
    locks = {"TQQQ": a_lock("TQQQ", 401.0)}
    after.take(a_ticket("TQQQ", 5, 80.0, reserved=401.0), locks)
    assert after.reserved_micros - before.reserved_micros == micros(401)
    assert after.gross_micros - before.gross_micros == micros(401)
    assert after.day.notional_micros - before.day.notional_micros == micros(401)
    assert after.family_micros["QQQ"] == micros(401)
    assert (after.slots, after.entries_last_minute, after.day.openings) == (2, 1, 1)
    assert after.locks == locks
    assert after.cash_micros == before.cash_micros


@pytest.mark.parametrize("key", ["all", "family:QQQ", "symbol:TQQQ"])
def test_a_halt_bars_its_scope(key: str) -> None:
    scope, _, target = key.partition(":")
    halt = Halt(scope, target, "a test", NOON)
    assert halt.key == key
    portfolio = a_portfolio()
    halted = replace(portfolio, halts={key: halt})
    assert halted.halt_for("QQQ", "TQQQ") == halt
    assert (halted.halt_for("SPY", "SPY") is not None) == (key == "all")
    assert portfolio.halt_for("QQQ", "TQQQ") is None


def test_contracts_that_differ_are_called_so_and_fit_no_split() -> None:
    drift = Drift("QQQ261218C00500000", book=2, broker=4, since=NOON)
    assert drift.what == "2 foreign contracts, which are left alone"
    assert "2:1" in Drift("QQQ", book=2, broker=4, since=NOON).what
