"""`protection = "broker"`: each entry is sent with a stop and a target that live at the broker, and outlive the daemon.

The daemon verifies that they cover what is held, mends what does not, and takes them back before it sells itself.
"""

import json
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from builders import MINUTE, SECOND, Market, a_bar, a_fill, a_machine, an_unwritable_book, bar_time

from trader import Signal
from trader.adapters.paper.broker import Script, Treatment
from trader.adapters.sqlite.projections import compare
from trader.domain.cash import CashKind
from trader.domain.decision import Rule, Side
from trader.domain.events import (
    CommandName,
    Evidence,
    EvidenceGiven,
    FillReported,
    JournalType,
    OrderCancelled,
    OrderLost,
    SignalReceived,
)
from trader.domain.order import Order, OrderState

Where = Callable[[Order], bool]


def a_stop(order: Order) -> bool:
    return order.stop_micros is not None


def a_target(order: Order) -> bool:
    return order.is_protection and order.limit_micros is not None


def an_entry(order: Order) -> bool:
    return order.side is Side.BUY


def only(where: Where, treatment: Treatment, times: int = 1_000) -> Script:
    """A script that treats the first orders of a kind so, and all others well."""
    left = [times]

    def script(order: Order) -> Treatment:
        if not where(order) or not left[0]:
            return Treatment()
        left[0] -= 1
        return treatment

    return script


@asynccontextmanager
async def a_day(
    folder: Path, *, exits: dict[str, object] | None = None, but: Collection[str] = (), **more: object
) -> AsyncIterator[Market]:
    """A machine whose protection lives at the broker; at each step the book keeps every rule, `but` some by name."""
    async with a_machine(folder, exits={"protection": "broker", **(exits or {})}, **more) as market:  # type: ignore[arg-type]
        market.after_each_step.append(lambda: market.check(but))
        yield market
        market.check(but)


async def hold(market: Market, symbol: str = "AAPL") -> int:
    """Buy, and be filled."""
    await market.bar({symbol: 0.8})
    await market.bar()
    return market.held()[symbol]


async def touch(market: Market, symbol: str = "AAPL", *, low: float = 0.0, high: float = 0.0) -> None:
    """One minute that comes so far, in percent, and back."""
    price = market.prices[symbol]
    bar = a_bar(symbol, price, start=market.now, high=price * (1 + high / 100), low=price * (1 - low / 100))
    await market.play(bar_time(bar))


async def ask(market: Market) -> None:
    """The broker is asked, and heard."""
    asked = market.engine.asks_about
    await market.handle(EvidenceGiven(asked, await market.broker.evidence(asked)))


def cancels(market: Market) -> list[str]:
    """From now on: what the broker is asked to cancel."""
    asked: list[str] = []
    cancel = market.broker.cancel

    def noting(order_ref: str) -> None:
        asked.append(order_ref)
        cancel(order_ref)

    market.broker.cancel = noting  # type: ignore[method-assign]
    return asked


def protection(market: Market) -> list[tuple[str, int]]:
    """Reason and shares of every live stop and target."""
    return market.sql(
        "SELECT reason, quantity FROM orders WHERE purpose = 'protection' "
        "AND state IN ('created', 'working', 'cancelling', 'unknown') ORDER BY order_ref"
    )


def at_the_broker(market: Market) -> list[str]:
    """What works there."""
    return [known.order.reason for known in market.broker._working.values()]


def how_it_ended(market: Market) -> tuple[str, str, str]:
    """Purpose and reason of the newest sale, and the reason of its round trip."""
    [(purpose, reason)] = market.sql("SELECT purpose, reason FROM trades WHERE side = 'SELL' ORDER BY id DESC LIMIT 1")
    return purpose, reason, market.one("SELECT exit_reason FROM round_trips ORDER BY closed_at DESC LIMIT 1")


# -- a day ---------------------------------------------------------------------------------------------------------


async def test_a_day_with_protection_at_the_broker(tmp_path: Path) -> None:
    async with a_day(tmp_path) as market:
        await market.bar({"AAPL": 0.8})
        assert [known.order.reason for known in market.broker._working.values()] == ["signal", "stop", "take_profit"]
        await market.bar()
        held = market.held()["AAPL"]
        assert protection(market) == [("stop", held), ("take_profit", held)]

        [(stop, target)] = market.sql("SELECT stop_loss, take_profit FROM positions WHERE symbol = 'AAPL'")
        assert market.sql("SELECT stop_price, limit_price FROM orders WHERE purpose = 'protection'") == [
            (stop, None),
            (None, target),
        ]
        assert market.engine.trading.exits.last.armed == {"AAPL": held}

        await touch(market, low=2.0)
        assert market.held() == {"AAPL": held}  # the bar has touched the stop; what the broker did is known at its end
        await market.bar()
        assert market.held() == {}
        assert how_it_ended(market) == ("exit", "stop", "stop")
        assert market.one("SELECT price FROM trades WHERE side = 'SELL'") == pytest.approx(stop, abs=0.03)
        assert (protection(market), at_the_broker(market)) == ([], [])
        assert market.log.errors == []

        await hold(market, "MSFT")
        await market.bars_until("15:56")
        assert market.journaled(JournalType.FLAT_PROVEN) == 1
        assert how_it_ended(market) == ("eod", "eod", "eod")
        assert (market.working(), at_the_broker(market), market.at_broker()) == ([], [], {})


async def test_a_target_is_sold_at_its_price(tmp_path: Path) -> None:
    async with a_day(tmp_path) as market:
        await hold(market)
        target = market.one("SELECT take_profit FROM positions")
        await touch(market, high=3.0)
        await market.bar()
        assert how_it_ended(market) == ("exit", "take_profit", "take_profit")
        assert market.one("SELECT price FROM trades WHERE side = 'SELL'") == target
        assert market.working() == []


async def test_with_daemon_nothing_is_placed(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await hold(market)
        assert market.broker.orders_received == 1


# -- the book ------------------------------------------------------------------------------------------------------


async def test_an_entry_and_its_pair_are_one_transaction(tmp_path: Path) -> None:
    """Refused together, and nothing of it is sent."""
    async with a_day(tmp_path, but=["no signal names an order that is not there"]) as market:
        await market.book.writer.transact(
            lambda book: book.execute(
                "CREATE TRIGGER no_target BEFORE INSERT ON book_orders WHEN NEW.reason = 'take_profit' "
                "BEGIN SELECT RAISE(ABORT, 'no_target'); END"
            )
        )
        decision = await market.submit("AAPL", 0.8)
        assert decision.refusal is not None
        assert decision.refusal.rule is Rule.DATABASE_REFUSED
        assert (market.working(), market.broker.orders_received, market.engine.book.orders) == ([], 0, {})
        assert market.one("SELECT count(*) FROM book_locks") == 0
        await market.without("no_target")
        assert await hold(market)


async def test_an_own_exit_and_protection_are_refused_beside_one_another(tmp_path: Path) -> None:
    """By the database, whoever asks."""
    async with a_day(tmp_path) as market:
        held = await hold(market)
        market.engine.trading.exits._execution.protecting.withdraw = lambda *_: True  # type: ignore[method-assign]
        market.engine.trading.exits._execution.exit = lambda step, ticket: step.draft.exit(ticket)  # type: ignore[method-assign, assignment]
        await market.bar({"AAPL": 0.5})
        assert market.log.said("EXIT REFUSED BY THE DATABASE")
        assert protection(market) == [("stop", held), ("take_profit", held)]
        assert "" not in at_the_broker(market)


# -- what the broker lacks is mended ---------------------------------------------------------------------------------


async def test_a_child_that_is_refused_is_replaced_by_a_pair_of_its_own(tmp_path: Path) -> None:
    async with a_day(tmp_path, script=only(a_stop, Treatment(reject="not now"), 1)) as market:
        held = await hold(market)
        await market.bar()
        assert protection(market) == [("stop", held), ("take_profit", held)]
        assert len(set(market.sql("SELECT DISTINCT oca FROM book_orders WHERE purpose = 'protection'"))) == 2
        await touch(market, low=2.0)
        await market.bar()
        assert how_it_ended(market) == ("exit", "stop", "stop")


async def test_a_broker_that_refuses_every_stop_is_not_hammered_and_the_daemon_watches(tmp_path: Path) -> None:
    async with a_day(tmp_path, script=only(a_stop, Treatment(reject="never"))) as market:
        await hold(market)
        before = market.broker.orders_received
        for _ in range(600):
            await market.wait(1)
        assert market.broker.orders_received - before <= 2 * 8
        assert len(market.log.said("NOT PROTECTED AT THE BROKER")) == 6
        await market.bar(closes={"AAPL": market.prices["AAPL"] * 0.98})
        await market.bars(2)
        assert how_it_ended(market) == ("exit", "stop", "stop")
        assert (market.held(), market.at_broker(), market.working()) == ({}, {}, [])


async def test_a_stop_that_has_died_is_replaced(tmp_path: Path) -> None:
    async with a_day(tmp_path) as market:
        held = await hold(market)
        for known in list(market.broker._working.values()):
            market.broker._end(known, "the broker has lost it")
        await market.settle()
        await market.bar()
        assert protection(market) == [("stop", held), ("take_profit", held)]
        assert at_the_broker(market) == ["stop", "take_profit"]


async def test_a_target_that_has_died_is_the_daemons(tmp_path: Path) -> None:
    """Its stop stays; the target is watched here."""
    async with a_day(tmp_path, script=only(a_target, Treatment(reject="no"))) as market:
        await hold(market)
        await market.bar(closes={"AAPL": market.prices["AAPL"] * 1.03})
        assert market.held()
        await market.bars(2)
        assert how_it_ended(market) == ("exit", "take_profit", "take_profit")
        assert (market.at_broker(), market.working(), at_the_broker(market)) == ({}, [], [])


async def test_what_a_partial_entry_has_not_bought_is_not_protected(tmp_path: Path) -> None:
    async with a_day(tmp_path, script=only(an_entry, Treatment(parts=(10,)))) as market:
        await market.bar({"AAPL": 0.8})
        await market.bars(3)
        assert market.held() == {"AAPL": 10}
        assert protection(market) == [("stop", 10), ("take_profit", 10)]
        assert at_the_broker(market) == ["stop", "take_profit"]


async def test_children_of_an_entry_that_bought_nothing_end_with_it(tmp_path: Path) -> None:
    """By the broker's own hand: nobody asks for their end, which is waited for."""
    async with a_day(tmp_path, script=only(an_entry, Treatment(parts=(0,)))) as market:
        asked = cancels(market)
        await market.bar({"AAPL": 0.8})
        await market.bars(3)
        assert (market.working(), at_the_broker(market)) == ([], [])
        assert asked == ["paper-1-0001"]


async def test_children_whose_entry_has_ended_are_expected_to_end(tmp_path: Path) -> None:
    async with a_day(tmp_path) as market:
        await market.bar({"AAPL": 0.8})
        entry, *children = market.engine.book.orders.values()
        market.broker._working.clear()
        asked = cancels(market)
        await market.handle(OrderCancelled(entry.ref, "cancelled"))
        assert [market.engine.book.orders[child.ref].state for child in children] == [OrderState.CANCELLING] * 2
        assert asked == []


async def test_nobody_asks_for_the_end_of_an_order_whose_pair_has_sold(tmp_path: Path) -> None:
    """The broker ends it; its word is waited for as for that of a cancel, and only then it is asked."""
    async with a_day(tmp_path) as market:
        held = await hold(market)
        stop, target = (order for order in market.engine.book.orders.values())
        asked = cancels(market)
        await market.report(a_fill("AAPL", held, 205.0, side=Side.SELL, order_ref=target.ref, at=market.now))
        assert market.engine.book.orders[stop.ref].state is OrderState.CANCELLING
        why = "SELECT data ->> 'reason' FROM events WHERE type = 'order_state' ORDER BY seq DESC LIMIT 1"
        assert market.one(why) == "the other order of its pair is filled"
        await market.wait(29)
        assert asked == []
        await market.wait(2)
        assert asked == [stop.ref]


async def test_a_new_pair_waits_until_a_target_without_its_stop_has_ended(tmp_path: Path) -> None:
    """Both targets could be filled."""
    stubborn = only(lambda order: a_stop(order) or a_target(order), Treatment(ignore_cancel=True))
    async with a_day(tmp_path, script=stubborn) as market:
        await hold(market)
        stop, target = market.broker._working.values()
        market.broker._end(stop, "the broker has lost it")
        await market.bars(3)
        assert at_the_broker(market) == ["take_profit"]
        market.broker._end(target, "at last")
        await market.bars(2)
        assert at_the_broker(market) == ["stop", "take_profit"]


async def test_an_addition_is_protected_where_the_position_is(tmp_path: Path) -> None:
    async with a_day(tmp_path, limits={"resize_pct": 5.0}) as market:
        await market.bar({"AAPL": 0.8})
        market.script = only(an_entry, Treatment(parts=(20,)))
        await market.bar()
        await hold(market, "MSFT")
        first = market.held()["AAPL"]
        await market.command(CommandName.CASH, kind=CashKind.DEPOSIT, amount_micros=100_000_000_000)
        market.script = lambda _: Treatment()
        await market.bar({"AAPL": 0.8}, closes={"AAPL": market.prices["AAPL"] * 1.002})
        await market.bars(2)
        held = market.held()["AAPL"]
        assert held > first
        assert sum(shares for reason, shares in protection(market) if reason == "stop") == held + market.held()["MSFT"]
        levels = market.sql("SELECT DISTINCT stop_price FROM orders WHERE symbol = 'AAPL' AND stop_price IS NOT NULL")
        assert levels == market.sql("SELECT stop_loss FROM positions WHERE symbol = 'AAPL'")


async def test_shares_sold_by_hand_are_not_protected_any_more(tmp_path: Path) -> None:
    async with a_day(tmp_path) as market:
        held = await hold(market)
        market.broker._positions["AAPL"] -= 10
        for _ in range(3):
            await market.wait(30)
            await ask(market)
        await market.bars(2)
        assert protection(market) == [("stop", held - 10), ("take_profit", held - 10)]
        assert at_the_broker(market) == ["stop", "take_profit"]


# -- an own exit -----------------------------------------------------------------------------------------------------


async def test_each_order_that_an_exit_waits_for_is_paged_once(tmp_path: Path) -> None:
    async with a_day(tmp_path, script=only(lambda order: order.is_protection, Treatment(ignore_cancel=True))) as market:
        await hold(market)
        await market.bar({"AAPL": 0.5})
        for _ in range(8):
            await market.bar()
            await ask(market)
        assert len(market.log.said("EXIT NOT SENT")) == 2


async def test_an_own_exit_waits_until_the_broker_has_ended_the_protection(tmp_path: Path) -> None:
    """However long that takes: never for a time. A person is told."""
    async with a_day(tmp_path, script=only(a_stop, Treatment(ignore_cancel=True))) as market:
        held = await hold(market)
        await market.bar({"AAPL": 0.5})
        for _ in range(5):
            await market.bar()
            await ask(market)
        assert (market.held(), market.working()) == ({"AAPL": held}, [("SELL", "AAPL")])
        assert len(market.log.said("EXIT NOT SENT")) == 1
        [stop] = market.broker._working.values()
        market.broker._end(stop, "cancelled at last")
        await market.settle()
        await market.bar()
        assert how_it_ended(market) == ("exit", "signal", "signal")
        assert market.at_broker() == {}


async def test_a_cancel_that_loses_the_race_sells_once(tmp_path: Path) -> None:
    async with a_day(tmp_path) as market:
        held = await hold(market)
        stop = next(order for order in market.engine.book.orders.values() if a_stop(order))
        market.broker._working.clear()
        await market.bar({"AAPL": 0.5})
        sold = a_fill("AAPL", held, 197.0, side=Side.SELL, order_ref=stop.ref, at=market.now)
        await market.report(sold)
        target = next(order for order in market.engine.book.orders.values() if a_target(order))
        await market.handle(OrderCancelled(target.ref, "one cancels all"))
        await market.bars(2)
        assert market.trades() == [("BUY", "AAPL", held), ("SELL", "AAPL", held)]
        assert how_it_ended(market)[:2] == ("exit", "stop")


async def test_a_reduction_takes_the_protection_back_and_what_is_left_is_protected_anew(tmp_path: Path) -> None:
    async with a_day(tmp_path, exits={"take_profit_pct": 100.0}, limits={"resize_pct": 5.0}) as market:
        held = await hold(market)
        await market.bar(closes={"AAPL": market.prices["AAPL"] * 1.04})
        await market.bar(closes={"AAPL": market.prices["AAPL"] * 1.04})
        await market.bar({"AAPL": 0.8}, closes={"AAPL": market.prices["AAPL"] * 1.04})
        await market.bars(3)
        left = market.held()["AAPL"]
        assert 0 < left < held
        assert protection(market) == [("stop", left), ("take_profit", left)]
        assert market.sql("SELECT reason FROM trades WHERE side = 'SELL'") == [("resize",)]


async def test_a_raised_stop_is_the_daemons_own(tmp_path: Path) -> None:
    async with a_day(tmp_path, exits={"trailing_pct": 1.0, "take_profit_pct": 50.0}) as market:
        await hold(market)
        for price in (203.0, 206.0, 209.0):
            await market.bar(closes={"AAPL": price})
        await market.bar(closes={"AAPL": 206.0})
        await market.bars(2)
        assert how_it_ended(market) == ("exit", "trailing_stop", "trailing_stop")
        assert (market.at_broker(), market.working(), at_the_broker(market)) == ({}, [], [])


async def test_the_time_stop_acts_as_ever(tmp_path: Path) -> None:
    async with a_day(tmp_path, exits={"time_stop_min": 5}) as market:
        await hold(market)
        await market.bars(8)
        assert how_it_ended(market) == ("exit", "time_stop", "time_stop")
        assert (market.at_broker(), market.working()) == ({}, [])


async def test_children_that_are_unwanted_before_they_have_left_are_taken_back_afterwards(tmp_path: Path) -> None:
    """An addition, and in the same step the other side of the family: both are bought and sold, nothing is left."""
    async with a_day(tmp_path, limits={"resize_pct": 5.0}) as market:
        await hold(market, "QQQ")
        await market.command(CommandName.CASH, kind=CashKind.DEPOSIT, amount_micros=100_000_000_000)
        await market.wait(1)
        up, down = (SignalReceived(Signal("QQQ", probability, market.now)) for probability in (0.8, 0.2))
        await market.handle(up, down)
        assert market.one("SELECT count(*) FROM orders WHERE symbol = 'QQQ' AND side = 'BUY'") == 2
        assert compare(market.reader, "paper").findings == []
        await market.bars(4)
        assert "QQQ" not in market.held()
        assert at_the_broker(market).count("stop") == sum(symbol == "PSQ" for symbol in market.held())


# -- what is the broker's ------------------------------------------------------------------------------------------


async def test_a_touch_that_the_broker_does_not_act_on_is_paged_and_not_acted_upon(tmp_path: Path) -> None:
    async with a_day(tmp_path, script=only(a_stop, Treatment(delay_bars=1_000))) as market:
        held = await hold(market)
        await touch(market, low=2.0)
        await market.bars(5)
        assert market.held() == {"AAPL": held}
        assert len(market.log.said("PROTECTION NOT DONE")) == 1
        assert market.one("SELECT state FROM positions WHERE symbol = 'AAPL'") == "open"


async def test_a_protected_position_is_armed_without_a_bar(tmp_path: Path) -> None:
    async with a_day(tmp_path) as market:
        held = await hold(market)
        del market.prices["AAPL"]
        await market.bars(10)
        assert market.engine.trading.exits.last.armed == {"AAPL": held}
        assert market.log.said("EXITS NOT WATCHED") == []


async def test_no_entry_while_what_protected_its_symbol_still_lives(tmp_path: Path) -> None:
    """The stop of a position that was sold may still sell: it would sell the new one."""
    async with a_day(tmp_path) as market:
        held = await hold(market)
        target = next(order for order in market.engine.book.orders.values() if a_target(order))
        market.broker._working.clear()  # the word of the stop's end is lost
        await market.report(a_fill("AAPL", held, 205.0, side=Side.SELL, order_ref=target.ref, at=market.now))
        assert protection(market) == [("stop", held)]
        decision = await market.submit("AAPL", 0.8)
        assert decision.refusal is not None
        assert (decision.refusal.rule, market.held()) == (Rule.CLOSING, {})


# -- executions ------------------------------------------------------------------------------------------------------


async def test_both_orders_of_a_pair_filled_is_an_oversold_alarm(tmp_path: Path) -> None:
    async with a_day(tmp_path, but=["an order is filled by its fills and not beyond"]) as market:
        held = await hold(market)
        stop, target = (order for order in market.engine.book.orders.values())
        market.broker._working.clear()
        fills = [
            a_fill("AAPL", held, 200.0, side=Side.SELL, order_ref=order.ref, at=market.now) for order in (stop, target)
        ]
        market.broker._executions.extend(fills)
        market.broker._positions["AAPL"] = -held
        for fill in fills:
            await market.report(fill)
        await ask(market)
        assert "all" in market.engine.book.halts
        assert market.held() == {}
        assert market.sql("SELECT count(*) FROM trades WHERE side = 'SELL'") == [(1,)]
        assert market.journaled(JournalType.UNEXPECTED_FILL) == 1


async def test_a_child_that_is_heard_before_its_entry_waits_for_the_answer(tmp_path: Path) -> None:
    async with a_day(tmp_path) as market:
        await market.bar({"AAPL": 0.8})
        entry, stop, _ = market.engine.book.orders.values()
        market.broker._working.clear()
        bought = a_fill("AAPL", entry.quantity, 200.0, order_ref=entry.ref, at=market.now)
        sold = a_fill("AAPL", entry.quantity, 197.0, side=Side.SELL, order_ref=stop.ref, at=market.now + SECOND)
        await market.report(sold, times=2)
        assert (market.held(), market.trades(), dict(market.engine.book.halts)) == ({}, [], {})
        assert market.engine.book.orders[stop.ref].state is OrderState.UNKNOWN
        why = f"it has sold {entry.quantity}, more than are held: what was bought has not been heard"
        assert market.log.said("EXECUTION AHEAD") == [f"EXECUTION AHEAD AAPL ref={stop.ref}: {why} account=paper"]
        [(symbol, data)] = market.sql(
            "SELECT symbol, data FROM events WHERE type = 'order_state' AND data ->> 'order_ref' = ? "
            "AND data ->> 'state' = 'unknown'",
            stop.ref,
        )
        assert (symbol, json.loads(data)["reason"]) == ("AAPL", why)
        market.broker._executions.extend([sold, bought])
        await ask(market)
        assert [side for side, _, _ in market.trades()] == ["BUY", "SELL"]
        assert (market.held(), dict(market.engine.book.halts)) == ({}, {})


@pytest.mark.parametrize("level", ["stop", "target"])
async def test_what_is_bought_at_a_level_of_its_pair_has_levels_of_its_own(tmp_path: Path, level: str) -> None:
    """A position that is at its stop, or at its target, from the first would be sold at once."""
    async with a_day(tmp_path, script=only(an_entry, Treatment(parts=(0,)))) as market:
        await market.bar({"AAPL": 0.8})
        entry, stop, target = market.engine.book.orders.values()
        at = stop.stop_micros if level == "stop" else target.limit_micros
        assert at is not None
        await market.report(a_fill("AAPL", entry.quantity, at / 1e6, order_ref=entry.ref, at=market.now))
        [(stop_loss, price, take_profit)] = market.sql("SELECT stop_loss, entry, take_profit FROM armed_exits")
        assert stop_loss < price < take_profit


@pytest.mark.parametrize("child", [0, 1])
async def test_what_is_bought_when_one_of_its_pair_has_died_has_levels_of_its_own(tmp_path: Path, child: int) -> None:
    async with a_day(tmp_path, script=only(an_entry, Treatment(parts=(0,)))) as market:
        await market.bar({"AAPL": 0.8})
        entry, *pair = market.engine.book.orders.values()
        fill = a_fill("AAPL", entry.quantity, 200.0, order_ref=entry.ref, at=market.now)
        await market.handle(OrderCancelled(pair[child].ref, "lost"), FillReported(fill))
        assert market.held() == {"AAPL": entry.quantity}
        [(stop_loss, price, take_profit)] = market.sql("SELECT stop_loss, entry, take_profit FROM armed_exits")
        assert stop_loss < price < take_profit


async def test_a_part_that_a_target_has_sold_and_that_is_told_again_is_the_same_part(tmp_path: Path) -> None:
    """Also where it is more than is still held: no purchase is missing."""
    async with a_day(tmp_path) as market:
        held = await hold(market)
        _, target = market.engine.book.orders.values()
        sold = a_fill("AAPL", held - 10, 205.0, side=Side.SELL, order_ref=target.ref, at=market.now)
        for _ in range(2):
            await market.report(sold)
            assert market.engine.book.orders[target.ref].state is OrderState.WORKING
        assert market.log.said("EXECUTION AHEAD") == []


async def test_a_part_that_a_target_sells_leaves_both_orders_at_work(tmp_path: Path) -> None:
    async with a_day(tmp_path) as market:
        await hold(market)
        stop, target = market.engine.book.orders.values()
        await market.report(a_fill("AAPL", 10, 205.0, side=Side.SELL, order_ref=target.ref, at=market.now))
        assert [market.engine.book.orders[order.ref].state for order in (stop, target)] == [OrderState.WORKING] * 2


async def test_a_part_that_a_target_sells_is_not_sold_by_the_stop(tmp_path: Path) -> None:
    async with a_day(tmp_path, script=only(a_target, Treatment(parts=(10,)))) as market:
        held = await hold(market)
        await touch(market, high=3.0)
        await market.bar()
        assert market.held() == {"AAPL": held - 10}
        await touch(market, low=3.0)
        await market.bars(2)
        assert (market.held(), market.at_broker(), market.working()) == ({}, {}, [])
        assert market.log.said("UNEXPECTED EXECUTION") == []


# -- restart, the unwritable book ------------------------------------------------------------------------------------


async def test_protection_outlives_the_daemon(tmp_path: Path) -> None:
    async with a_day(tmp_path) as market:
        held = await hold(market)
        await market.restart(keep_broker=True)
        await market.bar()
        assert protection(market) == [("stop", held), ("take_profit", held)]
        assert market.broker.orders_received == 0
        await market.stop()
        await_bars = [a_bar("AAPL", 190.0, start=market.now + n * MINUTE, opens=190.0) for n in range(2)]
        for bar in await_bars:
            market.broker.match(bar_time(bar))
        market.clock.set(market.now + 2 * MINUTE)
        await market.start(broker=market.broker)
        assert market.held() == {}
        assert how_it_ended(market) == ("exit", "stop", "stop")


async def test_a_broker_that_has_forgotten_is_given_new_protection(tmp_path: Path) -> None:
    """The embedded one forgets with each start."""
    async with a_day(tmp_path) as market:
        held = await hold(market)
        await market.restart()
        market.broker._positions["AAPL"] = held
        await market.bar()
        assert protection(market) == [("stop", held), ("take_profit", held)]
        assert at_the_broker(market) == ["stop", "take_profit"]


async def test_what_lives_at_the_broker_is_taken_back_when_the_daemon_is_to_watch(tmp_path: Path) -> None:
    async with a_machine(tmp_path, exits={"protection": "broker"}) as market:
        held = await hold(market)
        market._settings = {}
        await market.restart(keep_broker=True)
        await market.bars(2)
        assert (market.working(), at_the_broker(market), market.held()) == ([], [], {"AAPL": held})
        await market.bar(closes={"AAPL": 190.0})
        await market.bar()
        assert how_it_ended(market) == ("exit", "stop", "stop")


async def test_protection_stays_while_the_book_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_day(tmp_path) as market:
        held = await hold(market)
        with an_unwritable_book(monkeypatch):
            await market.bar({"AAPL": 0.5})
            await market.bars(2)
            assert at_the_broker(market) == ["stop", "take_profit"]
            assert market.spill.read() == []
            assert len(market.log.said("PROTECTION STAYS AAPL")) == 1
            await touch(market, low=2.0)
            await market.bar()
        await market.bars(2)
        assert (market.held(), market.at_broker()) == ({}, {})
        assert market.sql("SELECT sum(quantity) FROM trades WHERE side = 'SELL'") == [(held,)]


async def test_protection_that_stayed_is_taken_back_as_soon_as_the_book_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_day(tmp_path) as market:
        await hold(market)
        with an_unwritable_book(monkeypatch):
            await market.bar({"AAPL": 0.5})
            await market.command(CommandName.FLATTEN)
        await market.wait(1)
        assert at_the_broker(market) == ["manual"]
        await market.bars(2)
        assert (market.held(), market.at_broker()) == ({}, {})


async def test_an_exit_whose_protection_has_ended_goes_without_the_book(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker's word of that is not written yet; and a restart knows what the exit proves."""
    async with a_day(tmp_path) as market:
        await hold(market)
        cancel, market.broker.cancel = market.broker.cancel, lambda _: None  # type: ignore[method-assign, assignment]
        await market.bar({"AAPL": 0.5})
        assert len(market.working()) == 2
        with an_unwritable_book(monkeypatch):
            for order in list(market.engine.book.orders.values()):
                cancel(order.ref)
            await market.settle()
            assert len(market.spill.read()) == 1
        await market.restart(keep_broker=True)
        await market.bars(2)
        assert (market.held(), market.at_broker(), market.working()) == ({}, {}, [])
        assert market.spill.read() == []


# -- orders of unknown fate ----------------------------------------------------------------------------------------


async def test_a_stop_of_unknown_fate_protects_nothing_and_stands_in_the_way(tmp_path: Path) -> None:
    """The daemon watches meanwhile; its exit waits for the broker's word of it."""
    async with a_day(tmp_path) as market:
        held = await hold(market)
        stop = next(order for order in market.engine.book.orders.values() if a_stop(order))
        await market.handle(OrderLost(stop.ref, "nobody knows"))
        assert protection(market) == [("stop", held), ("take_profit", held)]
        await touch(market, low=2.0)
        assert market.one("SELECT state FROM positions WHERE symbol = 'AAPL'") == "closing"
        await ask(market)
        await market.bars(2)
        assert (market.held(), market.at_broker()) == ({}, {})


async def test_a_difference_is_found_beside_protection_that_rests(tmp_path: Path) -> None:
    async with a_day(tmp_path) as market:
        held = await hold(market)
        market.broker._positions["AAPL"] = held + 5
        for _ in range(2):
            await market.wait(30)
            await ask(market)
        assert market.engine.book.drift["AAPL"].broker == held + 5


async def test_cash_is_compared_beside_protection_that_rests(tmp_path: Path) -> None:
    async with a_day(tmp_path) as market:
        await hold(market)
        for _ in range(2):
            await market.wait(30)
            told = await market.broker.evidence(())
            await market.handle(EvidenceGiven((), told._replace(cash_micros=1)))
        assert market.engine.book.cash_drift is not None


async def test_an_answer_that_lacks_protection_three_times_ends_it_and_it_is_placed_anew(tmp_path: Path) -> None:
    async with a_day(tmp_path) as market:
        held = await hold(market)
        market.broker._working.clear()
        for _ in range(8):
            await market.wait(20)
            asked = market.engine.asks_about
            nothing = Evidence((), frozenset(at_work(market)), {}, {"AAPL": held})
            await market.handle(EvidenceGiven(asked, nothing))
        assert at_the_broker(market) == ["stop", "take_profit"]
        assert protection(market) == [("stop", held), ("take_profit", held)]


def at_work(market: Market) -> list[str]:
    return list(market.broker._working)


# -- what it is made of --------------------------------------------------------------------------------------------


async def test_the_journal_gives_the_book(tmp_path: Path) -> None:
    async with a_day(tmp_path) as market:
        await hold(market)
        await touch(market, low=2.0)
        await market.bar()
        await hold(market, "MSFT")
        await market.bar({"MSFT": 0.5})
        await market.bars(3)
        assert compare(market.reader, "paper").findings == []
        created = [json.loads(text) for (text,) in market.sql("SELECT data FROM events WHERE type = 'order_created'")]
        assert [data["purpose"] for data in created[:4]] == ["entry", "protection", "protection", "entry"]
