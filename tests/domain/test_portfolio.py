"""What a decision may see, and what a ticket made before it has taken."""

from dataclasses import replace

import pytest
from builders import NOON, a_lock, a_portfolio, a_position, a_ticket

from trader.domain.money import micros
from trader.domain.portfolio import Halt


def test_the_next_decision_sees_what_a_ticket_has_taken() -> None:
    before = a_portfolio(a_position("AAPL", 10, 100.0))
    ticket, lock = a_ticket("TQQQ", 5, 80.0, reserved=401.0), a_lock("TQQQ", 401.0)
    after = before.with_ticket(ticket, NOON, lock)
    assert after.reserved_micros - before.reserved_micros == micros(401)
    assert after.gross_micros - before.gross_micros == micros(401)
    assert after.family_micros["QQQ"] == micros(401)
    assert (after.slots, after.entries_last_minute, after.day.openings) == (2, 1, 1)
    assert after.opened_at == {"QQQ": NOON}
    assert after.locks == {"TQQQ": lock}
    assert after.cash_micros == before.cash_micros
    assert before.locks == {}
    assert before.day.openings == 0


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
