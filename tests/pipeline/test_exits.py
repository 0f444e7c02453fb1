"""What has to go, decided from facts."""

from datetime import date, datetime, timedelta

import pytest
from builders import (
    HALF_DAY,
    MINUTE,
    MONDAY,
    NOON,
    a_bar,
    a_lock,
    a_position,
    an_order,
    bar_time,
    new_york,
    session_of,
    some_prices,
)

from trader.domain.decision import Close, ExitTicket, Purpose, Side
from trader.domain.exit_plan import ExitReason, ExitRule
from trader.domain.ledger import Position, PositionState
from trader.domain.market import Bar
from trader.domain.rules import Rules
from trader.pipeline.exits import closing_time, expires, expiring, held_too_long, pursue, touched

HELD = a_position("AAPL", 10, 100.0, stop=98.0, take_profit=103.0)


def due(position: Position, bar: Bar, *, before: float = 100.0) -> str | None:
    """What a bar after one at `before` triggers."""
    prices = some_prices(AAPL=before)
    later = bar._replace(timestamp=NOON)
    prices.observe(bar_time(later))
    return reason(touched(position, later, prices, Rules()))


def reason(close: Close | None) -> str | None:
    return close.reason if close is not None else None


def test_a_touched_level_closes() -> None:
    assert due(HELD, a_bar(close=99.0, low=97.9)) == ExitReason.STOP
    assert due(HELD, a_bar(close=102.0, high=103.0)) == ExitReason.TAKE_PROFIT
    assert due(HELD, a_bar(close=100.0, low=97.0, high=104.0)) == ExitReason.STOP
    assert due(HELD, a_bar(close=100.0)) is None


def test_what_is_on_its_way_out_is_not_triggered_again() -> None:
    through_the_stop = a_bar(close=97.0)
    assert due(HELD, through_the_stop) == ExitReason.STOP
    assert due(HELD.closing(Purpose.EXIT, "signal", NOON), through_the_stop) is None


def test_a_jump_needs_a_second_print() -> None:
    assert due(HELD, a_bar(close=94.0)) is None
    assert due(HELD, a_bar(close=94.0), before=94.5) == ExitReason.STOP


@pytest.mark.parametrize(
    ("clock", "goes"),
    [("15:49:59", False), ("15:50", True), ("15:55", True), ("15:59:59", True), ("16:00", False)],
)
def test_at_the_end_of_the_day_everything_goes(clock: str, goes: bool) -> None:
    close = closing_time(HELD, session_of(), new_york(clock))
    assert close == (Close("AAPL", Purpose.EOD, ExitReason.EOD) if goes else None)


def test_a_half_day_flattens_at_its_own_end() -> None:
    position = HELD._replace(opened_at=new_york("10:00", HALF_DAY))
    assert closing_time(position, session_of(HALF_DAY), new_york("12:49", HALF_DAY)) is None
    assert reason(closing_time(position, session_of(HALF_DAY), new_york("12:50", HALF_DAY))) == ExitReason.EOD


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (new_york("09:29", date(2025, 6, 24)), None),
        (new_york("09:30", date(2025, 6, 24)), ExitReason.LEFT_OVERNIGHT),
        (new_york("11:00", date(2025, 6, 24)), ExitReason.LEFT_OVERNIGHT),
        (new_york("15:50", date(2025, 6, 24)), ExitReason.EOD),
    ],
)
def test_what_was_left_overnight_goes_at_the_open(now: datetime, why: str | None) -> None:
    tuesday = session_of(MONDAY + timedelta(days=1))
    assert reason(closing_time(HELD, tuesday, now)) == why


def test_no_session_closes_nothing() -> None:
    assert closing_time(HELD, None, NOON) is None


def test_the_time_stop_closes_what_was_held_long_enough() -> None:
    hour = ExitRule(time_stop_s=3600)
    assert held_too_long(HELD, hour, HELD.opened_at + timedelta(seconds=3599)) is None
    assert reason(held_too_long(HELD, hour, HELD.opened_at + timedelta(seconds=3600))) == ExitReason.TIME_STOP
    assert held_too_long(HELD, ExitRule(), HELD.opened_at + timedelta(days=9)) is None


def test_a_stop_that_was_raised_is_a_trailing_stop() -> None:
    raised = HELD.tightened(99_000_000, NOON)
    assert due(raised, a_bar(close=99.5, low=98.9)) == ExitReason.TRAILING_STOP
    assert due(HELD, a_bar(close=99.5, low=98.9)) is None


CLOSING = a_position("AAPL", 7, state=PositionState.CLOSING)


def test_a_working_entry_is_cancelled_before_the_exit() -> None:
    lock = a_lock("AAPL")
    assert pursue(CLOSING, 7, None, lock) == lock
    assert pursue(CLOSING, 7, an_order(side=Side.SELL), lock) == lock


def test_one_exit_for_everything_that_is_held() -> None:
    ticket = pursue(CLOSING, 7, None, None)
    assert isinstance(ticket, ExitTicket)
    assert (ticket.symbol, ticket.quantity, ticket.purpose) == ("AAPL", 7, Purpose.EXIT)


def test_while_an_exit_lives_there_is_no_second() -> None:
    assert pursue(CLOSING, 7, an_order(side=Side.SELL, quantity=3, at=NOON - MINUTE), None) is None


def test_what_stays_is_not_pursued() -> None:
    assert pursue(HELD, 10, None, None) is None


def test_an_exit_asks_for_no_more_than_may_be_sold() -> None:
    ticket = pursue(CLOSING, 4, None, None)
    assert isinstance(ticket, ExitTicket)
    assert ticket.quantity == 4
    assert pursue(CLOSING, 0, None, None) is None


EXPIRY = date(2025, 6, 27)
OPTION = "QQQ250627C00500000"


@pytest.mark.parametrize(
    ("day", "clock", "days", "gone"),
    [
        (MONDAY, "10:00", 1, False),
        (MONDAY, "10:00", 3, False),
        (MONDAY, "10:00", 4, True),
        (date(2025, 6, 26), "09:30", 1, True),
        (date(2025, 6, 26), "15:59", 0, False),
        (EXPIRY, "09:30", 1, True),
        (EXPIRY, "15:44", 0, False),
        (EXPIRY, "15:45", 0, True),
        (date(2025, 6, 30), "09:30", 0, True),
        (date(2025, 6, 30), "09:29", 0, False),
    ],
)
def test_an_option_goes_so_many_days_before_its_expiry_and_on_its_last_day_before_the_flatten_window(
    day: date, clock: str, days: int, gone: bool
) -> None:
    rule = ExitRule(days_to_expiry=days)
    close = expiring(a_position(OPTION), rule, session_of(day), new_york(clock, day))
    assert close == (Close(OPTION, Purpose.EXIT, ExitReason.EXPIRY) if gone else None)


@pytest.mark.parametrize(("clock", "gone"), [("12:44", False), ("12:45", True)])
def test_an_option_that_expires_on_a_holiday_goes_on_the_session_before(clock: str, gone: bool) -> None:
    fourth_of_july = "QQQ250704C00500000"
    assert expires(fourth_of_july, ExitRule(), session_of(HALF_DAY), new_york(clock, HALF_DAY)) is gone


def test_nothing_expires_while_there_is_no_session() -> None:
    assert not expires(OPTION, ExitRule(days_to_expiry=9), None, new_york("12:00", date(2025, 6, 28)))
