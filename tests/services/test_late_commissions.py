"""What an execution has cost may be told after it: it is charged once, to what the execution belongs to."""

import itertools
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders import SECOND, Market, a_fill, a_machine, an_unwritable_book

from trader.adapters.paper.broker import Treatment
from trader.adapters.sqlite.projections import compare
from trader.app.links import AccountRows, find_links
from trader.app.story import tell
from trader.domain.decision import Side
from trader.domain.errors import BookUnwritable
from trader.domain.events import NO_EVIDENCE, Command, CommandName, Evidence, EvidenceGiven, FillReported, JournalType
from trader.domain.money import micros
from trader.domain.order import Fill, Order, reversal_of
from trader.services.recent import REMEMBERED

ENTRY, EXIT = "paper-1-0001", "paper-1-0002"
DOLLAR = micros(1)


def silent(_: Order) -> Treatment:
    """A broker that only says what the test reports."""
    return Treatment(parts=(0,), ignore_cancel=True)


def before_its_commission(fill: Fill) -> Fill:
    """The report of an execution whose commission is not known yet."""
    return fill._replace(commission_micros=0)


def answer(*fills: Fill) -> EvidenceGiven:
    """The broker tells its executions; of everything else nothing."""
    return EvidenceGiven((), Evidence(fills, None, None, None))


async def bought(market: Market, quantity: int = 400, price: float = 30.0) -> Fill:
    """An entry works; its execution, of which nobody has heard yet."""
    await market.bar({"JD": 0.9})
    return a_fill("JD", quantity, price, order_ref=ENTRY, execution_id="X1", at=market.now)


async def sold(market: Market, quantity: int, price: float = 29.0) -> Fill:
    """The stop is touched; the execution of the exit, of which nobody has heard yet."""
    await market.bar(closes={"JD": 29.0})
    [(ref,)] = market.sql("SELECT order_ref FROM orders WHERE side = 'SELL'")
    return a_fill("JD", quantity, price, side=Side.SELL, order_ref=ref, execution_id="S1", at=market.now - SECOND)


async def assert_sound(market: Market, *but: str) -> None:
    """The sums are exact, the journal gives the same book, and so does a restart; `but` names what may not hold."""
    market.check(but)
    with closing(sqlite3.connect(market.path, isolation_level=None)) as connection:
        assert compare(connection, "paper").findings == []
    loaded = await market.book.store.load()
    assert replace(loaded, signals_seen=market.engine.book.signals_seen) == market.engine.book


def numbers(market: Market) -> list[Any]:
    """What does not depend on when a commission was told."""
    return [
        market.sql("SELECT cash_micros, reserved_micros FROM book_accounts"),
        market.sql("SELECT symbol, quantity, cost_micros, realized_micros FROM book_positions"),
        market.sql("SELECT pnl_micros, quantity FROM book_round_trips ORDER BY id"),
        market.sql("SELECT side, quantity, price, commission, realized_pnl FROM trades ORDER BY execution_id"),
        market.sql("SELECT realized_pnl FROM account"),
        market.sql("SELECT reserved_micros FROM book_locks WHERE released_us IS NULL"),
    ]


async def test_a_late_commission_leaves_what_one_in_time_would_have_left(tmp_path: Path) -> None:
    books = []
    for folder, is_late in (("in time", False), ("late", True)):
        (tmp_path / folder).mkdir()
        async with a_machine(tmp_path / folder, script=silent) as market:
            fill = await bought(market)
            await market.report(before_its_commission(fill) if is_late else fill)
            await market.report(fill)
            books.append(numbers(market))
            await assert_sound(market)
    assert books[0] == books[1]


ORDERS_OF_HEARING = [order for order in itertools.permutations(("X", "X+", "S", "S+")) if order[0].startswith("X")]
"""With a `+` it has its commission. A sale is not heard before its purchase: that is another story."""


@pytest.mark.parametrize("order", ORDERS_OF_HEARING, ids="".join)
@pytest.mark.parametrize("is_one_step", [False, True])
async def test_in_whatever_order_they_come(tmp_path: Path, order: tuple[str, ...], is_one_step: bool) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        entry = await bought(market, 497)
        exit_ = a_fill("JD", 497, 29.0, side=Side.SELL, order_ref="by-hand", execution_id="S1", at=market.now)
        fills = {"X": before_its_commission(entry), "X+": entry, "S": before_its_commission(exit_), "S+": exit_}
        heard = [FillReported(fills[name]) for name in order]
        for events in [heard] if is_one_step else [[event] for event in heard]:
            await market.handle(*events)
        assert market.sql("SELECT commission FROM trades ORDER BY id") == [(1.0,), (1.0,)]
        assert market.sql("SELECT pnl FROM round_trips") == [(-497 - 2.0,)]
        assert market.sql("SELECT realized_micros FROM book_positions") == [(micros(-499),)]
        await assert_sound(market)


async def test_it_is_charged_once_however_often_it_is_told(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market)
        await market.report(before_its_commission(fill))
        cash = market.one("SELECT cash_micros FROM book_accounts")
        await market.report(fill, times=3)
        await market.report(before_its_commission(fill))
        await market.report(fill)
        assert market.one("SELECT cash_micros FROM book_accounts") == cash - DOLLAR
        assert market.sql("SELECT execution_id, commission_micros FROM book_commissions") == [("X1", DOLLAR)]
        assert market.journaled(JournalType.COMMISSION) == 1
        assert not market.log.said("COMMISSION DIFFERS")
        await assert_sound(market)


@pytest.mark.parametrize("charged_before", [False, True])
async def test_a_restart_knows_what_was_charged(tmp_path: Path, charged_before: bool) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market)
        await market.report(before_its_commission(fill))
        if charged_before:
            await market.report(fill)
        await market.restart(keep_broker=True)
        news = await market.engine.news_of(answer(fill).evidence)
        assert news.executions == (() if charged_before else (fill,))
        await market.handle(answer(fill))
        assert market.sql("SELECT commission FROM trades") == [(1.0,)]
        assert market.journaled(JournalType.COMMISSION) == 1
        await assert_sound(market)


async def test_an_answer_tells_a_commission_as_a_report_does(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market)
        await market.report(before_its_commission(fill))
        for told, is_news in ((before_its_commission(fill), False), (fill, True), (fill, False)):
            news = await market.engine.news_of(answer(told).evidence)
            assert news.executions == ((told,) if is_news else ())
            await market.handle(EvidenceGiven((), news))
        assert market.sql("SELECT commission FROM trades") == [(1.0,)]
        await assert_sound(market)


async def test_of_an_execution_that_only_the_book_remembers_too(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market)
        await market.report(before_its_commission(fill))
        await market.jump(market.now + REMEMBERED + REMEMBERED)
        await market.restart(keep_broker=True)
        news = await market.engine.news_of(answer(fill).evidence)
        await market.handle(EvidenceGiven((), news))
        assert market.sql("SELECT commission FROM trades") == [(1.0,)]
        await assert_sound(market)


async def test_a_round_trip_that_is_over_pays_its_own_commission(tmp_path: Path) -> None:
    """The next position of the symbol is not touched, nor is the round trip after it."""
    async with a_machine(tmp_path, script=silent) as market:
        first = await bought(market, 497)
        await market.report(before_its_commission(first))
        last = a_fill("JD", 497, 31.0, side=Side.SELL, order_ref="by-hand", execution_id="S1", at=market.now)
        await market.report(before_its_commission(last))
        second = a_fill("JD", 10, 31.0, order_ref="by-hand", execution_id="X2", at=market.now, commission=0)
        await market.report(second)
        await market.report(first)
        assert market.sql("SELECT pnl FROM round_trips") == [(496.0,)]
        assert market.sql("SELECT realized_micros FROM book_positions") == [(0,)]
        other = a_fill("MSFT", 1, 400.0, order_ref="by-hand", commission=0, at=market.now)
        for fill in (other, other._replace(side=Side.SELL, execution_id="M2")):
            await market.report(fill)
        await market.report(second._replace(side=Side.SELL, execution_id="S2"))
        await market.report(last._replace(commission_micros=3 * DOLLAR))
        assert market.sql("SELECT pnl FROM round_trips") == [(493.0,), (0.0,), (0.0,)]
        await market.report(second._replace(commission_micros=2 * DOLLAR))
        assert market.sql("SELECT pnl FROM round_trips") == [(493.0,), (0.0,), (-2.0,)]
        assert market.sql("SELECT symbol, realized_micros FROM book_positions") == [("JD", micros(-2)), ("MSFT", 0)]
        await assert_sound(market)


async def test_what_closed_and_began_in_one_step_pays_as_in_many(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        first = await bought(market, 497)
        last = a_fill("JD", 497, 31.0, side=Side.SELL, order_ref="by-hand", execution_id="S1", at=market.now)
        second = a_fill("JD", 10, 31.0, order_ref="by-hand", execution_id="X2", at=market.now, commission=0)
        told = [before_its_commission(first), before_its_commission(last), second, first, last]
        await market.handle(*(FillReported(fill) for fill in told))
        assert market.sql("SELECT pnl FROM round_trips") == [(495.0,)]
        assert market.sql("SELECT realized_micros FROM book_positions") == [(0,)]
        await assert_sound(market)


async def test_a_commission_lowers_what_the_rest_of_its_order_reserves(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market, 100)
        await market.report(before_its_commission(fill))
        reserved = market.one("SELECT reserved_micros FROM book_accounts")
        await market.report(fill)
        assert market.one("SELECT reserved_micros FROM book_accounts") == reserved - DOLLAR
        await assert_sound(market)


async def test_a_rebate_is_a_commission_below_zero(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market)
        await market.report(before_its_commission(fill))
        cash = market.one("SELECT cash_micros FROM book_accounts")
        await market.report(fill._replace(commission_micros=-DOLLAR))
        assert market.one("SELECT cash_micros FROM book_accounts") == cash + DOLLAR
        await assert_sound(market)


# what was undone


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("quantity", [0, 300])
async def test_what_is_undone_gives_the_whole_commission_back(
    tmp_path: Path,
    quantity: int,
    together: bool,
) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market)
        cash = market.one("SELECT cash_micros FROM book_accounts")
        await market.report(before_its_commission(fill))
        revision = fill._replace(execution_id="X1.2", corrects=("X1",), quantity=quantity, commission_micros=0)
        if together:
            await market.handle(FillReported(fill), FillReported(revision))
        else:
            await market.report(fill)
            await market.report(revision)
        paid = market.one("SELECT cash_micros FROM book_accounts") - cash
        assert paid == -quantity * micros(30)
        assert market.sql("SELECT commission FROM trades WHERE purpose = 'reversal'") == [(-1.0,)]
        await assert_sound(market)


@pytest.mark.parametrize("together", [False, True])
async def test_a_sale_that_is_undone_gives_the_whole_commission_back(tmp_path: Path, together: bool) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        await market.report(await bought(market, 497))
        cash = market.one("SELECT cash_micros FROM book_accounts")
        sale = await sold(market, 497)
        await market.report(before_its_commission(sale))
        bust = sale._replace(execution_id="S1.2", corrects=("S1",), quantity=0, commission_micros=0)
        for told in ([sale, bust],) if together else ([sale], [bust]):
            await market.handle(*(FillReported(fill) for fill in told))
        assert market.one("SELECT cash_micros FROM book_accounts") == cash
        assert market.sql("SELECT quantity, cost_micros, realized_micros FROM book_positions") == [
            (497, 497 * micros(30), micros(498))
        ]
        await assert_sound(market)


async def test_the_end_of_another_position_in_the_same_step_does_not_make_it_past(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market)
        other = a_fill("MSFT", 1, 400.0, order_ref="by-hand", execution_id="M1", at=market.now)
        await market.handle(FillReported(before_its_commission(fill)), FillReported(other))
        await market.handle(FillReported(other._replace(side=Side.SELL, execution_id="M2")), FillReported(fill))
        assert market.sql("SELECT realized_micros FROM book_positions WHERE symbol = 'JD'") == [(-DOLLAR,)]
        await assert_sound(market)


async def test_of_a_position_that_begins_in_the_step_in_which_the_last_one_ends_it_is_no_past(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        await market.report(await bought(market, 497))
        cash = market.one("SELECT cash_micros FROM book_accounts")
        last = a_fill("JD", 497, 30.0, side=Side.SELL, order_ref="hand", execution_id="S1", at=market.now, commission=0)
        anew = a_fill("JD", 10, 30.0, order_ref="hand", execution_id="X2", at=market.now)
        await market.handle(*(FillReported(fill) for fill in (last, before_its_commission(anew), anew)))
        assert market.one("SELECT cash_micros FROM book_accounts") == cash + 487 * micros(30) - DOLLAR
        assert market.sql("SELECT pnl FROM round_trips") == [(-1.0,)]
        assert market.sql("SELECT realized_micros FROM book_positions") == [(-DOLLAR,)]
        await assert_sound(market)


async def test_what_was_undone_is_charged_nothing(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market)
        cash = market.one("SELECT cash_micros FROM book_accounts")
        await market.report(before_its_commission(fill))
        bust = fill._replace(execution_id="X1.2", corrects=("X1",), quantity=0, commission_micros=0)
        await market.report(bust)
        for _ in range(2):
            await market.report(fill)
            assert (await market.engine.news_of(answer(fill).evidence)).executions == ()
            assert market.one("SELECT cash_micros FROM book_accounts") == cash
            await market.restart(keep_broker=True)
        await assert_sound(market)


async def test_what_was_undone_is_charged_nothing_beside_another_correction_of_it(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market)
        cash = market.one("SELECT cash_micros FROM book_accounts")
        await market.report(before_its_commission(fill))
        second = fill._replace(execution_id="X1.2", corrects=("X1",), commission_micros=0)
        await market.report(second)
        third = second._replace(execution_id="X1.3", corrects=("X1", "X1.2"), quantity=300)
        await market.restart(keep_broker=True)
        await market.handle(FillReported(fill), FillReported(third))
        assert market.one("SELECT cash_micros FROM book_accounts") == cash - 300 * micros(30)
        await assert_sound(market)


async def test_what_was_undone_in_the_same_step_is_charged_nothing(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market)
        cash = market.one("SELECT cash_micros FROM book_accounts")
        bust = fill._replace(execution_id="X1.2", corrects=("X1",), quantity=0, commission_micros=0)
        await market.handle(*(FillReported(told) for told in (before_its_commission(fill), bust, fill)))
        assert market.one("SELECT cash_micros FROM book_accounts") == cash
        await assert_sound(market)


async def test_the_newest_revision_is_charged_its_own(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market)
        await market.report(fill)
        revision = fill._replace(execution_id="X1.2", corrects=("X1",), commission_micros=0)
        await market.report(revision)
        await market.report(revision._replace(commission_micros=2 * DOLLAR))
        assert market.sql("SELECT commission FROM trades ORDER BY id") == [(1.0,), (-1.0,), (2.0,)]
        await assert_sound(market)


async def test_an_operator_who_reverses_it_gives_the_whole_commission_back(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market, 497)
        await market.report(before_its_commission(fill))
        await market.report(fill)
        reversal = fill._replace(
            execution_id=reversal_of("X1"), side=Side.SELL, commission_micros=-DOLLAR, executed_at=market.now
        )
        await market.command(CommandName.ADJUST, fill=reversal)
        await market.report(fill._replace(commission_micros=2 * DOLLAR))
        assert market.sql("SELECT pnl FROM round_trips") == [(0.0,)]
        await assert_sound(market, "an order is filled by its fills and not beyond")


async def test_what_an_operator_has_reversed_is_charged_nothing(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market, 497)
        cash = market.one("SELECT cash_micros FROM book_accounts")
        await market.report(before_its_commission(fill))
        reversal = before_its_commission(fill)._replace(execution_id=reversal_of("X1"), side=Side.SELL)
        await market.command(CommandName.ADJUST, fill=reversal)
        await market.report(fill)
        assert market.one("SELECT cash_micros FROM book_accounts") == cash
        assert market.journaled(JournalType.COMMISSION) == 0


async def test_what_an_operator_reverses_in_the_step_that_books_it_is_charged_nothing(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market, 497)
        cash = market.one("SELECT cash_micros FROM book_accounts")
        reversal = before_its_commission(fill)._replace(execution_id=reversal_of("X1"), side=Side.SELL)
        adjusts = Command(CommandName.ADJUST, "operator", "a test", "all", "", fill=reversal)
        await market.handle(FillReported(before_its_commission(fill)), adjusts, FillReported(fill))
        assert market.sql("SELECT side FROM trades ORDER BY id") == [("BUY",), ("SELL",)]
        assert market.one("SELECT cash_micros FROM book_accounts") == cash


# what is left alone


async def test_a_commission_that_changes_is_said_once_and_left(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market)
        await market.report(fill)
        cash = market.one("SELECT cash_micros FROM book_accounts")
        other = fill._replace(commission_micros=micros("1.05"))
        for _ in range(3):
            news = await market.engine.news_of(answer(other).evidence)
            await market.handle(EvidenceGiven((), news), FillReported(other))
        assert len(market.log.said("COMMISSION DIFFERS JD: X1 is booked with 1.00 USD and told again with 1.05")) == 1
        assert market.one("SELECT cash_micros FROM book_accounts") == cash
        assert market.journaled(JournalType.COMMISSION) == 0
        await assert_sound(market)


async def test_one_that_changes_after_it_was_charged_late_is_said_too(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market)
        await market.report(before_its_commission(fill))
        await market.report(fill)
        await market.report(fill._replace(commission_micros=micros("1.05")), times=2)
        assert len(market.log.said("COMMISSION DIFFERS JD: X1 is booked with 1.00 USD and told again with 1.05")) == 1
        await assert_sound(market)


async def test_an_undoing_costs_nothing_whatever_is_told_of_it(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market)
        await market.report(fill)
        await market.report(fill._replace(execution_id="X1.2", corrects=("X1",), quantity=0, commission_micros=0))
        cash = market.one("SELECT cash_micros FROM book_accounts")
        await market.report(fill._replace(execution_id=reversal_of("X1")))
        assert market.one("SELECT cash_micros FROM book_accounts") == cash
        assert market.log.said("COMMISSION") == []


async def test_a_commission_that_cannot_be_one_is_left(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market)
        await market.report(before_its_commission(fill))
        cash = market.one("SELECT cash_micros FROM book_accounts")
        await market.report(fill._replace(commission_micros=micros(10**9)))
        await market.report(fill._replace(account="other"))
        assert market.one("SELECT cash_micros FROM book_accounts") == cash
        assert len(market.log.said("NOT OURS execution 'X1' is reported with the account 'other'")) == 1
        assert not market.engine.book.halts
        await assert_sound(market)


async def test_what_could_not_be_booked_is_charged_nothing(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        cash = market.one("SELECT cash_micros FROM book_accounts")
        short = a_fill("JD", 5, 30.0, side=Side.SELL, execution_id="S1", at=market.now)
        await market.report(before_its_commission(short))
        await market.report(short)
        assert market.one("SELECT cash_micros FROM book_accounts") == cash
        told = await market.engine.news_of(NO_EVIDENCE._replace(executions=(short,)))
        assert told.executions == (), "it is no news that it has cost something"
        await assert_sound(market)


async def test_the_shares_of_a_sale_that_were_held_pay_all_of_it(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        await market.report(await bought(market, 400))
        cash = market.one("SELECT cash_micros FROM book_accounts")
        sale = a_fill("JD", 450, 30.0, side=Side.SELL, order_ref="by-hand", execution_id="S1", at=market.now)
        await market.report(before_its_commission(sale))
        await market.report(sale)
        assert market.one("SELECT cash_micros FROM book_accounts") == cash + 400 * micros(30) - DOLLAR
        await assert_sound(market)


# the disk


async def test_one_that_cannot_be_written_is_charged_when_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market)
        await market.report(before_its_commission(fill))
        with an_unwritable_book(monkeypatch):
            await market.report(fill)
            assert market.sql("SELECT commission FROM trades") == [(0.0,)]
        await market.wait(1)
        assert market.sql("SELECT commission FROM trades") == [(1.0,)]
        await assert_sound(market)


async def test_what_cannot_be_looked_up_is_charged_when_it_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market)
        await market.report(before_its_commission(fill))

        async def unreadable(*_: object) -> None:
            raise BookUnwritable("disk I/O error")

        with monkeypatch.context() as broken:
            broken.setattr(market.book.store, "booked", unreadable)
            await market.report(fill)
        assert market.sql("SELECT commission FROM trades") == [(0.0,)]
        await market.wait(1)
        assert market.sql("SELECT commission FROM trades") == [(1.0,)]
        await assert_sound(market)


async def test_the_database_charges_an_execution_once(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market)
        await market.report(before_its_commission(fill))
        await market.report(fill)
        with closing(sqlite3.connect(market.path)) as book:
            book.execute("PRAGMA foreign_keys = ON")
            for write in (
                "INSERT INTO book_commissions VALUES ('paper', 'X1', 1, 1)",
                "INSERT INTO book_commissions VALUES ('paper', 'nobody', 1, 1)",
                "UPDATE book_commissions SET commission_micros = 2",
                "DELETE FROM book_commissions",
            ):
                with pytest.raises(sqlite3.IntegrityError):
                    book.execute(write)


async def test_the_story_of_an_execution_has_its_commission(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market)
        await market.report(before_its_commission(fill))
        await market.report(fill)
        with closing(sqlite3.connect(market.path)) as book:
            book.row_factory = sqlite3.Row
            rows = AccountRows(book, "paper")
            links = find_links(rows, "X1")
            assert links is not None
            said = [happening.said for happening in tell(rows, links) if happening.what == "commission"]
        assert said == ["1.00 for JD, told after the execution"]
