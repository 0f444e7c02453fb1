"""What is an alarm, how bad it is, and when it is told again."""

from datetime import timedelta

import pytest
from builders import NOON

from trader.domain.alarm import Alarm, AlarmType, Severity, plain_text, tell_again_after
from trader.domain.alarming import ALARMING, alarm_of
from trader.domain.events import JournalEntry, JournalType, JsonValue


def told(type_: JournalType, symbol: str = "", **data: JsonValue) -> tuple[str, str, str, str] | None:
    alarm = alarm_of(JournalEntry(type_, NOON, symbol, data))
    return (alarm.type, alarm.severity, alarm.subject, alarm.text) if alarm is not None else None


def test_an_alarm_says_itself_what_it_is() -> None:
    assert told(JournalType.ALARM, "AAPL", alarm="exit_not_done", what="it works on") == (
        "exit_not_done",
        "critical",
        "AAPL",
        "it works on",
    )
    failed = told(JournalType.ALARM, "", alarm="chore_failed", what="no space", about="backup")
    assert failed == ("chore_failed", "warning", "backup", "no space")


@pytest.mark.parametrize(
    ("type_", "data", "says"),
    [
        (
            JournalType.NOT_FLAT,
            {"held": "QQQ 5", "orders": 1, "after_close": False},
            ("not_flat", "critical", "QQQ 5, 1 orders working, before the close"),
        ),
        (
            JournalType.DRIFT_FOUND,
            {"book": 5, "broker": 3},
            ("drift", "critical", "the book has 5 shares, the broker 3; entries of the family are stopped"),
        ),
        (
            JournalType.ORDER_STATE,
            {"state": "unknown", "order_ref": "x-1", "reason": "no answer"},
            ("order_unknown", "warning", "nobody knows what became of x-1: no answer"),
        ),
        (
            JournalType.CASH_DIFFERS,
            {"book_micros": 1_000_000, "broker_micros": -500_000},
            ("cash_differs", "warning", "the book has 1.00, the broker -0.50"),
        ),
        (JournalType.RUN_STOPPED, {"reason": "SIGTERM", "failed": False}, ("stopped", "info", None)),
        (JournalType.RUN_STOPPED, {"reason": "KeyError: x", "failed": True}, ("failed", "critical", None)),
        (JournalType.PHASE, {"phase": "closed", "before": "flat_by_now"}, ("day_closed", "info", None)),
    ],
)
def test_facts_that_always_are_alarms(
    type_: JournalType, data: dict[str, JsonValue], says: tuple[str, str, str | None]
) -> None:
    alarm = alarm_of(JournalEntry(type_, NOON, "QQQ", data))
    assert alarm is not None
    assert (alarm.type, alarm.severity, alarm.subject) == (says[0], says[1], "QQQ")
    assert says[2] in (None, alarm.text)


@pytest.mark.parametrize(
    ("type_", "data"),
    [
        (JournalType.ORDER_STATE, {"state": "cancelled", "order_ref": "x-1", "reason": "asked"}),
        (JournalType.PHASE, {"phase": "closed", "before": ""}),
        (JournalType.PHASE, {"phase": "open", "before": "closed"}),
    ],
)
def test_facts_of_such_a_kind_that_are_none(type_: JournalType, data: dict[str, JsonValue]) -> None:
    assert alarm_of(JournalEntry(type_, NOON, "", data)) is None


@pytest.mark.parametrize("type_", sorted(ALARMING))
def test_a_fact_without_its_words_is_an_alarm_and_no_error(type_: JournalType) -> None:
    """An error here would keep a fill from being booked."""
    alarm = alarm_of(JournalEntry(type_, NOON, "", {}))
    assert alarm is not None
    assert alarm.type is AlarmType.CONTRADICTION


def test_a_type_that_is_made_tomorrow_is_critical() -> None:
    assert Alarm.of(AlarmType.NOT_FLAT, "", "", NOON).severity is Severity.CRITICAL
    assert [severity.rank for severity in (Severity.INFO, Severity.WARNING, Severity.CRITICAL)] == [0, 1, 2]


def test_it_is_told_again_after_1_5_15_and_then_every_60_minutes() -> None:
    minutes = [tell_again_after(times) // timedelta(minutes=1) for times in range(1, 7)]
    assert minutes == [1, 5, 15, 60, 60, 60]


def test_text_of_others_steers_no_terminal_and_fills_no_book() -> None:
    hostile = "a\x1b[2J\r\nb\u202ec" + "x" * 10_000
    text = plain_text(hostile)
    assert text.startswith(r"a\x1b[2J\r\nb\u202ec")
    assert text.isprintable()
    assert len(text) == 500
    assert Alarm.of(AlarmType.HALTED, "", hostile, NOON).text == text


@pytest.mark.parametrize(("symbol", "units"), [("QQQ", "shares"), ("QQQ261218C00500000", "contracts")])
def test_what_is_held_of_an_option_is_contracts(symbol: str, units: str) -> None:
    drift = told(JournalType.DRIFT_FOUND, symbol, book=5, broker=3)
    assert drift is not None
    assert f"the book has 5 {units}," in drift[3]
    left = told(JournalType.LEFT_OVERNIGHT, symbol, quantity=5)
    assert left is not None
    assert f"5 {units} should" in left[3]
