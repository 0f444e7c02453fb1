"""Options: a contract is 100 shares in every sum, it goes before it expires, and nothing sells its underlying."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from builders import (
    HALF_DAY,
    MONDAY,
    Market,
    a_fill,
    a_machine,
    assert_sound,
    inbox_file,
    new_york,
    no_cash,
)

from trader.adapters.paper.broker import Treatment
from trader.app.marketplace import EmbeddedMarketplace
from trader.app.standing import valued_positions
from trader.domain.decision import Outcome, Purpose, Rule, Side
from trader.domain.events import CommandName
from trader.domain.money import micros
from trader.domain.order import Order
from trader.domain.symbol import read_symbol

CALL = "QQQ250718C00500000"
"""Four weeks from the day of the tests."""
FRIDAY_CALL = "QQQ250627C00500000"
HOLIDAY_PUT = "SPY250704P00600000"
"""Expires on the Fourth of July: the half day before it is its last."""
MONDAYS_CALL = "QQQ250623C00500000"

BROKER = {"protection": "broker"}


@asynccontextmanager
async def a_day(
    folder: Path, symbol: str = CALL, premium: float = 4.0, *, day: date = MONDAY, clock: str = "", **settings: Any
) -> AsyncIterator[Market]:
    """A machine that has seen two bars of an option."""
    async with a_machine(folder, day=day, clock=clock, **settings) as market:
        market.prices[symbol] = premium
        await market.bar()
        yield market


async def entered(market: Market, symbol: str = CALL) -> int:
    """Contracts that a signal from outside has bought."""
    decision = await market.submit(symbol, 0.9)
    assert decision.outcome is Outcome.ORDERED, decision.refusal
    await market.bar()
    return market.held()[read_symbol(symbol)]


def exits(market: Market) -> list[tuple[str, int, str, str]]:
    """Symbol, quantity, purpose and reason of every sale that the daemon has asked for."""
    return [
        (str(symbol), int(quantity), str(purpose), str(reason))
        for symbol, quantity, purpose, reason in market.sql(
            "SELECT symbol, quantity, purpose, reason FROM orders WHERE side = 'SELL' AND purpose <> 'protection' "
            "ORDER BY order_ref"
        )
    ]


# a whole day


async def test_a_day_with_an_option(tmp_path: Path) -> None:
    """Bought by a signal of somebody outside at 4.00, sold at its target of twice that, beside shares of QQQ."""
    async with a_day(tmp_path) as market:
        await market.bar({"QQQ": 0.8})
        await market.bar()
        shares = market.held()["QQQ"]

        assert await entered(market, "QQQ   250718C00500000") == 4  # 2 % of 100,000, at 4.20 a share and worst
        assert market.held() == {"QQQ": shares, CALL: 4}
        [(price, commission, multiplier)] = market.sql(
            "SELECT price, commission, multiplier FROM trades WHERE symbol = ?", CALL
        )
        assert (price, commission, multiplier) == (4.1, 2.6, 100)  # a tick of slippage; 0.65 a contract
        [levels] = market.sql("SELECT avg_cost, stop_loss, take_profit FROM positions WHERE symbol = ?", CALL)
        assert levels == (4.1, 2.05, 8.2)
        cash, equity = market.sql("SELECT cash, equity FROM account")[0]
        assert equity == pytest.approx(cash + shares * 500.0 + 4 * 100 * 4.0, abs=1e-6)
        await assert_sound(market)

        await market.bar(closes={CALL: 5.9})
        await market.bar(closes={CALL: 8.3})
        await market.bar()
        assert exits(market) == [(CALL, 4, "exit", "take_profit")]
        assert market.held() == {"QQQ": shares}
        assert market.at_broker() == {"QQQ": shares}
        [trip] = market.sql("SELECT symbol, entry_price, exit_price, quantity, pnl, exit_reason FROM round_trips")
        assert trip == (CALL, 4.1, 8.2, 4, round(4 * 100 * 4.1 - 2 * 2.6, 2), "take_profit")
        await assert_sound(market)


# entries


async def test_a_strategy_opens_no_option(tmp_path: Path) -> None:
    async with a_day(tmp_path) as market:
        await market.bar({CALL: 0.95})
        await market.command(CommandName.HALT)
        assert market.rules() == [Rule.OPTION_BY_STRATEGY]
        assert market.working() == []


async def test_an_option_of_which_there_are_no_bars_is_not_known(tmp_path: Path) -> None:
    async with a_day(tmp_path) as market:
        decision = await market.submit(FRIDAY_CALL, 0.95)
        assert decision.refusal is not None
        assert decision.refusal.rule is Rule.UNKNOWN_SYMBOL


async def test_a_premium_too_small_for_a_stop_below_it_is_not_bought(tmp_path: Path) -> None:
    async with a_day(tmp_path, premium=0.09) as market:
        decision = await market.submit(CALL, 0.95)
        assert decision.refusal is not None
        assert (decision.refusal.rule, decision.refusal.measured) == (Rule.MINIMUM_PRICE, 0.09)


@pytest.mark.parametrize("premium", [25.0, 999_999.0])
async def test_a_contract_that_costs_more_than_a_position_may_be_is_refused_with_its_price(
    tmp_path: Path, premium: float
) -> None:
    async with a_day(tmp_path, premium=premium) as market:
        refusal = (await market.submit(CALL, 0.95)).refusal
        assert refusal is not None
        assert (refusal.rule, refusal.limit) == (Rule.POSITION_SIZE, 2000.0)
        assert refusal.measured == pytest.approx(premium * 1.05 * 100, rel=0.01)
        assert refusal.detail == "USD for one of its contracts"


async def test_the_smallest_premium_has_its_stop_below_it(tmp_path: Path) -> None:
    async with a_day(tmp_path, premium=0.10) as market:
        await entered(market)
        assert market.sql("SELECT avg_cost, stop_loss, take_profit FROM positions WHERE quantity > 0") == [
            (0.15, 0.05, 0.3)
        ]


async def test_what_an_option_reserves_is_its_worst_case_for_a_hundred_shares_each(tmp_path: Path) -> None:
    async with a_day(tmp_path) as market:
        await market.submit(CALL, 0.9)
        assert market.one("SELECT reserved_micros FROM book_accounts") == micros(4 * 100 * 4.2 + 4 * 0.65)
        [day] = [market.engine.book.day]
        assert day is not None
        assert day.notional_micros == micros(4 * 100 * 4.2)
        await market.restart()
        restored = market.engine.book.day
        assert restored is not None
        assert restored.notional_micros == micros(4 * 100 * 4.2)


async def test_the_premium_of_all_contracts_counts_in_gross_exposure(tmp_path: Path) -> None:
    """1,640 of a gross limit of 2 %, which is 2,000: for one contract more there is no room."""
    async with a_day(tmp_path, limits={"gross_pct": 2.0, "resize_pct": 0.0}) as market:
        assert await entered(market) == 4
        decision = await market.submit("AAPL", 0.9)
        assert decision.refusal is not None
        assert decision.refusal.rule is Rule.GROSS_EXPOSURE
        assert decision.refusal.measured == 1600.0
        await market.bar(closes={CALL: 4.8})  # a fifth more, at once: not so far that it needs a second print
        richer = await market.submit("AAPL", 0.9)
        assert richer.refusal is not None
        assert richer.refusal.measured == 1920.0


async def test_an_option_is_no_leg_of_its_underlyings_family(tmp_path: Path) -> None:
    """A call on QQQ is held while the family turns to SQQQ, and its premium does not count in the family."""
    async with a_day(tmp_path) as market:
        await entered(market)
        await market.bar({"QQQ": 0.05})
        await market.bar()
        assert market.held().keys() == {CALL, "SQQQ"}
        assert market.sql("SELECT symbol, family, direction FROM book_positions ORDER BY symbol") == [
            (CALL, CALL, 1),
            ("SQQQ", "QQQ", -1),
        ]
        market.check()


async def test_a_premium_that_halves_overnight_is_no_split(tmp_path: Path) -> None:
    async with a_day(tmp_path, clock="15:30") as market:
        market.clock.set(new_york("09:30", date(2025, 6, 24)))
        market.prices |= {CALL: 2.0, "AAPL": 100.0}
        await market.bar()
        assert list(market.engine.book.halts) == ["symbol:AAPL"]


# exits


async def test_the_stop_is_of_the_premium(tmp_path: Path) -> None:
    async with a_day(tmp_path) as market:
        await entered(market)
        await market.bar(closes={CALL: 2.1, "QQQ": 480.0})
        assert exits(market) == []
        await market.bar(closes={CALL: 1.95})
        await market.bar()
        assert exits(market) == [(CALL, 4, "exit", "stop")]
        assert market.held() == {}
        assert market.at_broker() == {}
        market.check()


async def test_the_time_stop_is_the_options_own(tmp_path: Path) -> None:
    async with a_day(tmp_path, options={"time_stop_min": 5}) as market:
        await entered(market)
        await market.bars(3)
        assert exits(market) == []
        await market.bar()
        assert exits(market) == [(CALL, 4, "exit", "time_stop")]


async def test_an_option_is_flat_at_the_close_unless_it_may_stay(tmp_path: Path) -> None:
    async with a_day(tmp_path, clock="15:30") as market:
        await entered(market)
        await market.bars_until("15:52")
        assert exits(market) == [(CALL, 4, "eod", "eod")]
        assert market.held() == {}


async def test_a_signal_from_outside_closes_it(tmp_path: Path) -> None:
    async with a_day(tmp_path) as market:
        await entered(market)
        decision = await market.submit(CALL, 0.5)
        assert decision.outcome is Outcome.CLOSING
        await market.bar()
        assert exits(market) == [(CALL, 4, "exit", "signal")]


# the end of its life


async def test_an_option_goes_when_few_days_are_left(tmp_path: Path) -> None:
    """Held overnight from Monday; with 3 days left it goes at Tuesday's open, and is not bought again."""
    settings: dict[str, Any] = {"exits": BROKER, "options": {"overnight": True, "days_to_expiry": 3}}
    async with a_day(tmp_path, FRIDAY_CALL, clock="15:30", **settings) as market:
        await entered(market, FRIDAY_CALL)
        await market.bars_until("16:00")
        market.broker.expire()
        await market.wait(60)
        assert market.held() == {FRIDAY_CALL: 4}
        assert "overnight, behind stops at the broker" in market.log.said("FLAT PROVEN")[0]
        market.clock.set(new_york("09:30", date(2025, 6, 24)))
        await market.bars(3)
        assert exits(market) == [(FRIDAY_CALL, 4, "exit", "expiry")]
        assert market.held() == {}
        decision = await market.submit(FRIDAY_CALL, 0.95)
        assert decision.refusal is not None
        assert decision.refusal[:5] == ("session", Rule.EXPIRES, FRIDAY_CALL, 3, 3)
        await assert_sound(market)


async def test_on_its_last_trading_day_it_goes_before_the_flatten_window(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"exits": BROKER, "options": {"overnight": True, "days_to_expiry": 0}}
    async with a_day(tmp_path, MONDAYS_CALL, clock="15:30", **settings) as market:
        await entered(market, MONDAYS_CALL)
        await market.bars_until("15:44")
        assert exits(market) == []
        await market.bars_until("15:47")
        assert exits(market) == [(MONDAYS_CALL, 4, "exit", "expiry")]
        assert market.held() == {}
        decision = await market.submit(MONDAYS_CALL, 0.95)
        assert decision.refusal is not None
        assert decision.refusal.rule is Rule.AFTER_CUTOFF


async def test_the_exchanges_calendar_decides_which_day_is_the_last(tmp_path: Path) -> None:
    """It expires on a holiday; the day before is a half day, on which entries stop at 12:45."""
    settings: dict[str, Any] = {"exits": BROKER, "options": {"overnight": True, "days_to_expiry": 0}}
    async with a_day(tmp_path, HOLIDAY_PUT, day=HALF_DAY, clock="12:30", **settings) as market:
        await entered(market, HOLIDAY_PUT)
        await market.bars_until("12:44")
        assert exits(market) == []
        await market.bars_until("12:47")
        assert exits(market) == [(HOLIDAY_PUT, 4, "exit", "expiry")]
        assert market.held() == {}


async def test_an_expired_one_goes_at_the_first_look(tmp_path: Path) -> None:
    """As after a night that the daemon was not running: no entry of it, and its exit at once."""
    settings: dict[str, Any] = {"exits": BROKER, "options": {"overnight": True, "days_to_expiry": 0}}
    async with a_day(tmp_path, MONDAYS_CALL, clock="15:30", **settings) as market:
        await entered(market, MONDAYS_CALL)
        market.clock.set(new_york("09:30", date(2025, 6, 24)))
        await market.bars(2)
        assert exits(market) == [(MONDAYS_CALL, 4, "exit", "expiry")]
        decision = await market.submit(MONDAYS_CALL, 0.95)
        assert decision.refusal is not None
        assert decision.refusal.rule is Rule.EXPIRES


# protection and the exit slot


async def test_an_option_that_is_held_overnight_keeps_its_pair_at_the_broker(tmp_path: Path) -> None:
    async with a_day(tmp_path, clock="15:30", exits=BROKER, options={"overnight": True}) as market:
        await entered(market)
        pair = market.sql("SELECT symbol, quantity, stop_price, limit_price FROM orders WHERE purpose = 'protection'")
        assert pair == [(CALL, 4, 2.0, None), (CALL, 4, None, 8.0)]
        await market.bars_until("16:00")
        market.broker.expire()
        await market.restart(keep_broker=True)
        market.clock.set(new_york("09:30", date(2025, 6, 24)))
        await market.bar(closes={CALL: 1.5})
        await market.bar()
        await market.bar()
        assert market.held() == {}
        assert market.sql("SELECT symbol, side, reason FROM trades ORDER BY id DESC LIMIT 1") == [
            (CALL, "SELL", "stop")
        ]
        await assert_sound(market)


async def test_an_exit_names_the_option_and_no_more_than_is_held(tmp_path: Path) -> None:
    """Of six contracts that were asked for, two were bought; beside shares of the underlying a flatten sells both."""

    def two_of_them(order: Order) -> Treatment:
        return Treatment(parts=(2,)) if order.symbol == CALL and order.side is Side.BUY else Treatment()

    async with a_day(tmp_path) as market:
        await market.bar({"QQQ": 0.8})
        await market.bar()
        shares = market.held()["QQQ"]
        market.script = two_of_them
        await entered(market)
        await market.command(CommandName.FLATTEN, "symbol", CALL)
        await market.bars(3)
        assert exits(market) == [(CALL, 2, "manual", "manual")]
        assert market.held() == {"QQQ": shares}
        assert market.at_broker() == {"QQQ": shares}


async def test_contracts_that_somebody_else_sold_open_no_short(tmp_path: Path) -> None:
    """The broker's fill of more contracts than are held moves no share of the underlying."""
    async with a_day(tmp_path) as market:
        await market.bar({"QQQ": 0.8})
        await market.bar()
        shares = market.held()["QQQ"]
        await entered(market)
        await market.report(a_fill(CALL, 6, 4.0, side=Side.SELL, order_ref="by-hand", at=market.now))
        assert market.held() == {"QQQ": shares}
        assert market.log.said("UNEXPECTED EXECUTION")
        market.check()


async def test_a_correction_of_an_option_gives_back_a_hundred_shares_each(tmp_path: Path) -> None:
    async with a_day(tmp_path) as market:
        await entered(market)
        [(id_, ref)] = market.sql("SELECT execution_id, order_ref FROM trades")
        before = market.one("SELECT cash FROM account")
        corrected = a_fill(CALL, 4, 4.0, commission=2.6, order_ref=ref, at=market.now)._replace(corrects=(id_,))
        await market.report(corrected)
        assert market.one("SELECT cash FROM account") == pytest.approx(before + 4 * 100 * 0.1, abs=1e-6)
        await assert_sound(market)


async def test_an_exit_of_an_option_needs_no_cash(tmp_path: Path) -> None:
    async with a_day(tmp_path) as market:
        await entered(market)
        await no_cash(market)
        await market.command(CommandName.HALT)
        await market.bar(closes={CALL: 1.0})
        await market.bars(2)
        assert market.held() == {}
        assert [purpose for _, _, purpose, _ in exits(market)] == [Purpose.EXIT]


async def test_an_option_is_adopted_at_its_premium(tmp_path: Path) -> None:
    async with a_day(tmp_path) as market:
        market.broker._positions[CALL] = 3
        await market.engine.ask_broker()
        await market.settle()
        await market.wait(31)
        await market.engine.ask_broker()
        await market.settle()
        before = market.one("SELECT equity FROM account")
        answer = await market.command(CommandName.ADOPT, "symbol", CALL, price_micros=micros(4.0))
        assert answer.startswith(f"adopted 3 {CALL}"), answer
        assert market.sql("SELECT quantity, avg_cost FROM positions WHERE symbol = ?", CALL) == [(3, 4.0)]
        assert market.one("SELECT equity FROM account") == pytest.approx(before + 3 * 100 * 4.0, abs=1e-6)
        await assert_sound(market)


async def test_a_premium_may_jump_further_than_a_price(tmp_path: Path) -> None:
    """By a fifth within a minute: shares would wait for a second print, and not be bought."""
    async with a_day(tmp_path) as market:
        await market.bar(closes={CALL: 4.8, "AAPL": 240.0})
        refused = await market.submit("AAPL", 0.9)
        assert refused.refusal is not None
        assert refused.refusal.rule is Rule.PRICE_COLLAR
        assert await entered(market) == 3
        await market.bar(closes={CALL: 11.0})
        doubled = await market.submit(CALL, 0.95)
        assert doubled.refusal is not None
        assert (doubled.refusal.rule, doubled.refusal.limit) == (Rule.PRICE_COLLAR, 50.0)


async def test_what_a_sale_of_contracts_brings_is_not_spent_on_its_day_by_a_cash_account(tmp_path: Path) -> None:
    async with a_day(tmp_path, account={"settled_cash_only": True}) as market:
        await entered(market)
        await market.submit(CALL, 0.5)
        await market.bar()
        assert market.held() == {}
        [day] = [market.engine.book.day]
        assert day is not None
        assert day.sold_micros == micros(4 * 100 * 3.9)
        await market.restart()
        again = market.engine.book.day
        assert again is not None
        assert again.sold_micros == micros(4 * 100 * 3.9)


async def test_what_a_part_of_an_entry_leaves_reserved_is_the_rest_at_its_limit(tmp_path: Path) -> None:
    async with a_day(tmp_path, signals={"entry_timeout_s": 600}) as market:
        market.script = lambda _: Treatment(parts=(1, 0, 3))
        await entered(market)
        reserved = market.one("SELECT reserved_micros FROM book_accounts")
        assert micros(3 * 100 * 4.2) <= reserved <= micros(3 * 100 * 4.2 + 4 * 0.65)
        market.check()


async def test_what_is_held_is_valued_a_hundred_times_for_whoever_reads(tmp_path: Path) -> None:
    async with a_day(tmp_path) as market:
        await entered(market)
        await market.bar(closes={CALL: 5.1})
        await market.wait(61)
        await market.bar()
        rows = valued_positions(market.reader, "paper").fetchall()
        assert [(row["symbol"], row["unrealized_pnl"]) for row in rows] == [(CALL, 400.0)]
        [(cash, equity, unrealized)] = market.sql("SELECT cash, equity, unrealized_pnl FROM account")
        assert (equity - cash, unrealized) == (pytest.approx(2_040.0), 400.0)


async def test_a_sale_that_was_busted_gives_its_contracts_back(tmp_path: Path) -> None:
    async with a_day(tmp_path) as market:
        await entered(market)
        before = market.one("SELECT cash FROM account")
        await market.submit(CALL, 0.5)
        await market.bar()
        [(id_, ref)] = market.sql("SELECT execution_id, order_ref FROM trades WHERE side = 'SELL'")
        bust = a_fill(CALL, 0, 0.0, commission=0.0, side=Side.SELL, order_ref=ref, at=market.now)
        await market.report(bust._replace(corrects=(id_,)))
        assert market.one("SELECT cash FROM account") == before
        assert market.sql(
            "SELECT quantity, avg_cost, stop_loss, take_profit FROM positions WHERE symbol = ?", CALL
        ) == [(4, 4.1, 2.05, 8.2)]
        await assert_sound(market)


async def test_the_embedded_market_goes_on_with_an_option_that_is_held_though_it_is_named_no_more(
    tmp_path: Path,
) -> None:
    async with a_day(tmp_path) as market:
        await entered(market)
        marketplace = EmbeddedMarketplace(market.parts)
        await marketplace.begin(market.book)
        assert CALL in marketplace.symbols


async def test_a_line_of_the_inbox_with_a_symbol_that_is_none_is_told_by_its_number(tmp_path: Path) -> None:
    lines = tmp_path / "signals.jsonl"
    lines.touch()
    async with a_day(tmp_path) as market:
        follower = inbox_file(market, lines)
        right, wrong = "QQQ   250718C00500000", "QQQ251318C00500000"
        lines.write_text("".join(f'{{"symbol": "{symbol}", "probability": 0.95}}\n' for symbol in (right, wrong)))
        await market.handle(*follower.read())
        assert market.working() == [("BUY", CALL)]
        [line] = market.log.said("INBOX LINE 2 REFUSED: 'QQQ251318C00500000'")
        assert "a day that there is not" in line
