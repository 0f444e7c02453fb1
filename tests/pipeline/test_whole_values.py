"""What the chain says, whole: stage, rule, symbol, measured value, limit and words. A person reads it in `why`."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from math import isnan

import pytest
from builders import (
    FAMILIES,
    MINUTE,
    MONDAY,
    NOON,
    SECOND,
    a_bar,
    a_lock,
    a_portfolio,
    a_position,
    a_signal,
    bar_time,
    new_york,
    session_of,
    some_prices,
)

from trader.domain.breaker import Breaker, BreakerScope, Latch
from trader.domain.decision import (
    Allocation,
    Close,
    ExitTicket,
    Intent,
    Outcome,
    Purpose,
    Refusal,
    Rule,
    Signal,
    Stage,
    Ticket,
)
from trader.domain.exit_plan import ExitReason, ExitRule
from trader.domain.ledger import Position, PositionState
from trader.domain.market import Bar, BarTime, Prices
from trader.domain.portfolio import Drift, Halt, Portfolio
from trader.domain.rules import LARGEST_SKEW, Costs, Limits, OptionRules, Rules, Thresholds
from trader.pipeline.allocate import allocate, threshold_passed, wanted_leverage
from trader.pipeline.coordinate import coordinate
from trader.pipeline.decide import Chain
from trader.pipeline.exits import closing_time, held_too_long, touched, unprotected_at_close
from trader.pipeline.intake import check_signal, decided_before, what_remains
from trader.pipeline.screen import LeftOut, screen
from trader.pipeline.session_window import Admitted, admit
from trader.pipeline.size import Unchanged, resize, size

THRESHOLDS = Thresholds()
OPTION = "QQQ250627C00500000"
"""It expires on the Friday of the week of MONDAY."""


# -- allocation -----------------------------------------------------------------------------------------------------


def test_a_signal_for_another_member_is_told_who_drives() -> None:
    said = allocate(a_signal("SQQQ"), FAMILIES, a_portfolio(), some_prices(), THRESHOLDS)
    assert said == Refusal(
        Stage.ALLOCATION, Rule.NOT_THE_UNDERLYING, "SQQQ", detail="family QQQ is driven by signals for QQQ"
    )


def test_an_instrument_without_a_bar_is_named() -> None:
    said = allocate(a_signal("QQQ", 0.95), FAMILIES, a_portfolio(), some_prices(QQQ=500.0), THRESHOLDS)
    assert said == Refusal(Stage.ALLOCATION, Rule.NO_PRICE, "TQQQ", detail="no bar of this symbol has been seen")


def test_what_is_held_goes_where_the_other_has_no_bar() -> None:
    signal, portfolio = a_signal("QQQ", 0.95), a_portfolio(a_position("QQQ"))
    assert allocate(signal, FAMILIES, portfolio, some_prices(QQQ=500.0), THRESHOLDS) == Allocation(signal, "QQQ", None)


@pytest.mark.parametrize("held", ["QQQ", "SQQQ"])
def test_of_two_members_that_are_held_the_larger_leverage_counts(held: str) -> None:
    """With -3 and +1 held, 0.15 keeps the -3; counted as +1 it would be turned away from."""
    portfolio = a_portfolio(a_position(held), a_position("QQQ" if held == "SQQQ" else "SQQQ"))
    prices = some_prices(QQQ=500.0, TQQQ=80.0, PSQ=40.0, SQQQ=30.0)
    signal = a_signal("QQQ", 0.15)
    assert allocate(signal, FAMILIES, portfolio, prices, THRESHOLDS) == Allocation(signal, "QQQ", "SQQQ")


@pytest.mark.parametrize(
    ("probability", "leverage", "passed"),
    [
        (0.75, 1, 0.75),
        (0.7499, 1, 0.6),
        (0.90, 3, 0.9),
        (0.85, 3, 0.8),
        (0.25, -1, 0.75),
        (0.26, -1, 0.6),
        (0.35, -1, 0.6),
        (0.09, -3, 0.9),
        (0.10, -3, 0.9),
        (0.11, -3, 0.8),
        (0.15, -3, 0.8),
        (0.85, 2, 0.8),
    ],
)
def test_the_threshold_that_was_passed_is_told(probability: float, leverage: int, passed: float) -> None:
    assert threshold_passed(probability, leverage, THRESHOLDS) == passed


@pytest.mark.parametrize(("probability", "held", "wanted"), [(0.85, 2, 3), (0.15, -2, -3), (0.85, 1, 1)])
def test_a_double_is_kept_as_a_triple_is(probability: float, held: int, wanted: int) -> None:
    got = wanted_leverage(probability, held, THRESHOLDS)
    assert (got, type(got)) == (wanted, int)


# -- coordination ---------------------------------------------------------------------------------------------------


def obstacle(wanted: str, portfolio: Portfolio, now: datetime = NOON) -> Refusal | None:
    return coordinate(Allocation(a_signal("QQQ"), "QQQ", wanted), FAMILIES, portfolio, now).refusal


def test_every_conflict_says_what_is_in_the_way() -> None:
    drift = Drift("PSQ", 0, 100, NOON)
    closing = replace_state(PositionState.CLOSING)
    conflict = Stage.CONFLICT
    flat = "the rest of the family has to be flat first"
    portfolio = a_portfolio(locks=[a_lock("QQQ", ref="the-entry")])
    assert obstacle("QQQ", portfolio) == Refusal(conflict, Rule.SYMBOL_LOCKED, "QQQ", detail="the-entry")
    portfolio = with_(unknown=frozenset({"TQQQ"}))
    said = "TQQQ has an order of unknown fate"
    assert obstacle("QQQ", portfolio) == Refusal(conflict, Rule.UNKNOWN_ORDER, "QQQ", detail=said)
    portfolio = with_(drift={"PSQ": drift, "AAPL": drift._replace(symbol="AAPL")})
    assert obstacle("QQQ", portfolio) == Refusal(conflict, Rule.DRIFT, "QQQ", 100, 0, f"PSQ: {drift.what}")
    assert obstacle("QQQ", with_(drift={"AAPL": drift._replace(symbol="AAPL")})) is None
    assert obstacle("PSQ", a_portfolio(a_position("QQQ"))) == Refusal(conflict, Rule.TURNING, "PSQ", detail=flat)
    assert obstacle("QQQ", a_portfolio(closing)) == Refusal(conflict, Rule.CLOSING, "QQQ", detail="signal")
    portfolio = with_(opened_at={"QQQ": NOON})
    assert obstacle("QQQ", portfolio, NOON + 59 * SECOND) == Refusal(conflict, Rule.ONE_OPENING_PER_BAR, "QQQ")


def replace_state(state: PositionState) -> Position:
    return a_position("QQQ", state=state)


def with_(**fields: object) -> Portfolio:
    portfolio = a_portfolio()
    for name, value in fields.items():
        setattr(portfolio, name, value)
    return portfolio


def test_a_minute_is_over_when_the_next_begins() -> None:
    """To the microsecond, whatever part of the minute the opening was in."""
    late = NOON + 59 * SECOND + timedelta(microseconds=999_999)
    portfolio = with_(opened_at={"QQQ": late})
    assert obstacle("QQQ", portfolio, NOON) is not None
    assert obstacle("QQQ", portfolio, NOON + MINUTE) is None
    assert obstacle("QQQ", with_(opened_at={"QQQ": NOON + timedelta(microseconds=1)}), NOON) is not None


@pytest.mark.parametrize(("wanted", "reason"), [(None, ExitReason.SIGNAL), ("PSQ", ExitReason.TURN)])
def test_a_close_says_why_and_by_which_signal(wanted: str | None, reason: ExitReason) -> None:
    signal = replace(a_signal("QQQ"), id="S-0007")
    result = coordinate(Allocation(signal, "QQQ", wanted), FAMILIES, a_portfolio(a_position("QQQ")), NOON)
    assert result.closes == (Close("QQQ", Purpose.EXIT, reason, "S-0007"),)


# -- the session's window -------------------------------------------------------------------------------------------


def admitted(symbol: str, at: datetime, *, days: int = 1, portfolio: Portfolio | None = None) -> object:
    intent = Intent(a_signal(symbol), FAMILIES.instrument(symbol).family, symbol, 1)
    rules = Rules(options=OptionRules(exits=replace(OptionRules().exits, days_to_expiry=days)))
    day = at.astimezone(UTC).date()
    session = session_of(day) if day.weekday() < 5 else None
    return admit(intent, session, portfolio or a_portfolio(), rules, at)


def test_the_window_says_what_it_has_measured() -> None:
    closed = Refusal(Stage.SESSION, Rule.SESSION_CLOSED, "AAPL")
    assert admitted("AAPL", new_york("16:00")) == closed
    assert admitted("AAPL", datetime(2025, 6, 22, 15, tzinfo=UTC)) == closed
    said = Refusal(Stage.SESSION, Rule.AFTER_CUTOFF, "AAPL", 12.5, 15.0, "minutes to the close")
    assert admitted("AAPL", new_york("15:47:30")) == said
    assert isinstance(admitted("AAPL", NOON), Admitted)


def test_an_option_that_would_be_sold_is_not_bought() -> None:
    said = "days to expiry; it would be sold"
    thursday, friday = date(2025, 6, 26), date(2025, 6, 27)
    assert admitted(OPTION, new_york("12:00", thursday)) == Refusal(Stage.SESSION, Rule.EXPIRES, OPTION, 1, 1, said)
    assert admitted(OPTION, NOON, days=4) == Refusal(Stage.SESSION, Rule.EXPIRES, OPTION, 4, 4, said)
    assert isinstance(admitted(OPTION, NOON, days=3), Admitted)
    assert isinstance(admitted(OPTION, new_york("12:00", friday), days=0), Admitted)
    assert isinstance(admitted("AAPL", new_york("12:00", thursday)), Admitted)


def test_a_halt_is_told_with_its_reason() -> None:
    portfolio = with_(halts={"symbol:AAPL": Halt("symbol", "AAPL", "CPI", NOON)})
    said = Refusal(Stage.SESSION, Rule.HALTED, "AAPL", detail="symbol:AAPL: CPI")
    assert admitted("AAPL", NOON, portfolio=portfolio) == said
    assert isinstance(admitted("MSFT", NOON, portfolio=portfolio), Admitted)


def test_a_tripped_breaker_is_told_with_its_cause_and_its_formula() -> None:
    def latch(breaker: Breaker, scope: BreakerScope, target: str) -> Latch:
        return Latch(breaker, scope, target, "it was too much", 3.5, 3.0, {}, "loss / equity", False, NOON)

    for tripped, why in (
        (latch(Breaker.PRICE_JUMP, BreakerScope.SYMBOL, "AAPL"), "price_jump:AAPL: it was too much; loss / equity"),
        (latch(Breaker.TRADES, BreakerScope.FAMILY, "AAPL"), "trades:AAPL: it was too much; loss / equity"),
    ):
        portfolio = with_(latches={tripped.key: tripped})
        said = Refusal(Stage.SESSION, Rule.BREAKER, "AAPL", 3.5, 3.0, why, tripped.breaker)
        assert admitted("AAPL", NOON, portfolio=portfolio) == said
        assert isinstance(admitted("MSFT", NOON, portfolio=portfolio), Admitted)


# -- the whole chain ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signal", "portfolio", "at", "outcome"),
    [
        (a_signal("TQQQ"), a_portfolio(), NOON, Outcome.REFUSED),
        (a_signal("QQQ", 0.8), a_portfolio(), new_york("15:50"), Outcome.REFUSED),
        (a_signal("QQQ", 0.8), a_portfolio(locks=[a_lock("QQQ")]), NOON, Outcome.REFUSED),
        (a_signal("QQQ", 0.5), a_portfolio(), NOON, Outcome.UNCHANGED),
        (a_signal("QQQ", 0.8), a_portfolio(a_position("QQQ", 300, 500.0)), NOON, Outcome.CLOSING),
        (a_signal("QQQ", 0.5), a_portfolio(a_position("QQQ")), NOON, Outcome.CLOSING),
    ],
)
def test_a_decision_names_its_signal_and_its_outcome(
    signal: Signal, portfolio: Portfolio, at: datetime, outcome: Outcome
) -> None:
    prices = Prices()
    prices.observe(bar_time(a_bar("QQQ", 500.0, start=at - MINUTE)))
    decision = Chain(FAMILIES, Rules(), Costs()).decide(signal, portfolio, prices, session_of(), at)
    assert (decision.signal, decision.outcome) == (signal, outcome)
    assert (decision.refusal is not None) is (outcome is Outcome.REFUSED)


# -- intake ---------------------------------------------------------------------------------------------------------


def test_a_time_that_is_none_is_said() -> None:
    raw = Signal("QQQ", 0.8, datetime(2025, 6, 23, 12))  # noqa: DTZ001  (what is refused)
    said = Refusal(Stage.SIGNAL, Rule.NOT_A_SIGNAL, "QQQ", detail="timestamp is not a datetime with a time zone")
    assert check_signal(raw, NOON, "test", 60) == said


@pytest.mark.parametrize(
    ("raw", "rule", "symbol", "detail"),
    [
        (("QQQ", 0.8), Rule.NOT_A_SIGNAL, "?", "got tuple"),
        (Signal(7, 0.8), Rule.BAD_SYMBOL, "?", "int"),  # type: ignore[arg-type]
        (Signal("QQQ", "0.8"), Rule.BAD_PROBABILITY, "QQQ", "not a number: '0.8'"),  # type: ignore[arg-type]
        (Signal("QQQ", "x" * 99), Rule.BAD_PROBABILITY, "QQQ", f"not a number: '{'x' * 59}"),  # type: ignore[arg-type]
        (Signal("QQQ", None), Rule.BAD_PROBABILITY, "QQQ", "not a number: NoneType"),  # type: ignore[arg-type]
        (Signal("QQQ", 1e9), Rule.BAD_PROBABILITY, "QQQ", "outside [0, 1]"),
        (
            Signal("QQQ", 0.8, id="S-1"),
            Rule.NOT_A_SIGNAL,
            "QQQ",
            "id is no short text of its own, or begins with S-: 'S-1'",
        ),
    ],
)
def test_what_is_wrong_with_a_signal_is_said(raw: object, rule: Rule, symbol: str, detail: str) -> None:
    limit = 1.0 if "outside" in detail else None
    assert check_signal(raw, NOON, "test", 60) == Refusal(Stage.SIGNAL, rule, symbol, None, limit, detail)


@pytest.mark.parametrize("symbol", ["1QQ", "qqq", "QQQ ", "\x00"])
def test_a_symbol_that_is_none_is_shown_harmlessly(symbol: str) -> None:
    said = check_signal(Signal(symbol, 0.8), NOON, "test", 60)
    assert isinstance(said, Refusal)
    assert said == Refusal(Stage.SIGNAL, Rule.BAD_SYMBOL, "?", detail=said.detail)
    assert ascii(symbol) in said.detail


@pytest.mark.parametrize("probability", [1.5, -0.5, 999_999_999])
def test_a_probability_out_of_range_is_told(probability: float) -> None:
    said = check_signal(Signal("QQQ", probability), NOON, "test", 60)
    assert said == Refusal(Stage.SIGNAL, Rule.BAD_PROBABILITY, "QQQ", probability, 1.0, "outside [0, 1]")


def test_the_symbol_of_a_signal_is_the_one_that_was_read() -> None:
    """An option in the form that is filled up with spaces is the same option."""
    assert check_signal(Signal("QQQ   250627C00500000", 0.8), NOON, "test", 60) == Signal(OPTION, 0.8, NOON, "", "test")


def test_the_age_of_a_signal_is_told_in_seconds() -> None:
    at = NOON - 61 * SECOND
    assert check_signal(a_signal(at=at), NOON, "test", 60) == Refusal(
        Stage.SIGNAL, Rule.EXPIRED, "QQQ", 61.0, 60, "seconds"
    )
    assert check_signal(a_signal(at=NOON - 60 * SECOND), NOON, "test", 60) == a_signal(at=NOON - 60 * SECOND)
    ahead = LARGEST_SKEW + SECOND
    said = Refusal(
        Stage.SIGNAL, Rule.FROM_THE_FUTURE, "QQQ", ahead.total_seconds(), LARGEST_SKEW.total_seconds(), "seconds"
    )
    assert check_signal(a_signal(at=NOON + ahead), NOON, "test", 60) == said
    assert check_signal(a_signal(at=NOON + LARGEST_SKEW), NOON, "test", 60) == a_signal(at=NOON + LARGEST_SKEW)


def test_a_signal_without_a_time_is_of_now_and_of_its_source() -> None:
    assert check_signal(Signal("QQQ", 1, id="mine"), NOON, "desk", 60) == Signal("QQQ", 1.0, NOON, "mine", "desk")


def remains(raw: object, rule: Rule = Rule.BAD_PROBABILITY) -> Signal:
    return what_remains(raw, Refusal(Stage.SIGNAL, rule, "QQQ"), NOON, "desk")


def test_of_a_refused_signal_stays_what_it_has() -> None:
    at = NOON - MINUTE * 5
    whole = Signal("qqq", 0.8, at, "mine", "somebody")
    assert remains(whole, Rule.EXPIRED) == Signal("QQQ", 0.8, at, "mine", "desk")
    assert remains(whole, Rule.FROM_THE_FUTURE).timestamp == at
    assert remains(whole) == Signal("QQQ", 0.8, NOON, "mine", "desk")
    assert remains(replace(whole, probability=3)).probability == 3.0
    assert remains(replace(whole, probability=999_999_999)).probability == 999_999_999.0


@pytest.mark.parametrize("probability", ["0.8", None, True, 1e9, 10**400, -(10**400)])
def test_a_probability_that_is_none_is_not_kept(probability: object) -> None:
    assert isnan(remains(Signal("QQQ", probability)).probability)  # type: ignore[arg-type]


@pytest.mark.parametrize("identity", ["S-0001", 7, "", None, "a" * 1000, "two\nlines"])
def test_an_id_that_is_none_is_not_kept(identity: object) -> None:
    assert remains(Signal("QQQ", 0.8, id=identity)).id == ""  # type: ignore[arg-type]


def test_of_what_is_no_signal_the_symbol_of_its_bar_stays() -> None:
    nothing = remains(("QQQ", 0.8))
    assert (nothing.symbol, nothing.timestamp, nothing.id, nothing.source) == ("QQQ", NOON, "", "desk")
    assert isnan(nothing.probability)


def test_a_repeated_id_is_named() -> None:
    assert decided_before("mine") == "id mine was decided before"


# -- bars -----------------------------------------------------------------------------------------------------------


def left_out(bars: BarTime, prices: Prices, now: datetime = NOON) -> tuple[LeftOut, ...]:
    screened = screen(bars, prices, {"AAPL", "MSFT", "JD"}, now)
    assert {bar.symbol for bar in screened.bar_time.bars} | {out.symbol for out in screened.left_out} >= {
        bar.symbol for bar in bars.bars if not screened.left_out or screened.left_out[0].symbol
    }
    return screened.left_out


def test_every_bar_that_is_left_out_is_told_with_its_fault() -> None:
    good = a_bar("AAPL")
    late = a_bar("MSFT", start=NOON - 2 * MINUTE)
    bad = a_bar("JD", 30.0, low=31.0, high=32.0, opens=31.5)
    strange = a_bar("XYZ")
    times = BarTime(NOON, MINUTE, (good, good, late, bad, strange))
    screened = screen(times, some_prices(), {"AAPL", "MSFT", "JD"}, NOON)
    assert screened.bar_time == BarTime(NOON, MINUTE, (good,))
    assert screened.left_out == (
        LeftOut("AAPL", "a second bar of its time"),
        LeftOut("MSFT", "it starts at another time than the bars that end then"),
        LeftOut("JD", screened.left_out[2].fault),
        LeftOut("XYZ", "not a symbol that the feed was asked for"),
    )
    assert screened.left_out[2].fault


def test_a_whole_instant_is_left_out_when_it_is_ahead_or_old() -> None:
    ahead = bar_time(a_bar("AAPL", start=NOON + LARGEST_SKEW - MINUTE + SECOND))
    assert left_out(ahead, some_prices()) == (LeftOut("", "ahead of the clock"),)
    assert left_out(bar_time(a_bar("AAPL", start=NOON + LARGEST_SKEW - MINUTE)), some_prices()) == ()
    prices = some_prices(AAPL=100.0)
    assert left_out(bar_time(a_bar("AAPL", start=NOON - 2 * MINUTE)), prices) == (
        LeftOut("", "older than the newest known"),
    )
    assert left_out(bar_time(a_bar("MSFT")), prices) == (), "the rest of the newest instant may still come"


def test_bars_that_are_all_good_are_passed_on_as_they_are() -> None:
    times = bar_time(a_bar("AAPL"), a_bar("MSFT"))
    screened = screen(times, some_prices(), {"AAPL", "MSFT"}, NOON)
    assert screened.bar_time is times
    assert screened.left_out == ()


def test_a_second_bar_of_a_time_is_left_out_also_when_it_comes_later() -> None:
    out = left_out(bar_time(a_bar("AAPL", 101.0)), some_prices(AAPL=100.0))
    assert out == (LeftOut("AAPL", "a second bar of its time"),)


def test_prices_as_far_ahead_as_clocks_may_differ_are_the_newest() -> None:
    prices = Prices()
    prices.observe(bar_time(a_bar("AAPL", start=NOON + LARGEST_SKEW - MINUTE)))
    assert left_out(bar_time(a_bar("AAPL")), prices) == (LeftOut("", "older than the newest known"),)


def test_a_symbol_that_is_known_needs_not_be_asked_for() -> None:
    prices = Prices()
    prices.observe(bar_time(a_bar("HELD", start=NOON - 2 * MINUTE)))
    assert screen(bar_time(a_bar("HELD")), prices, (), NOON).left_out == ()


# -- exits ----------------------------------------------------------------------------------------------------------


def test_a_position_that_is_held_too_long_is_closed_by_its_name() -> None:
    position = a_position("AAPL", opened_at=NOON - 30 * MINUTE)
    rule = ExitRule(time_stop_s=30 * 60)
    assert held_too_long(position, rule, NOON) == Close("AAPL", Purpose.EXIT, ExitReason.TIME_STOP)
    assert held_too_long(position, rule, NOON - SECOND) is None


def test_what_was_left_overnight_goes_from_the_open_on() -> None:
    session = session_of(MONDAY)
    left = a_position("AAPL", opened_at=session.opens_at - timedelta(hours=20))
    said = Close("AAPL", Purpose.EOD, ExitReason.LEFT_OVERNIGHT)
    assert closing_time(left, session, session.opens_at) == said
    assert closing_time(left, session, session.opens_at - SECOND) is None
    at_the_open = a_position("AAPL", opened_at=session.opens_at)
    assert closing_time(at_the_open, session, NOON) is None


def test_overnight_is_for_what_stops_at_the_broker_cover() -> None:
    position, session = a_position("AAPL"), session_of(MONDAY)
    flatten_at = session.flatten_at
    said = Close("AAPL", Purpose.EOD, ExitReason.EOD)
    assert unprotected_at_close(position, session, flatten_at, stopped=False) == said
    assert unprotected_at_close(position, session, flatten_at, stopped=True) is None
    assert unprotected_at_close(position, session, flatten_at - SECOND, stopped=False) is None
    assert unprotected_at_close(position, None, flatten_at, stopped=False) is None


def two_bars(before: float, last: float) -> tuple[Prices, Bar]:
    prices = Prices()
    prices.observe(bar_time(a_bar("AAPL", 100.0, start=NOON - 3 * MINUTE)))
    prices.observe(bar_time(a_bar("AAPL", before, start=NOON - 2 * MINUTE)))
    bar = a_bar("AAPL", last)
    prices.observe(bar_time(bar))
    return prices, bar


@pytest.mark.parametrize(
    ("before", "last", "goes"),
    [(100.0, 94.0, False), (94.0, 80.0, True), (100.0, 95.0, True)],
    ids=["a jump alone", "a second print, however far", "a jump as large as may be"],
)
def test_a_jump_needs_a_second_print_to_stop_out(before: float, last: float, goes: bool) -> None:
    prices, bar = two_bars(before, last)
    position = a_position("AAPL", stop=96.0)
    close = touched(position, bar, prices, Rules(limits=Limits(collar_ppm=50_000)))
    assert close == (Close("AAPL", Purpose.EXIT, ExitReason.STOP) if goes else None)


def test_an_option_in_its_last_days_is_refused_by_the_whole_chain() -> None:
    at = new_york("12:00", date(2025, 6, 26))
    prices = Prices()
    prices.observe(bar_time(a_bar(OPTION, 2.0, start=at - MINUTE)))
    decision = Chain(FAMILIES, Rules(), Costs()).decide(
        a_signal(OPTION, 0.95, at=at), a_portfolio(), prices, session_of(date(2025, 6, 26)), at
    )
    assert decision.refusal is not None
    assert decision.refusal.rule is Rule.EXPIRES


# -- sizing ---------------------------------------------------------------------------------------------------------


def sized(portfolio: Portfolio, limits: Limits | None = None, symbol: str = "AAPL") -> Ticket | Refusal:
    intent = Intent(a_signal(symbol), FAMILIES.instrument(symbol).family, symbol, 1)
    return size(
        Admitted(intent), portfolio, some_prices(**{symbol: 100.0}), limits or Limits(), Costs(minimum_micros=0), NOON
    )


def test_a_refusal_in_dollars_says_dollars() -> None:
    less = Limits(position_ppm=4_000)
    said = Refusal(Stage.SIZING, Rule.MINIMUM_NOTIONAL, "AAPL", 300.0, 500.0, "USD")
    assert sized(a_portfolio(), less) == said
    poor = a_portfolio(cash=1_000.0, equity=100_000.0)
    assert sized(poor) == Refusal(Stage.SIZING, Rule.CASH_RESERVE, "AAPL", 1000.0, 2000.0, "USD")


def test_a_share_that_is_more_than_a_position_may_be_is_told_with_its_commission() -> None:
    """A limit of 100.50 and a half dollar that each share costs."""
    intent, costs = Intent(a_signal("AAPL"), "AAPL", "AAPL", 1), Costs(per_share_micros=500_000, minimum_micros=0)
    less = Limits(position_ppm=1_000, minimum_notional_micros=0)
    said = Refusal(Stage.SIZING, Rule.POSITION_SIZE, "AAPL", 101.0, 100.0, "USD for one of its shares")
    assert size(Admitted(intent), a_portfolio(), some_prices(AAPL=100.0), less, costs, NOON) == said


def test_what_has_no_price_cannot_be_sized() -> None:
    said = Refusal(Stage.SIZING, Rule.NO_PRICE, "AAPL")
    intent = Intent(a_signal("AAPL"), "AAPL", "AAPL", 1)
    assert size(Admitted(intent), a_portfolio(), Prices(), Limits(), Costs(), NOON) == said


@pytest.mark.parametrize(
    ("others_s", "rule"), [(120, Rule.SYMBOL_HALTED), (0, Rule.SYMBOL_HALTED), (121, Rule.STALE_PRICE)]
)
def test_a_price_that_is_old_is_a_halt_of_its_symbol_where_others_trade(others_s: int, rule: Rule) -> None:
    prices = Prices()
    prices.observe(bar_time(a_bar("AAPL", start=NOON - 5 * MINUTE)))
    prices.observe(bar_time(a_bar("MSFT", start=NOON - MINUTE - others_s * SECOND)))
    intent = Intent(a_signal("AAPL"), "AAPL", "AAPL", 1)
    said = Refusal(Stage.SIZING, rule, "AAPL", 240.0, 120, "seconds without a bar")
    assert size(Admitted(intent), a_portfolio(), prices, Limits(stale_price_s=120), Costs(), NOON) == said


def test_a_ticket_tells_which_limit_has_sized_it_and_what_it_left() -> None:
    """Of two that leave the same, the one that comes first: the size of a position."""
    for limits in (Limits(), Limits(order_notional_micros=15_000_000_000)):
        ticket = sized(a_portfolio(), limits)
        assert isinstance(ticket, Ticket)
        assert (ticket.sized_by, ticket.room_micros) == (Rule.POSITION_SIZE, 15_000_000_000)
    ticket = sized(a_portfolio(), Limits(order_notional_micros=2_000_000_000))
    assert isinstance(ticket, Ticket)
    assert (ticket.sized_by, ticket.room_micros) == (Rule.ORDER_NOTIONAL, 2_000_000_000)


def test_a_family_without_room_says_that_nothing_is_in_it() -> None:
    said = Refusal(Stage.SIZING, Rule.FAMILY_EXPOSURE, "AAPL", 0.0, 0.0, "USD")
    assert sized(a_portfolio(), Limits(family_ppm=0)) == said


def test_a_limit_for_an_option_lies_on_the_steps_of_its_premium() -> None:
    intent = Intent(a_signal(OPTION), OPTION, OPTION, 1)
    prices = some_prices(**{OPTION: 1.01})
    limits = Limits(limit_offset_ppm=50_000, position_ppm=20_000)
    ticket = size(Admitted(intent), a_portfolio(), prices, limits, Costs(), NOON)
    assert isinstance(ticket, Ticket)
    assert ticket.limit_micros == 1_100_000


def test_an_order_of_just_the_minimum_is_made() -> None:
    exact = Limits(position_ppm=5_000, limit_offset_ppm=0)
    ticket = size(
        Admitted(Intent(a_signal("AAPL"), "AAPL", "AAPL", 1)),
        a_portfolio(),
        some_prices(AAPL=100.0),
        exact,
        Costs(per_share_micros=0, minimum_micros=0),
        NOON,
    )
    assert isinstance(ticket, Ticket)
    assert ticket.quantity == 5


@pytest.mark.parametrize(("created", "refused"), [(39, False), (40, True)])
def test_one_more_than_may_be_created_in_an_hour_is_refused(created: int, refused: bool) -> None:
    result = sized(with_(created_last_hour=created))
    said = Refusal(Stage.SIZING, Rule.CREATIONS_PER_HOUR, "AAPL", 41, 40, "within an hour")
    assert result == said if refused else isinstance(result, Ticket)


def test_positions_at_regular_intervals_are_counted_by_symbol_and_since_entries_were_resumed() -> None:
    times = tuple(NOON - n * 10 * MINUTE for n in range(1, 6))
    said = Refusal(Stage.SIZING, Rule.REGULAR_CREATIONS, "AAPL", 6, 5, "of one symbol at regular intervals")
    day = a_portfolio().day._replace(started_at=NOON - timedelta(hours=3))
    assert sized(with_(past_creations={"AAPL": times}, day=day)) == said
    assert isinstance(sized(with_(past_creations={"MSFT": times}, day=day)), Ticket)
    resumed = day._replace(resumed_at=times[-1] + SECOND)
    assert isinstance(sized(with_(past_creations={"AAPL": times}, day=resumed)), Ticket)
    counted = day._replace(resumed_at=times[-1])
    assert sized(with_(past_creations={"AAPL": times}, day=counted)) == said, "from that moment on"


def resized(shares: int, limits: Limits | None = None, prices: Prices | None = None) -> ExitTicket | Unchanged | None:
    intent = Intent(replace(a_signal("AAPL"), id="S-0007"), "AAPL", "AAPL", 1)
    portfolio = a_portfolio(a_position("AAPL", shares, 100.0), equity=100_000.0)
    return resize(intent, portfolio, prices or some_prices(AAPL=100.0), limits or Limits())


def test_a_reduction_says_what_it_is_and_which_signal_asked() -> None:
    said = ExitTicket("AAPL", 50, Purpose.EXIT, ExitReason.RESIZE, "S-0007")
    got = resized(200)
    assert got == said
    assert isinstance(got, ExitTicket)
    assert type(got.quantity) is int


def test_a_position_on_the_threshold_is_left_alone() -> None:
    """Wanted are 100 shares; 125 are a quarter more, to the share."""
    limits = Limits(position_ppm=100_000)
    assert resized(125, limits) == Unchanged("AAPL")
    assert resized(126, limits) == ExitTicket("AAPL", 26, Purpose.EXIT, ExitReason.RESIZE, "S-0007")
    assert resized(75, limits) == Unchanged("AAPL")
    assert resized(74, limits) is None


@pytest.mark.parametrize(("jumped", "reduced"), [(105.0, True), (105.02, False)])
def test_a_reduction_waits_for_a_second_print_beyond_the_collar_and_not_at_it(jumped: float, reduced: bool) -> None:
    prices = Prices()
    prices.observe(bar_time(a_bar("AAPL", 100.0, start=NOON - 2 * MINUTE)))
    prices.observe(bar_time(a_bar("AAPL", jumped)))
    assert isinstance(resized(300, prices=prices), ExitTicket) is reduced


@pytest.mark.parametrize(
    ("fields", "limits", "said"),
    [
        ({"equity_micros": 97_000_000_000}, {}, (Rule.DAY_LOSS, 3_000.0, 3_000.0, "USD")),
        ({"slots": 6}, {}, (Rule.OPEN_POSITIONS, 6, 6, "")),
        ({}, {"openings_per_day": 0}, (Rule.OPENINGS_PER_DAY, 0, 0, "")),
        ({"day_trades": 3}, {"max_day_trades_5d": 3}, (Rule.DAY_TRADES, 3, 3, "in five sessions")),
        ({"entries_last_minute": 60}, {}, (Rule.ORDER_RATE, 60, 60, "a minute")),
    ],
)
def test_every_count_that_refuses_says_what_it_has_counted(
    fields: dict[str, object], limits: dict[str, int], said: tuple[Rule, float, float, str]
) -> None:
    rule, measured, limit, detail = said
    expected = Refusal(Stage.SIZING, rule, "AAPL", measured, limit, detail)
    assert sized(with_(**fields), Limits(**limits)) == expected


def test_one_day_trade_less_than_the_most_is_made() -> None:
    assert isinstance(sized(with_(day_trades=2), Limits(max_day_trades_5d=3)), Ticket)
    assert isinstance(sized(with_(day_trades=99)), Ticket)


def test_a_premium_that_is_too_cheap_says_so_in_dollars() -> None:
    intent = Intent(a_signal(OPTION), OPTION, OPTION, 1)
    cheap = Limits(minimum_price_micros=100_000)
    said = size(Admitted(intent), a_portfolio(), some_prices(**{OPTION: 0.09}), cheap, Costs(), NOON)
    assert said == Refusal(Stage.SIZING, Rule.MINIMUM_PRICE, OPTION, 0.09, 0.1, "USD")
    dear = size(Admitted(intent), a_portfolio(), some_prices(**{OPTION: 0.10}), cheap, Costs(), NOON)
    assert isinstance(dear, Ticket)


@pytest.mark.parametrize(("jumped", "refused"), [(105.0, False), (106.0, True)])
def test_a_price_that_has_jumped_says_how_far_and_at_the_collar_it_has_not(jumped: float, refused: bool) -> None:
    prices = Prices()
    prices.observe(bar_time(a_bar("AAPL", 100.0, start=NOON - 2 * MINUTE)))
    prices.observe(bar_time(a_bar("AAPL", jumped)))
    intent = Intent(a_signal("AAPL"), "AAPL", "AAPL", 1)
    result = size(Admitted(intent), a_portfolio(), prices, Limits(), Costs(), NOON)
    detail = "percent away from the bar before; a second print is needed"
    said = Refusal(Stage.SIZING, Rule.PRICE_COLLAR, "AAPL", prices.jump_ppm("AAPL") / 10_000, 5.0, detail)
    assert result == said if refused else isinstance(result, Ticket)


def test_of_what_is_bought_and_what_drives_it_the_one_that_has_jumped_is_named() -> None:
    for jumped, to in (("QQQ", 550.0), ("TQQQ", 90.0)):
        prices, before = Prices(), {"QQQ": 500.0, "TQQQ": 80.0}
        for closes, start in ((before, NOON - 2 * MINUTE), ({**before, jumped: to}, NOON - MINUTE)):
            prices.observe(bar_time(*(a_bar(symbol, close, start=start) for symbol, close in closes.items())))
        intent = Intent(a_signal("QQQ"), "QQQ", "TQQQ", 1)
        result = size(Admitted(intent), a_portfolio(), prices, Limits(), Costs(), NOON)
        assert isinstance(result, Refusal)
        assert (result.rule, result.symbol) == (Rule.PRICE_COLLAR, jumped)
