"""Intent -> Admitted: entries have a window, and halts."""

from dataclasses import replace
from datetime import datetime

import pytest
from builders import AUTUMN, HALF_DAY, MONDAY, NOON, SPRING, a_portfolio, a_signal, new_york, session_of

from trader.domain.breaker import Breaker, BreakerScope, Latch
from trader.domain.decision import Intent, Refusal, Rule
from trader.domain.portfolio import Halt, Portfolio
from trader.domain.rules import Rules
from trader.domain.session import SessionDay
from trader.pipeline.session_window import Admitted, admit

INTENT = Intent(a_signal("QQQ"), "QQQ", "TQQQ", 1)


def answer(now: datetime, session: SessionDay | None = None, portfolio: Portfolio | None = None) -> Rule | None:
    result = admit(INTENT, session or session_of(), portfolio or a_portfolio(), Rules(), now)
    return result.rule if isinstance(result, Refusal) else None


@pytest.mark.parametrize(
    ("clock", "rule"),
    [
        ("09:29:59", Rule.SESSION_CLOSED),
        ("09:30", None),
        ("15:44:59", None),
        ("15:45", Rule.AFTER_CUTOFF),
        ("15:50", Rule.AFTER_CUTOFF),
        ("15:59:59", Rule.AFTER_CUTOFF),
        ("16:00", Rule.SESSION_CLOSED),
    ],
)
@pytest.mark.parametrize("day", [MONDAY, SPRING, AUTUMN])
def test_entries_have_a_window(day: object, clock: str, rule: Rule | None) -> None:
    assert answer(new_york(clock, day), session_of(day)) is rule  # type: ignore[arg-type]


@pytest.mark.parametrize(("clock", "rule"), [("12:44:59", None), ("12:45", Rule.AFTER_CUTOFF)])
def test_the_window_of_a_half_day_ends_before_its_own_close(clock: str, rule: Rule | None) -> None:
    assert answer(new_york(clock, HALF_DAY), session_of(HALF_DAY)) is rule


def test_a_day_without_a_session_has_no_window() -> None:
    result = admit(INTENT, None, a_portfolio(), Rules(), NOON)
    assert isinstance(result, Refusal)
    assert result.rule is Rule.SESSION_CLOSED


def test_the_refusal_says_how_many_minutes_are_left_and_how_many_are_needed() -> None:
    result = admit(INTENT, session_of(), a_portfolio(), Rules(), new_york("15:48"))
    assert isinstance(result, Refusal)
    assert (result.measured, result.limit, result.detail) == (12.0, 15.0, "minutes to the close")


@pytest.mark.parametrize(
    ("scope", "target", "barred"),
    [
        ("all", "", True),
        ("family", "QQQ", True),
        ("symbol", "TQQQ", True),
        ("symbol", "QQQ", False),
        ("family", "SPY", False),
    ],
)
def test_a_halt_bars_entries_of_its_scope(scope: str, target: str, barred: bool) -> None:
    halt = Halt(scope, target, "a test", NOON)
    portfolio = replace(a_portfolio(), halts={halt.key: halt})
    assert answer(NOON, portfolio=portfolio) is (Rule.HALTED if barred else None)


@pytest.mark.parametrize(
    ("scope", "target", "barred"),
    [
        (BreakerScope.ACCOUNT, "", True),
        (BreakerScope.FAMILY, "QQQ", True),
        (BreakerScope.SYMBOL, "TQQQ", True),
        (BreakerScope.SYMBOL, "QQQ", False),
        (BreakerScope.FAMILY, "SPY", False),
    ],
)
def test_a_tripped_breaker_bars_entries_of_its_scope(scope: BreakerScope, target: str, barred: bool) -> None:
    latch = Latch(Breaker.PRICE_JUMP, scope, target, "it has jumped", 30.5, 25.0, {}, "percent >= 25", False, NOON)
    portfolio = replace(a_portfolio(), latches={latch.key: latch})
    assert answer(NOON, portfolio=portfolio) is (Rule.BREAKER if barred else None)


def test_an_admitted_intent_is_the_intent() -> None:
    assert admit(INTENT, session_of(), a_portfolio(), Rules(), NOON) == Admitted(INTENT)
