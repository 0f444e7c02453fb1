"""How fast market data may be asked for: the broker's limits, by a clock of the test's own."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as some

from trader.adapters.ibkr.pacing import MOST_OPEN, Kind, Pacing, Request


def history(symbol: str, question: str = "") -> Request:
    return Request(Kind.HISTORY, symbol, question)


def subscription(symbol: str) -> Request:
    return Request(Kind.SUBSCRIPTION, symbol)


def asked(pacing: Pacing, request: Request, now_s: float) -> None:
    """Ask, as one may."""
    assert pacing.wait_s(request, now_s) == 0
    pacing.sent(request, now_s)


def answered(pacing: Pacing, request: Request, now_s: float) -> None:
    """Ask, and be answered."""
    asked(pacing, request, now_s)
    pacing.answered()


def test_a_first_question_is_asked_at_once() -> None:
    assert Pacing().wait_s(history("QQQ"), 5) == 0


def test_the_same_question_is_asked_again_after_15_seconds() -> None:
    pacing = Pacing()
    asked(pacing, history("QQQ", "today"), 100)
    assert pacing.wait_s(history("QQQ", "today"), 104) == 11
    assert pacing.wait_s(history("QQQ", "yesterday"), 104) == 0
    asked(pacing, history("QQQ", "today"), 115)


def test_no_sixth_question_of_a_contract_within_two_seconds() -> None:
    pacing = Pacing()
    for number in range(5):
        asked(pacing, history("QQQ", f"day {number}"), 100 + number / 10)
    assert pacing.wait_s(history("QQQ", "day 5"), 101) == 1
    assert pacing.wait_s(history("SPY", "day 5"), 101) == 0
    asked(pacing, history("QQQ", "day 5"), 102)


def test_no_sixty_first_question_within_ten_minutes() -> None:
    pacing = Pacing()
    pacing.held = lambda: [f"S{number}" for number in range(60)] + ["QQQ"]
    for number in range(60):
        answered(pacing, history(f"S{number}"), number)
    assert pacing.wait_s(history("QQQ"), 60) == pytest.approx(540)
    assert pacing.wait_s(history("QQQ"), 600) == 0


def test_subscriptions_are_counted_apart_from_history() -> None:
    pacing = Pacing()
    for number in range(50):
        answered(pacing, history(f"S{number}"), number)
    assert pacing.wait_s(subscription("QQQ"), 60) == 0


def test_there_is_less_and_less_room_in_ten_minutes() -> None:
    pacing = Pacing()
    answered(pacing, history("QQQ"), 0)
    answered(pacing, history("SPY"), 300)
    assert [pacing.room(Kind.HISTORY, now_s) for now_s in (300, 599, 600, 900)] == [48, 48, 49, 50]
    assert pacing.room(Kind.SUBSCRIPTION, 300) == 50


def test_a_line_may_be_made_anew_at_once() -> None:
    pacing = Pacing()
    for _ in range(7):
        asked(pacing, subscription("QQQ"), 100)


def test_what_no_limit_is_about_any_more_is_forgotten() -> None:
    pacing = Pacing()
    for now_s in range(0, 60_000, 60):
        asked(pacing, subscription("QQQ"), now_s)
    assert len(pacing._sent) == 10


def test_no_more_than_fifty_questions_are_open_at_once() -> None:
    pacing = Pacing()
    pacing.held = lambda: {"QQQ"}
    for number in range(MOST_OPEN):
        asked(pacing, history(f"S{number}"), number)
    assert pacing.wait_s(history("QQQ"), 55) is None
    assert pacing.wait_s(subscription("QQQ"), 55) == 0
    pacing.answered()
    assert pacing.wait_s(history("QQQ"), 55) == 0


_REQUESTS = some.builds(
    Request, some.sampled_from(Kind), some.sampled_from(["QQQ", "SPY"]), some.sampled_from(["today", "yesterday", ""])
)


@given(some.lists(some.tuples(_REQUESTS, some.floats(0, 3)), max_size=150))
def test_who_waits_as_told_never_breaks_a_limit(wishes: list[tuple[Request, float]]) -> None:
    pacing, now_s, sent = Pacing(), 0.0, list[tuple[float, Request]]()
    for request, pause_s in wishes:
        now_s += pause_s
        wait_s = pacing.wait_s(request, now_s)
        assert wait_s is not None
        now_s += wait_s
        pacing.sent(request, now_s)
        if request.kind is Kind.HISTORY:
            pacing.answered()
        sent.append((now_s, request))
        last = [other for at_s, other in sent if at_s > now_s - 599.9 and other.kind is request.kind]
        assert len(last) <= 60
        if request.kind is Kind.SUBSCRIPTION:
            continue
        same = (request.kind, request.symbol)
        assert sum((other.kind, other.symbol) == same for at_s, other in sent if at_s > now_s - 1.99) <= 5
        assert sum(other == request for at_s, other in sent if at_s > now_s - 14.99) == 1


@pytest.mark.parametrize("make", [history, subscription])
def test_ten_of_sixty_are_kept_for_what_is_held(make: Callable[[str], Request]) -> None:
    pacing = Pacing()
    pacing.held = lambda: {"QQQ"}
    for number in range(50):
        asked(pacing, make(f"S{number}"), number)
        pacing.answered()
    assert pacing.wait_s(make("SPY"), 50) == pytest.approx(550)
    for number in range(10):
        asked(pacing, make("QQQ"), 50 + 20 * number)
    assert pacing.wait_s(make("QQQ"), 250) == pytest.approx(350)


def test_what_is_held_comes_first_and_the_others_in_their_order() -> None:
    pacing = Pacing()
    pacing.held = lambda: {"QQQ", "AAPL"}
    assert pacing.held_first(["SPY", "QQQ", "MSFT", "AAPL"]) == ["QQQ", "AAPL", "SPY", "MSFT"]
