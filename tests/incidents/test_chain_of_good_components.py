"""Incident 1: a chain of good components that failed together, against the whole engine.

Seen then: 59 conflicts in 20 blocks of trading, 11 days held overnight, 294 trades a block. Each protection is shown
twice here: that it holds, and that without it the same day goes wrong.
"""

import random
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from builders import (
    AUTUMN,
    CHURN,
    HALF_DAY,
    MINUTE,
    MONDAY,
    OFTEN,
    SPRING,
    Market,
    a_fill,
    a_machine,
    new_york,
    no_cash,
    off,
    session_of,
)

from trader.adapters.paper.broker import Script, Treatment
from trader.domain.decision import Allocation, ExitTicket, Intent, Outcome, Rule, Side
from trader.domain.events import CommandName, JournalType
from trader.domain.family import Families
from trader.domain.ledger import Position
from trader.domain.market import BarTime
from trader.domain.order import Order, PendingLock
from trader.domain.portfolio import Portfolio
from trader.domain.rules import Limits, Thresholds
from trader.domain.session import Phase
from trader.pipeline import session_window, size
from trader.pipeline.coordinate import Coordination
from trader.pipeline.exits import pursue
from trader.services import execution
from trader.services.engine import Engine

TUESDAY = MONDAY + timedelta(days=1)
DAYS = [MONDAY, HALF_DAY, SPRING, AUTUMN]
LONG = {"QQQ": 0.8, "AAPL": 0.8, "MSFT": 0.8}


def only(side: Side, treatment: Treatment) -> Script:
    """Orders of one side are treated so; the other has a good day."""
    return lambda order: treatment if order.side is side else Treatment()


# -- no conflict, at any instant ------------------------------------------------------------------------------------

BOTH_SIDES = """
    SELECT family, group_concat(symbol) FROM (
        SELECT account, family, direction, symbol FROM book_positions WHERE quantity > 0
        UNION ALL SELECT account, family, direction, symbol FROM book_locks WHERE released_us IS NULL)
    GROUP BY account, family HAVING count(DISTINCT direction) > 1"""


class Watcher:
    """Looks at the file after every step of the engine, not only at the end of the run."""

    def __init__(self, market: Market) -> None:
        self.looks = 0
        self.conflicts: list[Any] = []
        self._market = market
        market.after_each_step.append(self._look)

    def _look(self) -> None:
        self.looks += 1
        self.conflicts += self._market.sql(BOTH_SIDES)


async def wild_bar(market: Market, chance: random.Random, *, at_open: bool = False) -> None:
    """A minute in which the strategy is sure of anything, and prices jump."""
    closes = {symbol: price * (1 + chance.uniform(-0.02, 0.02)) for symbol, price in market.prices.items()}
    words = {symbol: chance.choice([0.0, 0.0, 1.0, 1.0, 0.3, 0.8]) for symbol in ("QQQ", "AAPL")}
    await market.bar(words, closes, at_open=at_open)


def moody(chance: random.Random) -> Script:
    """A broker that delays, fills in parts, refuses, loses its word and repeats itself."""
    good, bad = Treatment(), [
        Treatment(delay_bars=2),
        Treatment(parts=(3, 5, 10_000)),
        Treatment(parts=(1, 0, 10_000)),
        Treatment(reject="not today"),
        Treatment(lose_acknowledgement=True),
        Treatment(repeat_reports=3),
    ]  # fmt: skip
    return lambda _: chance.choice(bad) if chance.random() < 0.3 else good


@pytest.mark.parametrize(("threaded", "at_open", "seed"), [(False, False, 1), (True, False, 2), (False, True, 3)])
async def test_no_conflict_at_any_instant_of_a_wild_day(
    tmp_path: Path, threaded: bool, at_open: bool, seed: int
) -> None:
    chance = random.Random(seed)
    async with a_machine(
        tmp_path, threaded=threaded, script=moody(chance), limits={**OFTEN, "day_loss_pct": 100}
    ) as market:
        watcher = Watcher(market)
        while market.now < session_of().closes_at:
            await wild_bar(market, chance, at_open=at_open)
            if market.now.minute % 15 == 0:
                market.check()
        assert watcher.conflicts == []
        assert watcher.looks >= 389
        market.check()
        assert market.held() == {}
        bought = {symbol for side, symbol, _ in market.trades() if side == "BUY"}
        assert {"TQQQ", "SQQQ"} <= bought


def heedless(allocation: Allocation, families: Families, portfolio: Portfolio, now: datetime) -> Coordination:
    """The coordinator taken out: what is wanted is bought, whatever else is held or working."""
    wanted = allocation.symbol
    if wanted is None or wanted in portfolio.locks:
        return Coordination()
    direction = families.instrument(wanted).direction
    return Coordination(intent=Intent(allocation.signal, allocation.family, wanted, direction))


async def turn(market: Market) -> None:
    """Hold QQQ, then be sure of the opposite."""
    await market.bar({"QQQ": 0.8})
    await market.bar()
    assert market.held() == {"QQQ": 29}
    await market.bar({"QQQ": 0.0})
    await market.bar()


async def test_without_the_coordinator_the_database_refuses_the_other_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trader.pipeline.decide.coordinate", heedless)
    async with a_machine(tmp_path) as market:
        await turn(market)
        assert market.held() == {"QQQ": 29}
        await market.bar()  # the refused signal's row rides with this commit
        await market.bars_until("15:45")
        assert market.rules() == [Rule.FAMILY_LOCKED]
        assert market.log.said("ENTRY REFUSED BY THE DATABASE: SQQQ family_locked")
        market.check()


async def test_without_the_coordinator_and_the_database_rule_the_conflict_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the wild day would have seen one."""
    monkeypatch.setattr("trader.pipeline.decide.coordinate", heedless)
    async with a_machine(tmp_path) as market:
        await market.without("family_opposite_side_refused")
        watcher = Watcher(market)
        await turn(market)
        assert set(market.held()) == {"QQQ", "SQQQ"}
        assert watcher.conflicts


@pytest.mark.parametrize("treatment", [Treatment(delay_bars=4), Treatment(parts=(10, 0, 5, 0, 14))])
async def test_the_other_side_opens_only_when_the_first_is_flat(tmp_path: Path, treatment: Treatment) -> None:
    """However long the close takes, and also while a part of it is still held."""
    async with a_machine(tmp_path, script=only(Side.SELL, treatment)) as market:
        await market.bar({"QQQ": 0.8})
        await market.bar()
        for _ in range(6):
            assert "QQQ" in market.held()
            assert not [order for order in market.working() if order[0] == "BUY"]
            await market.bar({"QQQ": 0.0})
        assert market.held() == {}
        assert market.working() == [("BUY", "SQQQ")]
        await market.bar()
        assert set(market.held()) == {"SQQQ"}
        sold = market.one("SELECT max(id) FROM trades WHERE symbol = 'QQQ'")
        assert sold < market.one("SELECT min(id) FROM trades WHERE symbol = 'SQQQ'")


async def test_a_turn_is_decided_again_when_the_close_has_filled(tmp_path: Path) -> None:
    """Nothing is deferred: the newest signal is decided anew, in the step that learns that the family is flat."""
    async with a_machine(tmp_path) as market:
        await market.bar({"QQQ": 0.8})
        await market.bar()
        assert (await market.submit("QQQ", 0.0)).outcome is Outcome.CLOSING
        await market.bar()
        assert market.held() == {}
        assert market.working() == [("BUY", "SQQQ")]


async def test_a_turn_is_not_decided_again_on_a_signal_that_has_expired(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=only(Side.SELL, Treatment(delay_bars=3))) as market:
        await market.bar({"QQQ": 0.8})
        await market.bar()
        await market.submit("QQQ", 0.0)
        await market.bars(6)
        assert market.held() == {}
        assert market.working() == []


async def a_conflict(market: Market) -> None:
    """QQQ held, and PSQ bought behind our back: an execution of an order that is not ours."""
    await market.bar({"QQQ": 0.8})
    await market.bar()
    market.broker._positions["PSQ"] = 100
    await market.report(a_fill("PSQ", 100, 40.0, order_ref="by-hand", at=market.now))


async def test_a_conflict_found_at_start_is_repaired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as blind:
        blind.setattr("trader.services.deciding.conflicting", lambda *_: False)
        async with a_machine(tmp_path) as market:
            await a_conflict(market)
            assert market.held() == {"QQQ": 29, "PSQ": 100}
    async with a_machine(tmp_path, clock="11:00") as market:
        await market.bars(2)
        assert market.held() == {"QQQ": 29}
        assert market.journaled(JournalType.CONFLICT_FOUND) == 1
        assert market.log.said("CONFLICT QQQ is held long and inverse")
        assert market.one("SELECT reason FROM trades WHERE side = 'SELL'") == "conflict_repair"
        market.check()


async def test_without_the_repair_the_conflict_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trader.services.deciding.conflicting", lambda *_: False)
    async with a_machine(tmp_path) as market:
        await a_conflict(market)
        await market.restart()
        await market.bars(5)
        assert market.held() == {"QQQ": 29, "PSQ": 100}


async def test_a_conflict_made_by_an_unexpected_execution_is_repaired_at_once(tmp_path: Path) -> None:
    """An execution happened, so it is booked, on whichever side; it must not wait for a restart to be repaired."""
    async with a_machine(tmp_path) as market:
        await a_conflict(market)
        await market.bars(2)
        assert market.held() == {"QQQ": 29}
        market.check()


async def test_a_conflict_is_repaired_against_the_newest_signal(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.bar({"QQQ": 0.8})
        await market.bar()
        await market.report(a_fill("PSQ", 1000, 40.0, order_ref="by-hand", at=market.now))
        market.broker._positions["PSQ"] = 1000
        await market.bars(2)
        assert market.held() == {"QQQ": 29}


@pytest.mark.parametrize("neutral", [False, True])
async def test_where_no_signal_takes_a_side_the_smaller_leveraged_exposure_is_closed(
    tmp_path: Path, neutral: bool
) -> None:
    async with a_machine(tmp_path) as market:
        if neutral:
            await market.submit("QQQ", 0.5)
        await market.report(a_fill("TQQQ", 10, 80.0, order_ref="by-hand", at=market.now))
        await market.report(a_fill("PSQ", 50, 40.0, order_ref="by-hand", at=market.now))
        market.broker._positions.update(TQQQ=10, PSQ=50)
        await market.bars(2)
        assert market.held() == {"TQQQ": 10}


# -- flat at every close --------------------------------------------------------------------------------------------


async def hold_three(market: Market) -> None:
    await market.bar(LONG)
    await market.bar()
    assert set(market.held()) == {"QQQ", "AAPL", "MSFT"}


def close_of(day: date) -> str:
    return "13:00" if day == HALF_DAY else "16:00"


def before_close(day: date, minutes: int, seconds: int = 0) -> datetime:
    return session_of(day).closes_at - timedelta(minutes=minutes, seconds=seconds)


@pytest.mark.parametrize("at_open", [False, True])
@pytest.mark.parametrize("day", DAYS)
async def test_flat_at_the_close(tmp_path: Path, day: date, at_open: bool) -> None:
    """The strategy goes on wanting everything to the last bar."""
    async with a_machine(tmp_path, day=day) as market:
        await hold_three(market)
        while market.now < before_close(day, 10):
            await market.bar(LONG, at_open=at_open)
        assert set(market.held()) == {"QQQ", "AAPL", "MSFT"}
        while market.now < session_of(day).closes_at:
            await market.bar(LONG, at_open=at_open)
        assert market.held() == {}
        assert market.working() == []
        assert market.journaled(JournalType.FLAT_PROVEN) == 1
        assert market.journaled(JournalType.NOT_FLAT) == 0
        assert {purpose for (purpose,) in market.sql("SELECT purpose FROM trades WHERE side = 'SELL'")} == {"eod"}
        last = market.one("SELECT max(timestamp) FROM trades")
        assert last <= before_close(day, 9).isoformat()
        market.check()


async def test_without_closing_time_positions_stay_overnight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trader.services.exit_scanner.closing_time", lambda *_: None)
    async with a_machine(tmp_path) as market:
        await hold_three(market)
        await market.bars_until("16:00")
        assert set(market.held()) == {"QQQ", "AAPL", "MSFT"}
        assert market.journaled(JournalType.NOT_FLAT) > 0
        assert market.journaled(JournalType.FLAT_PROVEN) == 0


async def test_a_fixed_close_of_the_day_would_miss_half_days_and_winter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Incident 1 closed at 20:00 UTC, whatever the day. With such a calendar a half day ends with positions."""
    monkeypatch.setattr("trader.domain.session.SessionDay.phase", lambda _, now: fixed_phase(now))
    must_be_flat = {Phase.FLATTEN, Phase.FLAT_BY_NOW}
    monkeypatch.setattr(
        "trader.domain.session.SessionDay.must_be_flat_at", lambda _, now: fixed_phase(now) in must_be_flat
    )
    async with a_machine(tmp_path, day=HALF_DAY) as market:
        await hold_three(market)
        await market.bars_until("13:00")
        assert market.held() != {}


def fixed_phase(now: datetime) -> Phase:
    return Phase.FLATTEN if now.hour >= 19 and now.minute >= 50 else Phase.OPEN


@pytest.mark.parametrize("day", DAYS)
async def test_flat_at_the_close_when_started_again_inside_the_flatten_window(tmp_path: Path, day: date) -> None:
    """Down from before the window until four minutes before the close."""
    async with a_machine(tmp_path, day=day) as market:
        await hold_three(market)
        while market.now < before_close(day, 12):
            await market.bar()
        await market.stop()
        market.clock.set(before_close(day, 4))
        await market.start()
        await market.bars_until(close_of(day))
        assert market.held() == {}
        assert market.journaled(JournalType.FLAT_PROVEN) == 1
        market.check()


@pytest.mark.parametrize("minutes", [9, 8, 6, 3])
async def test_flat_at_the_close_when_dying_again_and_again_with_closes_working(tmp_path: Path, minutes: int) -> None:
    """A close that was sent is no close: nothing remembers that it was made, everything looks whether it has filled."""
    async with a_machine(tmp_path) as market:
        await hold_three(market)
        market.script = only(Side.SELL, Treatment(parts=(5, 0, 0, 0, 0, 0, 0, 0)))
        while market.now < before_close(MONDAY, minutes):
            await market.bar()
            if market.now >= before_close(MONDAY, 10):
                await market.restart()
        market.script = only(Side.SELL, Treatment())
        await market.restart()
        await market.bars_until("16:00")
        assert market.held() == {}
        market.check()


async def test_what_was_left_overnight_is_closed_first_and_reported(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await hold_three(market)
        await market.bars_until("15:40")
        await market.stop()
        market.clock.set(new_york("09:29", TUESDAY))
        await market.start()
        assert market.working() == []  # nothing is queued for the open
        await market.jump(new_york("09:30", TUESDAY))
        assert sorted(market.working()) == [("SELL", "AAPL"), ("SELL", "MSFT"), ("SELL", "QQQ")]
        await market.bar(LONG)
        assert market.held() == {}
        assert market.journaled(JournalType.LEFT_OVERNIGHT) == 3
        assert len(market.log.said("LEFT OVERNIGHT")) == 3
        today = "SELECT side, reason FROM trades WHERE timestamp >= ? ORDER BY id"
        assert set(market.sql(today, TUESDAY.isoformat())) == {("SELL", "left_overnight")}
        market.check()


async def test_a_start_later_in_the_day_closes_what_was_left_overnight(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await hold_three(market)
        await market.stop()
        market.clock.set(new_york("14:00", TUESDAY))
        await market.start()
        await market.bars(2)
        assert market.held() == {}
        assert market.journaled(JournalType.LEFT_OVERNIGHT) == 3


# -- closes are never blocked ---------------------------------------------------------------------------------------


async def halted(market: Market) -> None:
    await market.command(CommandName.HALT)


async def nothing(_: Market) -> None:
    pass


async def by_signal(market: Market) -> None:
    await market.bar({"QQQ": 0.5})


async def by_stop(market: Market) -> None:
    await market.bar(closes={"QQQ": 490.0})


async def by_command(market: Market) -> None:
    await market.command(CommandName.FLATTEN)


async def by_the_clock(market: Market) -> None:
    await market.bars_until("15:50")


@pytest.mark.parametrize("leave", [by_signal, by_stop, by_command, by_the_clock])
@pytest.mark.parametrize("bar_it", [no_cash, halted, nothing])
async def test_an_exit_goes_without_cash_at_the_limit_and_while_halted(
    tmp_path: Path, bar_it: Callable[[Market], Any], leave: Callable[[Market], Any]
) -> None:
    """One position is all that is allowed, one opening a day, and the day's loss is reached at once."""
    limits = {"open_positions": 1, "openings_per_day": 1, "orders_per_minute": 1, "day_loss_pct": 0.001}
    async with a_machine(tmp_path, limits=limits) as market:
        await market.bar({"QQQ": 0.8})
        await market.bar()
        assert market.held() == {"QQQ": 29}
        await bar_it(market)
        await leave(market)
        assert market.working() == [("SELL", "QQQ")]
        await market.bar()
        assert market.held() == {}


async def test_a_gate_in_front_of_exits_would_hold_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The chain of incident 1: its last component kept the old quantity, also of a close, when cash was low."""
    async with a_machine(tmp_path) as market:

        def when_there_is_cash(
            position: Position, may_sell: int, live_exit: Order | None, entry: PendingLock | None
        ) -> ExitTicket | PendingLock | None:
            return pursue(position, may_sell, live_exit, entry) if market.engine.book.cash_micros > 0 else None

        monkeypatch.setattr(execution, "pursue", when_there_is_cash)
        await market.bar({"QQQ": 0.8})
        await market.bar()
        await no_cash(market)
        await market.bars_until("16:00")
        assert market.held() == {"QQQ": 29}


class Refusing:
    """A broker that refuses the first so many closes."""

    def __init__(self, times: int) -> None:
        self.left = times

    def __call__(self, order: Order) -> Treatment:
        if order.side is Side.SELL and self.left:
            self.left -= 1
            return Treatment(reject="no shares to sell, says the exchange")
        return Treatment()


async def test_a_rejected_close_is_tried_again_until_flat(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=Refusing(7)) as market:
        await hold_three(market)
        await market.bars_until("16:00")
        assert market.held() == {}
        assert market.one("SELECT count(*) FROM orders WHERE side = 'SELL' AND state = 'rejected'") == 7
        assert market.journaled(JournalType.FLAT_PROVEN) == 1
        market.check()


async def test_a_rejected_close_is_not_hammered(tmp_path: Path) -> None:
    """Refused at once, it is tried again after some seconds, not in the same instant."""
    async with a_machine(tmp_path, script=Refusing(1000)) as market:
        await market.bar({"QQQ": 0.8})
        await market.bar()
        await market.submit("QQQ", 0.5)
        for _ in range(100):
            await market.wait(0.1)
        assert 2 <= market.one("SELECT count(*) FROM orders WHERE side = 'SELL'") <= 3


async def test_a_flag_instead_of_the_fact_would_leave_it_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Incident 1 made its close orders once a day, behind a flag."""
    made = set[str]()

    def once(
        position: Position, may_sell: int, live_exit: Order | None, entry: PendingLock | None
    ) -> ExitTicket | PendingLock | None:
        if position.symbol in made:
            return None
        made.add(position.symbol)
        return pursue(position, may_sell, live_exit, entry)

    monkeypatch.setattr(execution, "pursue", once)
    async with a_machine(tmp_path, script=Refusing(1)) as market:
        await hold_three(market)
        await market.bars_until("16:00")
        assert len(market.held()) == 1
        assert market.journaled(JournalType.NOT_FLAT) > 0


# -- entries stop first ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("day", DAYS)
async def test_entries_in_the_last_fifteen_minutes_are_refused(tmp_path: Path, day: date) -> None:
    async with a_machine(tmp_path, day=day) as market:
        while market.now < before_close(day, 15):
            await market.bar()
        while market.now < session_of(day).closes_at:
            decision = await market.submit("QQQ", 0.95)
            assert decision.refusal is not None
            assert decision.refusal.rule is Rule.AFTER_CUTOFF
            await market.bar(LONG)
        decision = await market.submit("QQQ", 0.95)
        assert decision.refusal is not None
        assert decision.refusal.rule is Rule.SESSION_CLOSED
        assert market.one("SELECT count(*) FROM orders") == 0


async def test_one_second_before_the_cutoff_an_entry_is_still_taken(tmp_path: Path) -> None:
    async with a_machine(tmp_path, clock="15:43") as market:
        await market.jump(before_close(MONDAY, 15, 1))
        assert (await market.submit("QQQ", 0.8)).outcome is Outcome.ORDERED


async def test_with_the_window_taken_out_entries_go_on_until_the_close(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_window, "MAY_ENTER", frozenset(Phase))
    async with a_machine(tmp_path, clock="15:52") as market:
        assert (await market.submit("QQQ", 0.8)).outcome is Outcome.ORDERED


@pytest.mark.parametrize("filled", [0, 5])
async def test_an_entry_that_still_works_when_entries_stop_is_taken_back_before_the_close(
    tmp_path: Path, filled: int
) -> None:
    settings = {"entry_timeout_s": 3600}
    async with a_machine(
        tmp_path, clock="15:40", script=only(Side.BUY, Treatment(parts=(filled,))), signals=settings
    ) as market:
        await market.bar({"QQQ": 0.8})
        await market.bars_until("15:49")
        assert market.working() == [("BUY", "QQQ")]
        assert market.held() == ({"QQQ": filled} if filled else {})
        await market.bars_until("16:00")
        assert market.held() == {}
        assert market.working() == []
        assert market.one("SELECT reserved_micros FROM book_accounts") == 0
        market.check()


async def test_a_close_does_not_wait_for_ever_for_the_cancel_of_an_entry(tmp_path: Path) -> None:
    """The broker never answers the cancel of a partly filled entry. What was bought has to go all the same."""
    async with a_machine(
        tmp_path, clock="15:40", script=only(Side.BUY, Treatment(parts=(5,), ignore_cancel=True))
    ) as market:
        await market.bar({"QQQ": 0.8})
        await market.bars_until("16:00")
        assert market.held() == {}


async def test_a_close_does_not_wait_for_a_cancel_that_died_with_the_process(tmp_path: Path) -> None:
    """The cancel was committed and never said, or said and never answered: the next process asks again."""
    script = only(Side.BUY, Treatment(parts=(5,), ignore_cancel=True))
    async with a_machine(tmp_path, clock="15:40", script=script, signals={"entry_timeout_s": 3600}) as market:
        await market.bar({"QQQ": 0.8})
        await market.bars_until("15:50")
        assert market.sql("SELECT side, state FROM orders") == [("BUY", "cancelling")]
        await market.restart(keep_broker=True)
        await market.bars_until("16:00")
        assert market.held() == {}


# -- few trades -----------------------------------------------------------------------------------------------------


async def jitter(market: Market, low: float, high: float, bars: int = 90) -> int:
    """A probability that jumps between two values; gives the number of executions."""
    for n in range(bars):
        await market.bar({"QQQ": high if n % 2 else low})
    return len(market.trades())


@pytest.mark.parametrize(
    ("low", "high", "trades"),
    [
        (0.74, 0.76, 1),
        (0.61, 0.89, 1),
        (0.76, 0.8999, 1),
        (0.81, 0.91, 3),
        (0.3, 0.7, 0),
    ],
)
async def test_jitter_around_the_thresholds_trades_once(tmp_path: Path, low: float, high: float, trades: int) -> None:
    """One entry; where the triple's threshold lies between, the single is bought first and turned once."""
    async with a_machine(tmp_path) as market:
        assert await jitter(market, low, high) == trades


async def test_without_hysteresis_it_trades_on_every_bar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Thresholds, "__post_init__", lambda _: None)
    levels = {"leave_1x": 0.75, "leave_3x": 0.90}
    async with a_machine(tmp_path, thresholds=levels, limits=OFTEN, breakers=off(*CHURN)) as market:
        assert await jitter(market, 0.74, 0.76) > 40


async def test_a_flip_flop_between_both_sides_trades_no_faster_than_closes_fill(tmp_path: Path) -> None:
    """The worst strategy there is: the opposite on every bar. Every second bar it is merely flat."""
    async with a_machine(tmp_path) as market:
        watcher = Watcher(market)
        assert await jitter(market, 0.0, 1.0) <= 90
        assert watcher.conflicts == []


@pytest.mark.parametrize("probability", [0.75, 0.8, 0.95, 0.25, 0.05])
async def test_the_same_signal_twice_changes_nothing(tmp_path: Path, probability: float) -> None:
    async with a_machine(tmp_path) as market:
        await market.bars(60, {"QQQ": probability})
        assert len(market.trades()) == 1
        for _ in range(20):
            assert (await market.submit("QQQ", probability)).outcome is Outcome.UNCHANGED
        await market.bars(2)
        assert len(market.trades()) == 1


async def test_free_cash_as_the_target_buys_and_sells_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sizer of incident 1. Its target shrinks with what it has bought: a ratio of -0.95 a bar."""

    def free_cash(portfolio: Portfolio, limits: Limits) -> int:
        return (portfolio.cash_micros - portfolio.reserved_micros) * 95 // 100

    monkeypatch.setattr(size, "_target_micros", free_cash)
    limits = {"family_pct": 100.0, "order_notional": 1e9}
    async with a_machine(tmp_path, limits=limits) as market:
        await market.bars(60, {"QQQ": 0.8})
        assert len(market.trades()) > 20


async def test_a_price_that_moves_a_little_does_not_resize(tmp_path: Path) -> None:
    chance = random.Random(4)
    async with a_machine(tmp_path) as market:
        await market.bar({"QQQ": 0.8})
        for _ in range(120):
            await market.bar({"QQQ": 0.8}, {"QQQ": 500 * (1 + chance.uniform(-0.01, 0.01))})
        assert len(market.trades()) == 1


async def test_a_reduction_that_works_is_not_ordered_again(tmp_path: Path) -> None:
    """The position has grown far beyond its target; the order that brings it back takes its time."""
    async with a_machine(tmp_path, script=only(Side.SELL, Treatment(delay_bars=5)), exits=WIDE) as market:
        await market.bar({"AAPL": 0.8})
        await market.bar()
        for price in range(210, 301, 10):
            await market.bar(closes={"AAPL": price})
        for _ in range(4):
            await market.bar({"AAPL": 0.8})
            assert market.working() == [("SELL", "AAPL")]
        await market.bars(5, {"AAPL": 0.8})
        assert market.sql("SELECT reason, count(*) FROM orders WHERE side = 'SELL'") == [("resize", 1)]
        assert market.log.errors == []
        market.check()


WIDE = {"stop_pct": 29.0, "take_profit_pct": 900.0}


async def test_at_most_one_opening_a_bar_and_family(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        first = await market.submit("QQQ", 0.8)
        assert first.outcome is Outcome.ORDERED
        await market.settle()
        market.broker.cancel("paper-1-0001")
        await market.settle()
        again = await market.submit("QQQ", 0.95)
        assert again.refusal is not None
        assert again.refusal.rule is Rule.ONE_OPENING_PER_BAR
        await market.bar({"QQQ": 0.95})
        assert market.working() == [("BUY", "TQQQ")]


async def test_a_restart_begins_no_new_bar(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.submit("QQQ", 0.8)
        market.broker.cancel("paper-1-0001")
        await market.settle()
        await market.restart()
        market.engine.trading.prices.observe(market.quiet_bar_time())
        again = await market.submit("QQQ", 0.95)
        assert again.refusal is not None
        assert again.refusal.rule is Rule.ONE_OPENING_PER_BAR


async def test_bars_of_half_an_hour_are_flat_at_the_close_too(tmp_path: Path) -> None:
    """A machine that only wakes up every 30 minutes must not wake up after the window."""
    half_hour = timedelta(minutes=30)
    async with a_machine(tmp_path) as market:
        market.clock.set(session_of().opens_at)
        while market.now < session_of().closes_at:
            bars = BarTime(market.now + half_hour, half_hour, tuple(market.still_bars(market.now)))
            await market.play(bars, LONG)
            if market.now == session_of().opens_at + 3 * half_hour:
                assert set(market.held()) == {"QQQ", "AAPL", "MSFT"}
        assert market.held() == {}
        assert market.trades() != []
        market.check()


async def test_the_engine_is_the_one_door(tmp_path: Path) -> None:
    """Two tasks in `handle` at once would decide on the same book: the second is told off."""
    async with a_machine(tmp_path) as market:
        market.engine._busy = True
        with pytest.raises(RuntimeError, match="one task"):
            await market.wait(1)
        market.engine._busy = False
        assert isinstance(market.engine, Engine)
        assert timedelta(minutes=1) == MINUTE
