"""A feed that misbehaves: what cannot be is left out and told, and what is wild buys nothing."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from builders import (
    MINUTE,
    SECOND,
    Market,
    a_bar,
    a_fill,
    a_machine,
    an_unwritable_book,
    bar_time,
    new_york,
    off,
    session_of,
)

from trader.adapters.paper.broker import Treatment
from trader.domain.events import FillReported, JournalType
from trader.domain.market import Bar, BarTime
from trader.services.recent import Recent

FALL = 0.98
"""To below the stop, 1.4 % under the entry."""


class Listener:
    """A strategy that keeps what it is shown, and wants to buy all of it."""

    def __init__(self, market: Market) -> None:
        self.bars: list[Bar] = []
        self._told = market.strategy.on_bar
        market.strategy.on_bar = self.on_bar  # type: ignore[method-assign]

    def on_bar(self, bar: Bar) -> Any:
        """Keep it."""
        self.bars.append(bar)
        return self._told(bar)


async def hear(market: Market, *bars: Bar, says: dict[str, float] | None = None) -> None:
    """These come as the bars that end in a minute; they are no prices for the broker."""
    start = market.now
    market.clock.set(start + MINUTE)
    await hear_now(market, BarTime(start + MINUTE, MINUTE, bars), says=says)


async def hear_now(market: Market, heard: BarTime, says: dict[str, float] | None = None) -> None:
    """This comes, whatever the time is."""
    market.strategy.words = says or {}
    await market.handle(heard)
    market.strategy.words = {}


async def hold(market: Market, *symbols: str) -> None:
    await market.bars(2, dict.fromkeys(symbols, 0.8))
    assert set(market.held()) == set(symbols)


def minute(market: Market, symbol: str, close: float, *, start: int = 0, low: float | None = None) -> Bar:
    """A bar that starts now, or so many minutes later or earlier."""
    return a_bar(symbol, close, start=market.now + start * MINUTE, low=low)


def last(market: Market, symbol: str) -> float:
    bar = market.engine.trading.prices.last(symbol)
    assert bar is not None
    return bar.close


# -- bars that cannot be -------------------------------------------------------------------------------------------

IMPOSSIBLE: dict[str, dict[str, Any]] = {
    "price not positive": {"low_micros": 0},
    "high below low": {"high_micros": 1, "low_micros": 2},
    "open outside low..high": {"open_micros": 1, "low_micros": 190_000_000},
    "close outside low..high": {"close_micros": 1, "low_micros": 190_000_000},
    "negative volume": {"low_micros": 1, "volume": -1},
    "volume too large": {"low_micros": 1, "volume": 10**308},
    "price too large": {"low_micros": 1, "high_micros": 10**308},
}
"""Each touches the stop of who holds it, or would if it were believed."""


@pytest.mark.parametrize("fault", IMPOSSIBLE)
async def test_a_bar_that_cannot_be_is_left_out_and_the_others_go_on(tmp_path: Path, fault: str) -> None:
    async with a_machine(tmp_path) as market:
        await hold(market, "AAPL", "MSFT")
        listener, before = Listener(market), last(market, "AAPL")
        bad = minute(market, "AAPL", 200.0)._replace(**IMPOSSIBLE[fault])
        await hear(market, bad, minute(market, "MSFT", 400 * FALL), says={"AAPL": 0.1})
        assert [bar.symbol for bar in listener.bars] == ["MSFT"]
        assert last(market, "AAPL") == before
        assert market.working() == [("SELL", "MSFT")]
        assert f": {fault} (number 1 today)" in market.log.said("BAR LEFT OUT of AAPL")[0]
        assert market.sql("SELECT symbol, data FROM events WHERE type = 'alarm'") == [
            ("AAPL", f'{{"alarm":"bar_left_out","what":"a bar of AAPL was left out: {fault}"}}')
        ]
        market.check()


async def test_negative_prices_throughout_are_no_price(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await hear(market, minute(market, "AAPL", -200.0), says={"AAPL": 0.9})
        assert last(market, "AAPL") == 200.0
        assert market.working() == []


async def test_of_two_bars_of_one_symbol_and_instant_the_first_counts(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await hear(market, minute(market, "AAPL", 201.0), minute(market, "AAPL", 202.0))
        assert last(market, "AAPL") == 201.0
        assert "a second bar of its time" in market.log.said("BAR LEFT OUT of AAPL")[0]


@pytest.mark.parametrize("start", [-1, 1])
async def test_a_bar_that_starts_at_another_time_than_its_bar_time_is_left_out(tmp_path: Path, start: int) -> None:
    async with a_machine(tmp_path) as market:
        await hear(market, minute(market, "AAPL", 201.0, start=start), minute(market, "MSFT", 401.0))
        assert (last(market, "AAPL"), last(market, "MSFT")) == (200.0, 401.0)


@pytest.mark.parametrize("symbol", ["", "aapl", "A\0B", "AAPL\nSPLIT? MSFT", "AAPL; DROP", "Ä"])
async def test_what_is_no_symbol_is_left_out_and_never_written_as_it_is(tmp_path: Path, symbol: str) -> None:
    async with a_machine(tmp_path) as market:
        listener = Listener(market)
        await hear(market, minute(market, "AAPL", 200.0)._replace(symbol=symbol), minute(market, "MSFT", 401.0))
        assert [bar.symbol for bar in listener.bars] == ["MSFT"]
        assert market.log.said("BAR LEFT OUT of ?, ")
        assert market.one("SELECT symbol FROM events WHERE type = 'alarm'") == "?"


async def test_a_symbol_that_the_feed_was_not_asked_for_is_left_out(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        market.engine.trading.market_data.expect(market.prices)
        listener = Listener(market)
        await hear(market, minute(market, "GME", 20.0), minute(market, "AAPL", 200.0), says={"GME": 0.9, "AAPL": 0.9})
        assert [bar.symbol for bar in listener.bars] == ["AAPL"]
        assert market.working() == [("BUY", "AAPL")]
        assert "not a symbol that the feed was asked for" in market.log.said("BAR LEFT OUT of GME")[0]


# -- times that cannot be ------------------------------------------------------------------------------------------


def again(market: Market) -> BarTime:
    """The newest instant once more, and it says something else."""
    return bar_time(minute(market, "AAPL", 200 * FALL, start=-1))


def from_before(market: Market) -> BarTime:
    """The instant before the newest; of a symbol that had no bar then."""
    return bar_time(minute(market, "AAPL", 200 * FALL, start=-2))


@pytest.mark.parametrize("late", [again, from_before])
async def test_a_bar_time_that_is_not_newer_is_not_decided(tmp_path: Path, late: Callable[[Market], BarTime]) -> None:
    async with a_machine(tmp_path) as market:
        await hold(market, "AAPL")
        listener, decided = Listener(market), market.engine.trading.signals
        await hear_now(market, late(market), says={"AAPL": 0.1, "MSFT": 0.9})
        assert listener.bars == []
        assert market.engine.trading.signals == decided
        assert last(market, "AAPL") == 200.0
        assert market.working() == []
        assert len(market.log.said("BAR LEFT OUT")) == 1


async def test_an_instant_of_before_is_left_out_also_of_a_symbol_that_lacked_it(tmp_path: Path) -> None:
    """A strategy sees bars in time order."""
    async with a_machine(tmp_path) as market:
        await hold(market, "AAPL")
        quiet = market.prices.pop("AAPL")
        await market.bars(2)
        await hear_now(market, bar_time(minute(market, "AAPL", quiet * FALL, start=-2)))
        assert market.working() == []
        assert "of every symbol" in market.log.said("BAR LEFT OUT")[0]


async def test_an_instant_that_is_left_out_does_not_take_the_time_back(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.bars(3)
        quiet = [bar_time(minute(market, "AAPL", 150.0, start=start)) for start in (-3, -2)]
        for late in quiet:
            await hear_now(market, late)
        assert last(market, "AAPL") == 200.0


async def test_a_bar_time_that_has_to_be_decided_again_is_no_second_one(tmp_path: Path) -> None:
    """The database refuses its step because of something else in it."""
    async with a_machine(tmp_path) as market:
        await hold(market, "AAPL")
        [(execution, ref)] = market.sql("SELECT execution_id, order_ref FROM trades")
        market.engine.trading._settlement._seen = Recent({})
        booked = a_fill("AAPL", 5, 200.0, execution_id=execution, order_ref=ref, at=market.now)
        market.clock.set(market.now + MINUTE)
        market.strategy.words = {"MSFT": 0.9}
        await market.handle(FillReported(booked), market.quiet_bar_time())
        assert market.working() == [("BUY", "MSFT")]
        assert market.log.said("BAR LEFT OUT") == []


async def test_the_rest_of_the_newest_instant_may_still_come(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await hold(market, "AAPL", "MSFT")
        await hear(market, minute(market, "AAPL", 200.0))
        await hear_now(market, bar_time(*(minute(market, name, 150.0, start=-1) for name in ("AAPL", "MSFT"))))
        assert (last(market, "AAPL"), last(market, "MSFT")) == (200.0, 150.0)


async def test_a_bar_from_the_future_is_left_out_and_the_next_true_one_is_not(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await hold(market, "AAPL")
        await hear_now(market, BarTime(market.now + 60 * MINUTE, MINUTE, (minute(market, "AAPL", 100.0, start=59),)))
        assert last(market, "AAPL") == 200.0
        assert "ahead of the clock" in market.log.said("BAR LEFT OUT of every symbol")[0]
        await market.bar(closes={"AAPL": 201.0})
        assert last(market, "AAPL") == 201.0


async def test_a_feed_may_be_two_seconds_ahead_of_the_clock(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        heard = market.now + MINUTE
        market.clock.set(heard - 2 * SECOND)
        await hear_now(market, BarTime(heard, MINUTE, (a_bar("AAPL", 201.0, start=heard - MINUTE),)))
        assert last(market, "AAPL") == 201.0


async def test_after_the_clock_was_set_back_bars_go_on(tmp_path: Path) -> None:
    """Else nobody would watch the exits until the clock came to where it was."""
    async with a_machine(tmp_path, clock="12:00") as market:
        await hold(market, "AAPL")
        market.clock.set(new_york("11:00"))
        await market.bar(closes={"AAPL": 200 * FALL})
        assert market.working() == [("SELL", "AAPL")]
        assert market.log.said("BAR LEFT OUT") == []


async def test_bars_go_on_after_a_gap(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await hold(market, "AAPL")
        await market.jump(market.now + 30 * MINUTE)
        assert market.log.said("EXITS NOT WATCHED AAPL")
        await market.bar(closes={"AAPL": 200 * FALL})
        assert market.working() == [("SELL", "AAPL")]


async def test_bars_that_are_left_out_still_say_that_time_has_passed(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        market.script = lambda _: Treatment(is_silent=True, parts=(0,))
        await market.bar({"AAPL": 0.8})
        await hear(market, minute(market, "AAPL", -1.0))
        assert market.log.said("ORDER UNKNOWN")


async def test_a_position_whose_bars_are_all_left_out_is_not_watched_and_not_bought(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await hold(market, "AAPL")
        for _ in range(5):
            await hear(market, minute(market, "AAPL", 0.0), minute(market, "MSFT", 400.0))
        assert len(market.log.said("EXITS NOT WATCHED AAPL: no bar since")) == 1
        decision = await market.submit("AAPL", 0.9)
        assert decision.ticket is None
        await market.bar(closes={"AAPL": 200 * FALL})
        assert market.working() == [("SELL", "AAPL")]


# -- what is told of it --------------------------------------------------------------------------------------------


async def test_it_is_told_the_first_the_tenth_and_the_hundredth_time_of_a_day(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        for _ in range(120):
            await hear(market, minute(market, "AAPL", 0.0))
        told = [line.partition("(")[2].partition(" today")[0] for line in market.log.said("BAR LEFT OUT")]
        assert told == ["number 1", "number 10", "number 100"]
        assert market.journaled(JournalType.ALARM) == 1
        market.clock.set(session_of(market.now.date() + timedelta(days=1)).opens_at)
        await hear(market, minute(market, "AAPL", 0.0))
        assert market.journaled(JournalType.ALARM) == 2
        market.check()


async def test_what_a_step_that_was_not_written_had_left_out_is_told_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        with an_unwritable_book(monkeypatch):
            await hear(market, minute(market, "AAPL", 0.0))
            assert market.log.said("BAR LEFT OUT") == []
        await market.wait(1)
        await market.wait(1)
        assert len(market.log.said("BAR LEFT OUT")) == 1
        assert market.sql("SELECT type FROM alarms ORDER BY 1") == [("bar_left_out",), ("book_unwritable",)]


async def test_past_bars_are_screened_too_and_told_with_the_first_step(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        listener = Listener(market)
        past = bar_time(minute(market, "AAPL", 0.0), minute(market, "MSFT", 400.0))
        market.clock.set(past.ends_at)
        market.engine.trading.warm_up([past], market.now)
        assert [bar.symbol for bar in listener.bars] == ["MSFT"]
        await market.wait(1)
        assert len(market.log.said("BAR LEFT OUT of AAPL")) == 1


# -- a wild price that can be --------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [10.0, 0.1])
async def test_one_spike_buys_nothing_on_itself_nor_on_its_way_back(tmp_path: Path, factor: float) -> None:
    async with a_machine(tmp_path) as market:
        await hear(market, minute(market, "AAPL", 200.0 * factor), says={"AAPL": 0.9})
        await hear(market, minute(market, "AAPL", 200.0), says={"AAPL": 0.9})
        assert market.working() == []
        await hear(market, minute(market, "AAPL", 200.0), says={"AAPL": 0.9})
        assert market.working() == [("BUY", "AAPL")]
        assert market.rules() == ["price_collar", "price_collar"]


async def test_a_spike_of_the_member_alone_buys_none_of_it(tmp_path: Path) -> None:
    async with a_machine(tmp_path, breakers=off("price_jump")) as market:
        await market.bar({"QQQ": 0.95}, {"TQQQ": 800.0})
        assert market.working() == []
        await market.bar({"QQQ": 0.95})
        assert market.working() == [("BUY", "TQQQ")], "the second print"


@pytest.mark.parametrize(("probability", "member"), [(0.95, "TQQQ"), (0.05, "SQQQ")])
async def test_a_spike_of_the_underlying_buys_no_member(tmp_path: Path, probability: float, member: str) -> None:
    async with a_machine(tmp_path) as market:
        await market.bar({"QQQ": probability}, {"QQQ": 5000.0})
        assert market.working() == []
        await market.bar({"QQQ": probability})
        assert market.working() == [("BUY", member)], "the second print"
        assert market.rules() == ["price_collar"]


async def test_a_spike_of_what_is_held_does_not_size_the_next_entry(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await hold(market, "AAPL")
        await market.bar({"MSFT": 0.9}, {"AAPL": 2000.0})
        [(quantity, limit)] = market.sql("SELECT quantity, limit_micros FROM book_orders WHERE symbol = 'MSFT'")
        assert quantity * limit < 15_500 * 10**6, "15 % of 100,000 and not of 235,000"


async def test_one_spike_sells_nothing(tmp_path: Path) -> None:
    """Not by its target, nor because so little of it would be enough."""
    async with a_machine(tmp_path) as market:
        await hold(market, "AAPL")
        for price in (2000.0, 200.0, 200.0):
            await hear(market, minute(market, "AAPL", price), says={"AAPL": 0.9})
            assert market.working() == []
        await market.bar()
        assert [side for side, _, _ in market.trades()] == ["BUY"]


async def test_a_holding_that_has_really_grown_is_reduced_at_the_second_print(tmp_path: Path) -> None:
    async with a_machine(tmp_path, exits={"take_profit_pct": 500.0}) as market:
        await hold(market, "AAPL")
        await market.bar({"AAPL": 0.9}, {"AAPL": 300.0})
        assert market.working() == []
        await market.bar({"AAPL": 0.9})
        assert market.working() == [("SELL", "AAPL")]


async def test_a_spike_inside_a_bar_is_believed_by_the_exits(tmp_path: Path) -> None:
    """It ends flat, at the market's price."""
    async with a_machine(tmp_path) as market:
        await hold(market, "AAPL")
        await hear(market, minute(market, "AAPL", 200.0, low=20.0))
        assert market.working() == [("SELL", "AAPL")]
        await market.bar()
        assert market.one("SELECT price FROM trades WHERE side = 'SELL'") == pytest.approx(200.0, rel=0.001)
