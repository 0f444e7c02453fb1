"""Intent -> Ticket: whole shares, and every limit by its name, with what was measured and what was allowed."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from builders import FAMILIES, MINUTE, NOON, a_bar, a_lock, a_portfolio, a_position, a_signal, bar_time, some_prices
from hypothesis import given
from hypothesis import strategies as st

from trader.domain.decision import ExitTicket, Intent, Refusal, Rule, Stage, Ticket
from trader.domain.exit_plan import ExitReason
from trader.domain.market import Bar, Prices
from trader.domain.money import micros
from trader.domain.portfolio import Day, Portfolio
from trader.domain.rules import Costs, Limits, Rules
from trader.pipeline.session_window import Admitted
from trader.pipeline.size import Unchanged, entries_left, resize, size

FREE = Costs(per_share_micros=0, minimum_micros=0)


def intent_for(symbol: str = "AAPL") -> Intent:
    instrument = FAMILIES.instrument(symbol)
    return Intent(a_signal(symbol), instrument.family, symbol, instrument.direction)


def sized(
    portfolio: Portfolio | None = None,
    *,
    symbol: str = "AAPL",
    prices: Prices | None = None,
    costs: Costs = Costs(),  # noqa: B008  (a frozen value)
    now: datetime = NOON,
    **limits: Any,
) -> Ticket | Refusal:
    return size(
        Admitted(intent_for(symbol)),
        portfolio or a_portfolio(),
        prices or some_prices(**{symbol: 100.0}),
        Limits(**limits),
        costs,
        now,
    )


def ticket_of(*args: Any, **kwargs: Any) -> Ticket:
    result = sized(*args, **kwargs)
    assert isinstance(result, Ticket), result
    return result


def refusal_of(*args: Any, **kwargs: Any) -> Refusal:
    result = sized(*args, **kwargs)
    assert isinstance(result, Refusal), result
    assert result.stage is Stage.SIZING
    return result


def test_a_ticket_is_a_share_of_equity_in_whole_shares_at_its_worst_case() -> None:
    """15 % of 100,000 at a limit half a percent above 100: 149 shares, 14,974.50, and a dollar's commission."""
    ticket = ticket_of()
    assert (ticket.quantity, ticket.limit_micros) == (149, micros(100.50))
    assert ticket.reserved_micros == 149 * micros(100.50) + micros(1)
    assert ticket.reference_micros == micros(100)
    assert ticket.takes_slot


def test_the_size_follows_equity_and_not_free_cash() -> None:
    """Incident 1: with free cash as the target the same signal bought and sold in turn."""
    rich = a_portfolio(cash=100_000)
    spent = a_portfolio(a_position("MSFT", 100, 400.0), cash=60_000)
    assert ticket_of(rich).quantity == ticket_of(spent).quantity


def test_an_addition_takes_no_new_slot_and_buys_only_what_is_missing() -> None:
    ticket = ticket_of(a_portfolio(a_position("AAPL", 100, 100.0), cash=90_000))
    assert (ticket.quantity, ticket.takes_slot) == (49, False)


# Every limit, alone in the way: by name, with the measured value and the limit.


@pytest.mark.parametrize(
    ("limit_s", "age_s", "refused"), [(120, 120, False), (120, 121, True), (5, 6, True), (300, 200, False)]
)
def test_a_stale_price_refuses(limit_s: int, age_s: int, refused: bool) -> None:
    now = NOON + timedelta(seconds=age_s)
    result = sized(now=now, stale_price_s=limit_s)
    if not refused:
        assert isinstance(result, Ticket)
        return
    assert isinstance(result, Refusal)
    assert (result.rule, result.measured, result.limit) == (Rule.STALE_PRICE, age_s, limit_s)


@pytest.mark.parametrize("jumped", [94.9, 105.1, 50.0])
def test_a_price_that_jumped_refuses_until_a_second_print(jumped: float) -> None:
    prices = some_prices(AAPL=100.0)
    prices.observe(bar_time(a_bar("AAPL", jumped, start=NOON)))
    refusal = refusal_of(prices=prices, now=NOON + MINUTE)
    assert (refusal.rule, refusal.limit) == (Rule.PRICE_COLLAR, 5.0)
    assert refusal.measured == pytest.approx(abs(jumped - 100))
    prices.observe(bar_time(a_bar("AAPL", jumped, start=NOON + MINUTE)))
    assert isinstance(sized(prices=prices, now=NOON + 2 * MINUTE), Ticket)


def test_no_price_refuses() -> None:
    assert refusal_of(prices=Prices()).rule is Rule.NO_PRICE


def test_the_days_loss_refuses() -> None:
    """3 % of 100,000: at a loss of 3,000 entries stop."""
    refusal = refusal_of(a_portfolio(cash=97_000))
    assert (refusal.rule, refusal.measured, refusal.limit) == (Rule.DAY_LOSS, 3000.0, 3000.0)
    assert isinstance(sized(a_portfolio(cash=97_001)), Ticket)


def test_the_number_of_positions_refuses_and_working_entries_count() -> None:
    portfolio = a_portfolio(a_position("MSFT"), locks=[a_lock("QQQ")])
    refusal = refusal_of(portfolio, open_positions=2)
    assert (refusal.rule, refusal.measured, refusal.limit) == (Rule.OPEN_POSITIONS, 2, 2)
    assert isinstance(sized(portfolio, open_positions=3), Ticket)


def test_an_addition_does_not_count_as_a_new_position() -> None:
    held = a_portfolio(a_position("AAPL", 10, 100.0))
    assert isinstance(sized(held, open_positions=1), Ticket)


@pytest.mark.parametrize(("openings", "refused"), [(199, False), (200, True)])
def test_the_openings_of_a_day_refuse(openings: int, refused: bool) -> None:
    portfolio = a_portfolio()
    portfolio = replace(portfolio, day=portfolio.day._replace(openings=openings))
    result = sized(portfolio)
    assert isinstance(result, Refusal) == refused
    if isinstance(result, Refusal):
        assert (result.rule, result.measured, result.limit) == (Rule.OPENINGS_PER_DAY, 200, 200)


@pytest.mark.parametrize(("entries", "refused"), [(59, False), (60, True)])
def test_the_entries_of_a_minute_refuse(entries: int, refused: bool) -> None:
    result = sized(replace(a_portfolio(), entries_last_minute=entries))
    assert isinstance(result, Refusal) == refused
    if isinstance(result, Refusal):
        assert (result.rule, result.measured, result.limit) == (Rule.ORDER_RATE, 60, 60)


def test_the_notional_of_one_order_cuts_it_down_and_then_refuses() -> None:
    assert ticket_of(costs=FREE, order_notional_micros=micros(2010)).quantity == 20
    refusal = refusal_of(order_notional_micros=micros(400))
    assert (refusal.rule, refusal.measured, refusal.limit) == (Rule.ORDER_NOTIONAL, 0.0, 400.0)


def test_gross_exposure_cuts_down_and_then_refuses() -> None:
    held = a_position("MSFT", 90, 100.0)
    assert ticket_of(a_portfolio(held, cash=91_000), costs=FREE, gross_ppm=100_000).quantity == 9
    refusal = refusal_of(a_portfolio(a_position("MSFT", 98, 100.0), cash=90_200), gross_ppm=100_000)
    assert (refusal.rule, refusal.measured, refusal.limit) == (Rule.GROSS_EXPOSURE, 9800.0, 10_000.0)


def test_a_working_entry_counts_as_gross_exposure() -> None:
    refusal = refusal_of(a_portfolio(locks=[a_lock("MSFT", 9800.0)]), gross_ppm=100_000)
    assert (refusal.rule, refusal.measured) == (Rule.GROSS_EXPOSURE, 9800.0)


def test_a_family_has_its_own_exposure_limit() -> None:
    portfolio = a_portfolio(a_position("QQQ", 98, 100.0), cash=90_200)
    refusal = refusal_of(portfolio, symbol="TQQQ", family_ppm=100_000)
    assert (refusal.rule, refusal.measured, refusal.limit) == (Rule.FAMILY_EXPOSURE, 9800.0, 10_000.0)
    assert isinstance(sized(portfolio, symbol="AAPL", family_ppm=100_000 + 50_000), Ticket)


def test_the_notional_of_a_day_refuses() -> None:
    portfolio = a_portfolio()
    portfolio = replace(portfolio, day=Day(portfolio.day.day, NOON, micros(100_000), notional_micros=micros(99_800)))
    refusal = refusal_of(portfolio, daily_notional_ppm=1_000_000)
    assert (refusal.rule, refusal.measured, refusal.limit) == (Rule.DAILY_NOTIONAL, 99_800.0, 100_000.0)


def test_the_cash_reserve_is_never_spent() -> None:
    portfolio = a_portfolio(a_position("MSFT", 970, 100.0), cash=3000)
    ticket = ticket_of(portfolio, costs=FREE)
    assert ticket.reserved_micros <= micros(1000)
    refusal = refusal_of(a_portfolio(a_position("MSFT", 976, 100.0), cash=2400))
    assert (refusal.rule, refusal.measured, refusal.limit) == (Rule.CASH_RESERVE, 2400.0, 2000.0)


def test_cash_that_is_reserved_is_spent() -> None:
    """Incident 2: the same cash bought fifty-two times."""
    portfolio = a_portfolio(locks=[a_lock("MSFT", 97_600.0)], opening_equity=100_000.0)
    refusal = refusal_of(portfolio, gross_ppm=2_000_000)
    assert (refusal.rule, refusal.measured) == (Rule.CASH_RESERVE, 2400.0)


def test_less_than_the_smallest_order_is_refused() -> None:
    refusal = refusal_of(a_portfolio(cash=3000.0, opening_equity=3000.0))
    assert (refusal.rule, refusal.measured, refusal.limit) == (Rule.MINIMUM_NOTIONAL, 400.0, 500.0)


def test_a_share_that_costs_more_than_the_room_is_refused() -> None:
    refusal = refusal_of(prices=some_prices(AAPL=20_000.0), minimum_notional_micros=0)
    assert (refusal.rule, refusal.limit) == (Rule.POSITION_SIZE, 15_000.0)
    assert refusal.measured is not None
    assert 20_000 < refusal.measured < 20_200
    assert refusal.detail == "USD for one of its shares"


def test_no_cash_at_all_is_refused_and_never_negative() -> None:
    refusal = refusal_of(a_portfolio(cash=0.0, equity=100_000.0))
    assert (refusal.rule, refusal.measured) == (Rule.CASH_RESERVE, 0.0)
    refusal = refusal_of(a_portfolio(cash=-500.0, equity=100_000.0))
    assert (refusal.rule, refusal.measured) == (Rule.CASH_RESERVE, -500.0)


MONEY = st.integers(0, 10**12)


@given(st.integers(100, 10**10), MONEY, MONEY, MONEY, st.integers(0, 10**6))
def test_a_ticket_never_exceeds_any_room(price: int, cash: int, reserved: int, held: int, per_share: int) -> None:
    """Whatever the price and the books: the worst case fits into the cash that is left, and into the share."""
    limits, costs = Limits(minimum_notional_micros=0), Costs(per_share_micros=per_share)
    prices = Prices()
    prices.observe(bar_time(Bar("AAPL", NOON - MINUTE, price, price, price, price, 0)))
    portfolio = replace(
        a_portfolio(locks=[a_lock("MSFT")._replace(reserved_micros=reserved)]),
        cash_micros=cash,
        equity_micros=cash + held,
        gross_micros=held + reserved,
        day=Day(NOON.date(), NOON, cash + held),
    )
    result = size(Admitted(intent_for()), portfolio, prices, limits, costs, NOON)
    if isinstance(result, Refusal):
        return
    equity = cash + held
    assert result.quantity > 0
    assert result.reserved_micros == result.quantity * result.limit_micros + costs.commission_micros(
        "AAPL", result.quantity, result.limit_micros
    )
    assert result.reserved_micros <= cash - reserved - equity * limits.cash_reserve_ppm // 1_000_000
    assert result.reserved_micros <= equity * limits.position_ppm // 1_000_000
    assert result.reserved_micros + held + reserved <= equity * limits.gross_ppm // 1_000_000
    assert price <= result.limit_micros <= price + price * limits.limit_offset_ppm // 1_000_000 + 10_000


FULL = {"openings_per_day": 10, "orders_per_minute": 20, "open_positions": 5}


@pytest.mark.parametrize(
    ("already", "limits", "left"),
    [
        ({}, {}, 5),
        ({"openings": 8}, {}, 2),
        ({"entries_last_minute": 19}, {}, 1),
        ({"slots": 1}, {}, 4),
        ({"day_trades": 1}, {"max_day_trades_5d": 3}, 2),
        ({"day_trades": 1}, {"max_day_trades_5d": 9}, 5),
        ({"openings": 8, "day_trades": 3}, {"max_day_trades_5d": 4}, 1),
    ],
)
def test_an_order_says_how_many_entries_the_tightest_count_still_lets_in(
    already: dict[str, int], limits: dict[str, int], left: int
) -> None:
    counted = {name: count for name, count in already.items() if name != "openings"}
    portfolio = replace(a_portfolio(), **counted)  # type: ignore[arg-type]
    portfolio.day = portfolio.day._replace(openings=already.get("openings", 0))
    assert entries_left(portfolio, Limits(**{**FULL, **limits}), opens=True) == left


def test_an_addition_is_counted_as_an_order_and_not_as_a_position() -> None:
    portfolio = replace(a_portfolio(), slots=5, day_trades=9)
    assert entries_left(portfolio, Limits(**FULL, max_day_trades_5d=3), opens=False) == 10


# Re-sizing: the same signal asked twice changes nothing.


@pytest.mark.parametrize(
    ("held", "expected"),
    [(150, Unchanged("AAPL")), (113, Unchanged("AAPL")), (112, None), (187, Unchanged("AAPL")), (188, ExitTicket)],
)
def test_a_position_near_its_target_is_left_alone(held: int, expected: object) -> None:
    portfolio = a_portfolio(a_position("AAPL", held, 100.0), cash=100_000 - held * 100)
    result = resize(intent_for(), portfolio, some_prices(AAPL=100.0), Limits())
    assert result == expected or (expected is ExitTicket and isinstance(result, ExitTicket))


def test_too_much_is_reduced_to_the_target() -> None:
    portfolio = a_portfolio(a_position("AAPL", 200, 100.0), cash=80_000)
    result = resize(intent_for(), portfolio, some_prices(AAPL=100.0), Limits())
    assert isinstance(result, ExitTicket)
    assert (result.quantity, result.reason) == (50, ExitReason.RESIZE)


def test_an_excess_of_less_than_a_share_is_reduced_by_a_share() -> None:
    """An order for no share at all would be refused by the database, and the whole step with it."""
    portfolio = a_portfolio(a_position("AAPL", 2, 10_000.0), cash=80_000)
    result = resize(intent_for(), portfolio, some_prices(AAPL=10_000.0), Limits())
    assert isinstance(result, ExitTicket)
    assert result.quantity == 1


def test_what_is_held_without_a_price_is_not_reduced() -> None:
    assert resize(intent_for(), a_portfolio(a_position("AAPL", 200, 100.0)), Prices(), Limits()) is None


@given(st.integers(10**6, 10**9), st.integers(10**10, 10**13))
def test_what_was_just_bought_is_not_resized(price: int, equity: int) -> None:
    limits, prices = Limits(), Prices()
    prices.observe(bar_time(Bar("AAPL", NOON - MINUTE, price, price, price, price, 0)))
    portfolio = replace(a_portfolio(), cash_micros=equity, equity_micros=equity, day=Day(NOON.date(), NOON, equity))
    ticket = size(Admitted(intent_for()), portfolio, prices, limits, FREE, NOON)
    if isinstance(ticket, Refusal) or ticket.quantity < 4:  # of very few shares one is more than the threshold
        return
    held = a_position("AAPL", ticket.quantity, 1.0)._replace(cost_micros=ticket.quantity * price)
    after = replace(portfolio, positions={"AAPL": held}, cash_micros=equity - held.cost_micros)
    if ticket.quantity * price < equity * limits.position_ppm // 1_000_000 * 3 // 4:
        return  # another limit had cut it down
    assert resize(intent_for(), after, prices, limits) == Unchanged("AAPL")


CALL = "QQQ261218C00500000"


def test_contracts_are_sized_by_a_hundred_times_their_premium() -> None:
    """2,000 buys four at 4.20, the limit: 1,680 and 2.60 of commission; a fifth would be 2,103.25."""
    prices = some_prices(**{CALL: 4.0})
    rules = Rules(limits=Limits(minimum_notional_micros=0))
    result = size(Admitted(intent_for(CALL)), a_portfolio(), prices, rules.limits_of(CALL), Costs(), NOON)
    assert isinstance(result, Ticket)
    assert (result.quantity, result.limit_micros) == (4, micros("4.2"))
    assert result.reserved_micros == micros(4 * 420 + 2.60)


def test_contracts_are_reduced_to_the_target_and_not_to_a_hundredth_of_it() -> None:
    held = a_position(CALL, 10, 4.0)
    prices = some_prices(**{CALL: 4.0})
    portfolio = a_portfolio(held, cash=96_000, equity=100_000)
    reduction = resize(intent_for(CALL), portfolio, prices, Rules().limits_of(CALL))
    assert isinstance(reduction, ExitTicket)
    assert (reduction.symbol, reduction.quantity) == (CALL, 5)


@given(premium=st.integers(2, 2_000), room=st.integers(0, 10**6), per_contract=st.integers(0, 5_000_000))
def test_the_worst_case_of_contracts_fits_into_the_room_and_one_more_does_not(
    premium: int, room: int, per_contract: int
) -> None:
    price = premium * 50_000
    costs = Costs(per_contract_micros=per_contract)
    limits = Rules(limits=Limits(minimum_notional_micros=0, order_notional_micros=room * 1_000_000)).limits_of(CALL)
    wide = replace(limits, position_ppm=10**9, gross_ppm=10**9, family_ppm=10**9, cash_reserve_ppm=0)
    portfolio = a_portfolio(cash=10**9)
    result = size(Admitted(intent_for(CALL)), portfolio, some_prices(**{CALL: price / 1e6}), wide, costs, NOON)

    def worst(contracts: int, limit: int) -> int:
        return contracts * 100 * limit + max(contracts * per_contract, costs.minimum_micros)

    if isinstance(result, Ticket):
        assert result.reserved_micros == worst(result.quantity, result.limit_micros) <= room * 1_000_000
        assert worst(result.quantity + 1, result.limit_micros) > room * 1_000_000
    else:
        assert worst(1, price) > room * 1_000_000 or worst(1, price * 105 // 100 + 100_000) > room * 1_000_000


def test_an_addition_of_contracts_buys_only_what_is_missing() -> None:
    """Two of 400 each are held; 1,200 are missing, which buys two more at 4.20, the limit."""
    prices, limits = some_prices(**{CALL: 4.0}), Rules(limits=Limits(minimum_notional_micros=0)).limits_of(CALL)
    portfolio = a_portfolio(a_position(CALL, 2, 400.0), cash=99_200)
    result = size(Admitted(intent_for(CALL)), portfolio, prices, limits, Costs(), NOON)
    assert isinstance(result, Ticket)
    assert (result.quantity, result.takes_slot) == (2, False)
