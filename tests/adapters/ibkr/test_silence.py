"""Market data that went silent. Time is what the test says it is."""

from datetime import date, timedelta

from trader.adapters.calendar import load_calendar
from trader.adapters.ibkr.silence import Silence
from trader.domain.session import SessionDay

_FOUND = load_calendar().session(date(2026, 11, 20))
assert _FOUND is not None
SESSION: SessionDay = _FOUND
NOON = SESSION.opens_at + timedelta(hours=2, minutes=30)


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def listening() -> Silence:
    """QQQ and SPY were subscribed at noon, and have been heard until then."""
    silence = Silence(["QQQ", "SPY"])
    for symbol in ("QQQ", "SPY"):
        silence.subscribed(symbol, NOON - seconds(60))
        silence.heard(symbol, NOON)
    return silence


def test_who_is_fifteen_seconds_overdue_is_silent() -> None:
    silence = listening()
    silence.heard("SPY", NOON + seconds(15))
    assert silence.newly_silent(SESSION, NOON + seconds(20)) == []
    assert silence.newly_silent(SESSION, NOON + seconds(20.1)) == ["QQQ"]


def test_silence_is_told_once() -> None:
    silence = listening()
    assert silence.newly_silent(SESSION, NOON + seconds(30)) == ["QQQ", "SPY"]
    assert silence.newly_silent(SESSION, NOON + seconds(60)) == []


def test_who_comes_back_says_so_once() -> None:
    silence = listening()
    silence.newly_silent(SESSION, NOON + seconds(30))
    assert silence.heard("QQQ", NOON + seconds(35))
    assert not silence.heard("QQQ", NOON + seconds(40))
    assert silence.newly_silent(SESSION, NOON + seconds(61)) == ["QQQ"]


def test_nobody_is_silent_outside_regular_hours() -> None:
    silence = listening()
    assert silence.newly_silent(SESSION, SESSION.closes_at) == []
    assert silence.newly_silent(None, NOON + timedelta(days=1)) == []


def test_nobody_is_silent_in_the_first_seconds_of_a_session() -> None:
    silence = Silence(["QQQ"])
    silence.subscribed("QQQ", SESSION.opens_at - timedelta(hours=3))
    assert silence.newly_silent(SESSION, SESSION.opens_at + seconds(20)) == []
    assert silence.newly_silent(SESSION, SESSION.opens_at + seconds(20.1)) == ["QQQ"]


def test_who_was_never_subscribed_is_not_silent() -> None:
    assert Silence(["QQQ"]).newly_silent(SESSION, NOON) == []


def test_who_is_silent_is_subscribed_anew_less_and_less_often() -> None:
    silence, asked = listening(), list[float]()
    for second in range(1_200):
        now = NOON + seconds(second)
        silence.newly_silent(SESSION, now)
        for symbol in silence.to_subscribe(SESSION, now):
            silence.subscribed(symbol, now)
            if symbol == "QQQ":
                asked.append(second)
    assert asked == [21, 51, 111, 231, 471, 771, 1071]


def test_who_has_been_heard_again_is_not_subscribed_anew() -> None:
    silence = listening()
    silence.newly_silent(SESSION, NOON + seconds(30))
    silence.heard("QQQ", NOON + seconds(31))
    assert silence.to_subscribe(SESSION, NOON + seconds(32)) == ["SPY"]


def test_who_is_said_to_be_lost_is_subscribed_anew_at_once_and_at_any_hour() -> None:
    silence, night = listening(), SESSION.closes_at + timedelta(hours=3)
    silence.lost("QQQ")
    assert silence.to_subscribe(SESSION, night) == ["QQQ"]
    silence.subscribed("QQQ", night)
    assert silence.to_subscribe(SESSION, night + seconds(29)) == []
    assert silence.to_subscribe(SESSION, night + seconds(30)) == ["QQQ"]


def test_from_whom_nothing_can_be_expected() -> None:
    silence = Silence(["QQQ", "SPY", "TQQQ"])
    for symbol in ("QQQ", "SPY", "TQQQ"):
        silence.subscribed(symbol, NOON)
    silence.heard("QQQ", NOON + seconds(25))
    silence.lost("TQQQ")
    silence.newly_silent(SESSION, NOON + seconds(30))
    assert silence.silent == {"SPY", "TQQQ"}
    silence.heard("SPY", NOON + seconds(30))
    assert silence.silent == {"TQQQ"}


def test_an_old_bar_makes_nobody_younger() -> None:
    silence = listening()
    silence.heard("QQQ", NOON - seconds(30))
    assert silence.ages_s(NOON + seconds(7)) == {"QQQ": 7, "SPY": 7}


def test_who_was_never_heard_has_no_age() -> None:
    assert Silence(["QQQ"]).ages_s(NOON) == {"QQQ": None}
