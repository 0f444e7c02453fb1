"""Every breaker: trips on its cause at its limit and not below, outlives a restart, keeps no exit, and is cleared by a
person alone.

Each case brings one account to just below the limit of one breaker, and then to it. The other breakers watch, too: none
of them may trip.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from builders import (
    MINUTE,
    MONDAY,
    OFTEN,
    Market,
    a_bar,
    a_fill,
    a_machine,
    an_unwritable_book,
    assert_sound,
    bar_time,
    new_york,
)

from trader.adapters.paper.broker import Treatment
from trader.domain.alarm import AlarmType
from trader.domain.breaker import KINDS, Breaker, BreakerScope
from trader.domain.cash import CashKind
from trader.domain.decision import Decision, Outcome, Rule, Side, Stage
from trader.domain.events import (
    BreakerMeasured,
    Command,
    CommandName,
    Event,
    Evidence,
    EvidenceGiven,
    JournalType,
    Tick,
)
from trader.domain.money import micros
from trader.pipeline.decide import Chain
from trader.services.step import Step
from trader.services.trading import Trading

WIDE = {"stop_pct": 29.0, "take_profit_pct": 900.0}
"""Exits that no test touches unless it is about them."""


class Case(NamedTuple):
    """One breaker: settings, and what brings it to just below its limit, and to it."""

    breaker: Breaker
    below: Callable[[Market], Awaitable[None]]
    to_it: Callable[[Market], Awaitable[None]]
    limit: float | None = None
    within_s: int | None = None
    limits: Mapping[str, object] = {}
    target: str = ""


async def nothing(_: Market) -> None:
    """The beginning of every case is below its limit."""


def measured(breaker: Breaker, value: float) -> Callable[[Market], Awaitable[None]]:
    """What the daemon measures beside the engine."""

    async def tell(market: Market) -> None:
        await market.handle(BreakerMeasured(breaker, value, "a test", {}))

    return tell


def falls(symbol: str, price: float) -> Callable[[Market], Awaitable[None]]:
    """Two prints at a price: the second one is believed."""

    async def fall(market: Market) -> None:
        await market.bar(closes={symbol: price})
        await market.bar()

    return fall


async def lose_once(market: Market) -> None:
    """A round trip that pays commission and nothing else."""
    await market.bar({"JD": 0.9})
    await market.bar({"JD": 0.1})
    await market.bar()


async def win_once(market: Market) -> None:
    before = market.prices["JD"]
    await market.bar({"JD": 0.9})
    await market.bar(closes={"JD": before * 1.02})
    await market.bar({"JD": 0.1})
    await market.bar()


def times(count: int, what: Callable[[Market], Awaitable[None]]) -> Callable[[Market], Awaitable[None]]:
    async def again(market: Market) -> None:
        for _ in range(count):
            await what(market)

    return again


async def a_loss_a_gain_and_two_losses(market: Market) -> None:
    await times(2, lose_once)(market)
    await win_once(market)
    await times(2, lose_once)(market)


async def be_rejected(market: Market) -> None:
    before, market.script = market.script, lambda _: Treatment(reject="no")
    await market.bar({"QQQ": 0.8})
    await market.bar()
    market.script = before


async def two_rejections_an_acceptance_and_two_more(market: Market) -> None:
    await times(2, be_rejected)(market)
    await lose_once(market)
    await times(2, be_rejected)(market)


async def enter_three(market: Market) -> None:
    await market.bar({"AAPL": 0.8, "MSFT": 0.8, "JD": 0.8})


async def enter_jd(market: Market) -> None:
    await market.bar({"JD": 0.8})


async def enter_one(market: Market) -> None:
    await market.bar({"QQQ": 0.8})


async def enter_and_be_filled(market: Market) -> None:
    await market.bars(2, {"QQQ": 0.8})


async def be_silent(market: Market, seconds: int) -> None:
    for _ in range(seconds // 5):
        await market.wait(5)


def silence(seconds: int) -> Callable[[Market], Awaitable[None]]:
    async def listen(market: Market) -> None:
        await be_silent(market, seconds)

    return listen


async def miss_shares(market: Market) -> None:
    """Somebody has sold what the book holds."""
    held = market.held()
    lacking = {**held, "AAPL": held["AAPL"] - 10}
    for _ in range(2):
        await market.handle(EvidenceGiven((), Evidence((), frozenset(), {}, lacking)))


async def miss_cash(market: Market) -> None:
    cash_micros = market.engine.book.cash_micros - micros(500)
    for _ in range(2):
        await market.handle(EvidenceGiven((), Evidence((), frozenset(), {}, market.held(), cash_micros)))


async def lose_an_order(market: Market) -> None:
    """Sent, and never answered: of unknown fate after ten seconds."""
    market.script = lambda _: Treatment(is_silent=True, delay_bars=1000, ignore_cancel=True)
    await market.bar({"QQQ": 0.8})
    await market.wait(11)


async def raise_in_the_chain(market: Market) -> None:
    with pytest.MonkeyPatch.context() as bug:

        def boom(*_: object) -> Decision:
            raise ZeroDivisionError

        bug.setattr(Chain, "decide", boom)
        await market.submit("QQQ", 0.8)


async def fail_a_chore(market: Market) -> None:
    market.engine.alarm(AlarmType.CHORE_FAILED, "backup", "no space")
    await market.settle()


def skewed(seconds: float, lasting_s: int) -> Callable[[Market], Awaitable[None]]:
    async def tick(market: Market) -> None:
        for _ in range(lasting_s // 10):
            market.clock.set(market.now + timedelta(seconds=10))
            await market.handle(Tick(timedelta(seconds=seconds)))

    return tick


async def write_nothing(market: Market, seconds: int) -> None:
    with pytest.MonkeyPatch.context() as broken, an_unwritable_book(broken):
        before = market.now
        while market.now < before + timedelta(seconds=seconds):
            await market.bar({"QQQ": 0.8})
    await market.bar()


def unwritable(seconds: int) -> Callable[[Market], Awaitable[None]]:
    async def wait(market: Market) -> None:
        await write_nothing(market, seconds)

    return wait


def overdue(minutes: int) -> Callable[[Market], Awaitable[None]]:
    """The look at one position fails for so long."""

    async def fail(market: Market) -> None:
        scanner = market.engine.trading.exits
        with pytest.MonkeyPatch.context() as bug:
            bug.setattr(scanner, "_look", lambda *_: 1 / 0)
            await market.bars(minutes)
        await market.bar()

    return fail


async def spaced(market: Market) -> None:
    """A position of JD, every ten minutes."""
    await market.bar({"JD": 0.9})
    await market.bar({"JD": 0.1})
    await market.bars(8)


CASES = [
    Case(Breaker.AUDIT, nothing, measured(Breaker.AUDIT, 1)),
    Case(
        Breaker.DAY_LOSS,
        falls("AAPL", 161.0),
        falls("AAPL", 159.0),
        limits={"day_loss_pct": 3.0, "collar_pct": 50.0},
    ),
    Case(Breaker.DRAWDOWN, falls("AAPL", 161.0), falls("AAPL", 159.0), limit=3.0, limits={"day_loss_pct": 50.0}),
    Case(Breaker.LOSSES_IN_A_ROW, a_loss_a_gain_and_two_losses, lose_once, limit=3),
    Case(Breaker.TRADES, times(2, lose_once), enter_and_be_filled, limit=6),
    Case(Breaker.COSTS, lose_once, times(2, lose_once), limit=0.008),
    Case(Breaker.ORDER_RATE, enter_jd, enter_one, limit=3, within_s=300),
    Case(Breaker.REJECTS_IN_A_ROW, two_rejections_an_acceptance_and_two_more, be_rejected, limit=3),
    Case(Breaker.REPEATED_EXECUTION, times(2, lose_once), lose_once, limit=5, within_s=3600, target="JD"),
    Case(Breaker.CREATIONS_PER_HOUR, times(1, lose_once), enter_three, limits={"creations_per_hour": 3}),
    Case(
        Breaker.REGULAR_CREATIONS,
        times(2, spaced),
        spaced,
        limits={"creations_per_hour": 100, "regular_creations": 2},
    ),
    Case(Breaker.STALE_DATA, silence(350), silence(80), limit=300),
    Case(Breaker.PRICE_JUMP, falls("MSFT", 440.0), falls("MSFT", 600.0), limit=20, target="MSFT"),
    Case(Breaker.RECONCILIATION, miss_shares, silence(320), limit=300, target="AAPL"),
    Case(Breaker.CASH_RECONCILIATION, miss_cash, silence(320), limit=300),
    Case(Breaker.UNKNOWN_ORDER, lose_an_order, silence(420), limit=300, target="QQQ"),
    Case(Breaker.EXCEPTIONS, raise_in_the_chain, fail_a_chore, limit=2),
    Case(Breaker.LOOP_LAG, measured(Breaker.LOOP_LAG, 9), measured(Breaker.LOOP_LAG, 10)),
    Case(Breaker.DISK_SPACE, measured(Breaker.DISK_SPACE, 101), measured(Breaker.DISK_SPACE, 100)),
    Case(Breaker.CLOCK_SKEW, skewed(2.5, 60), skewed(2.5, 60), limit=2.5, within_s=100),
    Case(Breaker.CLOCK_JUMP, measured(Breaker.CLOCK_JUMP, 59), measured(Breaker.CLOCK_JUMP, 60)),
    Case(Breaker.EXIT_SCANNER, overdue(2), overdue(6), limit=240),
    Case(Breaker.BOOK_WRITER, unwritable(120), unwritable(360), limit=240),
    Case(Breaker.ALARM_DELIVERY, measured(Breaker.ALARM_DELIVERY, 1799), measured(Breaker.ALARM_DELIVERY, 1800)),
]


TRIPPED_WHILE_BARRED = {Breaker.RECONCILIATION, Breaker.CASH_RECONCILIATION, Breaker.UNKNOWN_ORDER}
"""Their cause bars entries for as long as it lasts, and comes before."""


def settings_of(case: Case, **more: object) -> dict[str, object]:
    section = {"limit": case.limit, "within_s": case.within_s, **more}
    return {
        "breakers": {case.breaker.value: {name: value for name, value in section.items() if value is not None}},
        "limits": {"minimum_notional": 0, "collar_pct": 50.0, "open_positions": 8, **OFTEN, **case.limits},
        "exits": WIDE,
    }


def tripped(market: Market) -> set[tuple[str, str]]:
    return set(market.sql("SELECT breaker, target FROM latches WHERE state = 'tripped'"))


async def hold(market: Market, *symbols: str) -> None:
    await market.bars(2, dict.fromkeys(symbols, 0.8))


def test_every_breaker_has_a_case() -> None:
    assert [case.breaker for case in CASES] == list(Breaker)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.breaker.value)
async def test_it_trips_on_its_cause_at_its_limit_and_stays(tmp_path: Path, case: Case) -> None:
    async with a_machine(tmp_path, **settings_of(case)) as market:  # type: ignore[arg-type]
        await hold(market, "AAPL")
        await case.below(market)
        assert tripped(market) == set(), "below its limit"
        await case.to_it(market)
        latch = {(case.breaker.value, case.target)}
        assert tripped(market) == latch, "and no other one"
        assert len(market.log.said(f"BREAKER TRIPPED {case.breaker}")) == 1
        assert market.journaled(JournalType.BREAKER_TRIPPED) == 1
        assert ("breaker", "critical") in market.sql("SELECT type, severity FROM alarms")
        [(measured_, limit, formula, action)] = market.sql("SELECT measured, limit_value, formula, action FROM latches")
        assert KINDS[case.breaker].reached(measured_, limit)
        assert formula.endswith(f"{KINDS[case.breaker].trips_when} {limit:g}")
        assert action == "stop_entries"
        await assert_sound(market)

        await market.restart(keep_broker=True)
        assert tripped(market) == latch, "a restart clears nothing"
        await market.bar()
        assert set(market.engine.book.latches) == {":".join(filter(None, (case.breaker.value, case.target)))}

        market.script = lambda _: Treatment()
        await market.bar({"AAPL": 0.1, case.target or "QQQ": 0.8} if case.target != "AAPL" else {"AAPL": 0.1})
        await market.bar()
        assert "AAPL" not in market.held(), "exits go on"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.breaker.value)
async def test_it_refuses_entries_of_its_scope_until_a_person_clears_it(tmp_path: Path, case: Case) -> None:
    async with a_machine(tmp_path, **settings_of(case)) as market:  # type: ignore[arg-type]
        await hold(market, "AAPL")
        await case.below(market)
        await case.to_it(market)
        market.script = lambda _: Treatment()
        await market.bar()
        if case.breaker in TRIPPED_WHILE_BARRED:
            return  # the condition bars for itself while it lasts
        await market.bar({"AAPL": 0.1})
        await market.bar()
        taken = {*market.held(), *(symbol for _, symbol in market.working())}
        barred = case.target or next(symbol for symbol in ("MSFT", "QQQ", "JD") if symbol not in taken)
        refusal = (await market.submit(barred, 0.9)).refusal
        assert refusal is not None
        assert (refusal.stage, refusal.rule) == (Stage.SESSION, Rule.BREAKER)
        assert refusal.limit == market.one("SELECT limit_value FROM latches")
        assert refusal.measured == market.one("SELECT measured FROM latches")
        assert (await market.command(CommandName.RESUME)).startswith("refused"), "a halt is another thing"
        scope = KINDS[case.breaker].scope
        where = (scope.value, case.target) if case.target else ("all", "")
        assert (await market.command(CommandName.RESUME, *where, breaker=case.breaker)).startswith("cleared")
        await assert_sound(market)
        await market.bar()
        assert tripped(market) == set(), "what a person has seen is not counted again"
        await market.restart(keep_broker=True)
        await market.bar()
        assert tripped(market) == set()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.breaker.value)
async def test_one_that_is_off_measures_and_trips_never(tmp_path: Path, case: Case) -> None:
    async with a_machine(tmp_path, **settings_of(case, enabled=False)) as market:  # type: ignore[arg-type]
        await hold(market, "AAPL")
        await case.below(market)
        await case.to_it(market)
        assert tripped(market) == set()
        [standing] = [
            one
            for one in market.engine.trading.breakers.standing(market.engine.book, market.now)
            if one.breaker is case.breaker
        ]
        assert standing.state == "off"
        assert standing.measured is not None


@pytest.mark.parametrize("breaker", [Breaker.DRAWDOWN, Breaker.PRICE_JUMP])
async def test_one_that_flattens_closes_what_its_scope_holds_and_keeps_it_so(tmp_path: Path, breaker: Breaker) -> None:
    [case] = [case for case in CASES if case.breaker is breaker]
    async with a_machine(tmp_path, **settings_of(case, action="flatten")) as market:  # type: ignore[arg-type]
        await hold(market, "AAPL", "MSFT")
        await case.below(market)
        await case.to_it(market)
        await market.bars(3)
        scope = KINDS[breaker].scope
        assert set(market.held()) == (set() if scope is BreakerScope.ACCOUNT else {"AAPL"})
        assert market.one("SELECT count(*) FROM trades WHERE reason = 'breaker'") >= 1
        await assert_sound(market)


async def test_a_latch_of_a_symbol_leaves_the_others_trading(tmp_path: Path) -> None:
    async with a_machine(tmp_path, breakers={"price_jump": {"limit": 20}}) as market:
        await falls("MSFT", 600.0)(market)
        assert tripped(market) == {("price_jump", "MSFT")}
        assert (await market.submit("AAPL", 0.8)).outcome is Outcome.ORDERED


async def test_one_bad_print_is_the_collars_business(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.bar(closes={"MSFT": 4000.0})
        await market.bar(closes={"MSFT": 400.0})
        await market.bars(3)
        assert tripped(market) == set()


async def at_once(market: Market, *closes: float) -> None:
    """As many bar times of MSFT in one step."""
    minutes = [market.now + number * MINUTE for number in range(len(closes))]
    market.prices["MSFT"] = closes[-1]
    market.clock.set(minutes[-1] + MINUTE)
    await market.handle(*(bar_time(a_bar("MSFT", close, start=at)) for at, close in zip(minutes, closes, strict=True)))


@pytest.mark.parametrize("closes", [(600.0, 600.0, 600.0), (400.0, 600.0, 600.0), (600.0, 400.0, 400.0, 600.0, 600.0)])
async def test_bar_times_of_one_step_are_judged_in_their_order(tmp_path: Path, closes: tuple[float, ...]) -> None:
    async with a_machine(tmp_path) as market:
        commits = market.engine.commits
        await at_once(market, *closes)
        assert market.engine.commits == commits + 1, "one step"
        assert tripped(market) == {("price_jump", "MSFT")}
        assert market.one("SELECT measured FROM latches") == 50


@pytest.mark.parametrize("closes", [(600.0, 400.0, 400.0), (400.0, 400.0, 600.0)])
async def test_one_bad_print_among_bar_times_of_one_step_is_the_collars_business(
    tmp_path: Path, closes: tuple[float, ...]
) -> None:
    async with a_machine(tmp_path) as market:
        await at_once(market, *closes)
        await at_once(market, 400.0, 400.0)
        assert tripped(market) == set()


async def test_a_jump_whose_step_is_thrown_away_trips_with_the_next_bar(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        with pytest.MonkeyPatch.context() as broken, an_unwritable_book(broken):
            await at_once(market, 600.0, 600.0)
        assert tripped(market) == set()
        await market.bar()
        assert tripped(market) == {("price_jump", "MSFT")}


async def test_money_that_is_taken_out_is_no_loss(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await hold(market, "AAPL")
        await market.command(CommandName.CASH, kind=CashKind.WITHDRAWAL, amount_micros=-micros(50_000))
        await market.bars(2)
        await market.restart()
        await market.bars(2)
        assert tripped(market) == set()


@pytest.mark.parametrize("restarts", ["none", "one", "one in the middle", "one each time"])
@pytest.mark.parametrize("breaker", [Breaker.DAY_LOSS, Breaker.COSTS, Breaker.DRAWDOWN])
async def test_a_restart_counts_on_from_where_a_person_has_cleared_it(
    tmp_path: Path, breaker: Breaker, restarts: str
) -> None:
    """Two thirds of the limit and more come on top, and as much again."""
    is_drawdown = breaker is Breaker.DRAWDOWN
    limits = {"day_loss_pct": 90.0 if is_drawdown else 1.5, "collar_pct": 50.0, "minimum_notional": 0, **OFTEN}
    drawdown = {"limit": 1.5 if is_drawdown else 90}
    breakers = {"costs": {"limit": 0.012}, "drawdown": drawdown, "price_jump": {"limit": 50}}
    async with a_machine(tmp_path, limits=limits, breakers=breakers, exits=WIDE) as market:
        await hold(market, "AAPL")
        price = market.prices["AAPL"]

        async def lose(times_: int) -> bool:
            nonlocal price
            if breaker is Breaker.COSTS:
                await times(times_, lose_once)(market)
            else:
                held = market.held()["AAPL"]
                price -= times_ * 500 / held
                await falls("AAPL", price)(market)
            return breaker in market.engine.book.latches

        assert await lose(4)
        assert (await market.command(CommandName.RESUME, breaker=breaker)).startswith("cleared")
        if restarts in ("one", "one each time"):
            await market.restart(keep_broker=True)
        assert not await lose(2), "of what was lost before, a person knows"
        if restarts in ("one in the middle", "one each time"):
            await market.restart(keep_broker=True)
        assert await lose(2), "and what came on top is not forgotten"


@pytest.mark.parametrize(
    ("breaker", "what", "target"),
    [
        (Breaker.TRADES, lose_once, ""),
        (Breaker.LOSSES_IN_A_ROW, lose_once, ""),
        (Breaker.REJECTS_IN_A_ROW, be_rejected, ""),
        (Breaker.ORDER_RATE, lose_once, ""),
        (Breaker.REPEATED_EXECUTION, lose_once, "JD"),
    ],
)
async def test_a_limit_that_was_lowered_between_two_runs_counts_before_anything_is_traded(
    tmp_path: Path, breaker: Breaker, what: Callable[[Market], Awaitable[None]], target: str
) -> None:
    within = {"within_s": 3600} if breaker in (Breaker.ORDER_RATE, Breaker.REPEATED_EXECUTION) else {}
    async with a_machine(tmp_path, limits=OFTEN, exits=WIDE, breakers={breaker.value: within}) as market:
        await times(2, what)(market)
        assert tripped(market) == set()
        market._settings = {**market._settings, "breakers": {breaker.value: {"limit": 2, **within}}}
        await market.restart(keep_broker=True)
        assert tripped(market) == {(breaker.value, target)}
        orders = market.journaled(JournalType.ORDER_CREATED)
        await market.bar({target or "AAPL": 0.9})
        assert market.journaled(JournalType.ORDER_CREATED) == orders
        of = {"scope": "symbol", "target": target} if target else {}
        cleared = await market.command(CommandName.RESUME, breaker=breaker, **of)
        assert cleared.startswith("cleared")
        await market.restart(keep_broker=True)
        assert tripped(market) == set(), "of what was counted before, a person knows"


TUESDAY = MONDAY + timedelta(days=1)


async def move_cash(market: Market, kind: CashKind, dollars: int) -> None:
    assert (await market.command(CommandName.CASH, kind=kind, amount_micros=micros(dollars))).startswith("booked")


async def test_money_that_is_taken_out_after_the_close_is_no_loss_the_next_morning(tmp_path: Path) -> None:
    async with a_machine(tmp_path, clock="15:55") as market:
        await market.bars_until("16:00")
        await market.jump(new_york("17:00"))
        await move_cash(market, CashKind.WITHDRAWAL, -30_000)
        await market.jump(new_york("09:30", TUESDAY))
        await market.bars(2)
        assert tripped(market) == set()


async def test_money_that_is_taken_out_in_the_step_that_begins_a_day_is_no_loss(tmp_path: Path) -> None:
    async with a_machine(tmp_path, clock="15:55") as market:
        await market.bars_until("16:00")
        market.clock.set(new_york("09:30", TUESDAY))
        await move_cash(market, CashKind.WITHDRAWAL, -30_000)
        await market.bars(2)
        assert tripped(market) == set()


async def test_money_whose_step_has_to_be_taken_up_again_has_moved_once(tmp_path: Path) -> None:
    async with a_machine(tmp_path, clock="15:55", breakers={"drawdown": {"limit": 5}}) as market:
        await market.bars_until("16:00")
        market.clock.set(new_york("09:30", TUESDAY))
        deposit = Command(CommandName.CASH, "operator", "a test", kind=CashKind.DEPOSIT, amount_micros=micros(30_000))
        with pytest.MonkeyPatch.context() as broken, an_unwritable_book(broken):
            await market.engine.inbox.put(deposit)
            await market.bar()
        await market.bars(2)
        assert market.one("SELECT cash FROM account") == 130_000
        assert tripped(market) == set()


async def test_a_deposit_after_the_close_hides_no_drawdown(tmp_path: Path) -> None:
    """A thirtieth is lost on Tuesday, of an equity that has never been as high."""
    limits = {"day_loss_pct": 50.0, "collar_pct": 50.0, "minimum_notional": 0, **OFTEN}
    breakers = {"drawdown": {"limit": 2.5}, "price_jump": {"limit": 50}}
    async with a_machine(tmp_path, clock="15:40", limits=limits, breakers=breakers, exits=WIDE) as market:
        await hold(market, "AAPL")
        await falls("AAPL", 180.0)(market)
        await market.bars_until("16:00")
        assert tripped(market) == set(), "below its limit"
        await market.jump(new_york("17:00"))
        await move_cash(market, CashKind.DEPOSIT, 30_000)
        await market.jump(new_york("09:45", TUESDAY))
        await market.bar()
        assert tripped(market) == set(), "still below its limit"
        await hold(market, "AAPL")
        await falls("AAPL", 160.0)(market)
        assert tripped(market) == {("drawdown", "")}


async def test_a_host_that_has_slept_has_heard_no_silence(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.wait(3600)
        await market.wait(5)
        assert tripped(market) == set()


async def test_the_close_of_the_day_is_no_rate(tmp_path: Path) -> None:
    async with a_machine(tmp_path, clock="15:40", breakers={"order_rate": {"limit": 5}}) as market:
        await hold(market, "AAPL", "MSFT", "JD", "QQQ")
        await market.bars_until("15:55")
        assert market.held() == {}
        assert tripped(market) == set()


async def test_an_unexpected_execution_counts_like_any_other(tmp_path: Path) -> None:
    """Whatever lets orders through: what is executed tells."""
    limits = {**OFTEN, "creations_per_hour": 1}
    async with a_machine(tmp_path, limits=limits) as market:
        for symbol in ("AAPL", "MSFT"):
            await market.report(a_fill(symbol, 10, 100.0, side=Side.BUY, order_ref=f"paper-1-{symbol}", at=market.now))
        await asyncio.sleep(0)
        assert ("creations_per_hour", "") in tripped(market) or market.engine.book.halts


async def test_a_step_that_is_thrown_away_counts_nothing(tmp_path: Path) -> None:
    """Its reports come again, and are counted then."""
    async with a_machine(tmp_path, breakers={"repeated_execution": {"limit": 3}}) as market:
        with ExitStack() as stack:
            broken = stack.enter_context(pytest.MonkeyPatch.context())
            await market.bar({"AAPL": 0.8})
            stack.enter_context(an_unwritable_book(broken))
            for _ in range(5):
                await market.bar()
        await market.bar()
        assert market.held().keys() == {"AAPL"}
        assert tripped(market) == set()


async def test_while_the_book_cannot_be_written_of_many_readings_the_worst_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        await market.bar()
        decided: list[int] = []
        decide = Trading.decide

        def counted(self: Trading, step: Step, events: Sequence[Event]) -> None:
            decided.append(len(events))
            decide(self, step, events)

        monkeypatch.setattr(Trading, "decide", counted)
        with an_unwritable_book(monkeypatch):
            for jump_s in (70.0, 90.0, 0.0) * 20:
                readings = [BreakerMeasured(Breaker.CLOCK_JUMP, jump_s, f"{jump_s} s", {}) for _ in range(2)]
                await market.handle(*readings, BreakerMeasured(Breaker.LOOP_LAG, 0, "none", {}))
        assert max(decided) <= 6
        await market.handle(Tick())
        assert market.engine.book.latches["clock_jump"].measured == 90.0
