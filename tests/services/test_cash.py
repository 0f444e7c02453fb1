"""Cash that book and broker do not agree on stops entries until it is explained; a movement is booked once."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from builders import Market, a_fill, a_machine, an_unwritable_book, assert_sound

from trader.adapters.paper.broker import Treatment
from trader.adapters.run_lock import Holder
from trader.adapters.sqlite.projections import compare
from trader.adapters.sqlite.rebuilding import rebuild
from trader.app.requests import BadRequest, Requests
from trader.domain.cash import CashDrift, CashKind
from trader.domain.decision import Decision, Rule, Side
from trader.domain.events import Command, CommandName, Evidence, EvidenceGiven, JournalType
from trader.domain.money import micros

CASH = CommandName.CASH


async def told(market: Market, dollars: float | None, *, more_than_the_book: bool = True, **parts: Any) -> None:
    """A complete answer, whose cash is so much more than the book's."""
    cash = market.engine.book.cash_micros + micros(dollars) if dollars is not None else None
    if not more_than_the_book and dollars is not None:
        cash = micros(dollars)
    evidence = Evidence((), frozenset(market.engine.book.orders), {}, market.held(), cash)
    await market.handle(EvidenceGiven((), evidence._replace(**parts)))


async def found(market: Market, dollars: float) -> None:
    """Two answers show the same difference."""
    await told(market, dollars)
    await told(market, dollars)


async def an_entry(market: Market) -> Rule | None:
    """What an entry is refused by; None where it leaves."""
    decision: Decision = await market.submit("AAPL", 0.9)
    return decision.refusal.rule if decision.refusal is not None else None


# what differs


@pytest.mark.parametrize("dollars", [-100.0, 25.01, 1e6])
async def test_more_than_the_tolerance_stops_entries_and_says_both_numbers(tmp_path: Path, dollars: float) -> None:
    async with a_machine(tmp_path) as market:
        await found(market, dollars)
        decision = await market.submit("AAPL", 0.9)
        assert decision.refusal is not None
        assert decision.refusal.rule is Rule.CASH_DIFFERS
        assert f"the book has 100,000.00 USD and the broker {100_000 + dollars:,.2f}" in decision.refusal.detail
        assert "trader cash book" in decision.refusal.detail
        assert len([line for line in market.log.errors if line.startswith("CASH DIFFERS")]) == 1
        assert market.journaled(JournalType.CASH_DIFFERS) == 1
        assert market.sql("SELECT data ->> '$.stops_entries' FROM events WHERE type = 'cash_differs'") == [(1,)]
        await assert_sound(market)


@pytest.mark.parametrize("dollars", [-25.0, 0.01, 24.99])
async def test_up_to_the_tolerance_it_is_said_once_and_entries_leave(tmp_path: Path, dollars: float) -> None:
    async with a_machine(tmp_path) as market:
        await found(market, dollars)
        await found(market, dollars)
        assert len(market.log.said("CASH DIFFERS")) == 1
        assert not market.log.errors
        assert market.sql("SELECT data ->> '$.stops_entries' FROM events WHERE type = 'cash_differs'") == [(0,)]
        assert await an_entry(market) is None


async def test_the_tolerance_is_the_operators(tmp_path: Path) -> None:
    async with a_machine(tmp_path, limits={"cash_tolerance": 500}) as market:
        await found(market, 499.0)
        assert await an_entry(market) is None


async def test_less_than_a_cent_is_no_difference(tmp_path: Path) -> None:
    async with a_machine(tmp_path, limits={"cash_tolerance": 0}) as market:
        await found(market, 0.009)
        assert market.engine.book.cash_drift is None


async def test_exits_go_while_cash_differs(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.bars(2, {"JD": 0.9})
        await found(market, 100.0)
        await market.bar(closes={"JD": 29.0})
        await market.bar()
        assert market.held() == {}


@pytest.mark.parametrize(
    "part", [{"executions": None}, {"working": None}, {"ended": None}, {"positions": None}, {"cash_micros": None}]
)
async def test_an_answer_that_is_not_complete_proves_nothing(tmp_path: Path, part: dict[str, Any]) -> None:
    async with a_machine(tmp_path) as market:
        for _ in range(3):
            await told(market, 100.0, **part)
        assert await an_entry(market) is None


async def test_a_broker_that_keeps_no_cash_answers_completely(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        assert (await market.broker.evidence(())).unknown == ()
        assert Evidence((), frozenset(), {}, {}).cash_micros is None


async def test_one_answer_is_not_enough(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        for dollars in (100.0, 0.0, 100.0, 50.0, 100.0):
            await told(market, dollars)
        assert market.engine.book.cash_drift is None
        assert await an_entry(market) is None


async def test_while_an_order_is_live_a_report_may_be_on_its_way(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=lambda _: Treatment(delay_bars=9)) as market:
        await market.bar({"JD": 0.9})
        await found(market, -100.0)
        assert market.engine.book.cash_drift is None


async def test_an_answer_of_a_step_that_was_not_written_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        with an_unwritable_book(monkeypatch):
            await market.command(CommandName.HALT, "symbol", "JD")  # something that has to be written
            await told(market, 100.0)
        await told(market, 100.0)
        assert market.engine.book.cash_drift is None
        await told(market, 100.0)
        assert market.engine.book.cash_drift is not None


# how it ends


async def test_time_and_a_restart_do_not_end_it(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await found(market, -100.0)
        before = market.engine.book.cash_drift
        assert before == CashDrift(micros(100_000), micros(99_900), market.now)
        await market.bars(5)
        await market.restart()
        assert market.engine.book.cash_drift == before
        await market.bar()
        assert await an_entry(market) is Rule.CASH_DIFFERS
        await told(market, None)
        assert await an_entry(market) is Rule.CASH_DIFFERS


async def test_it_ends_when_the_two_agree(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await found(market, -100.0)
        await told(market, 0.0)
        assert market.log.said("CASH AGREES")
        assert market.journaled(JournalType.CASH_AGREES) == 1
        assert await an_entry(market) is None
        await market.restart()
        assert market.engine.book.cash_drift is None


async def test_an_execution_that_is_found_explains_it(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await found(market, -51.0)
        fill = a_fill("JD", 5, 10.0, at=market.now)
        await told(market, 99_949.0, more_than_the_book=False, executions=(fill,), positions={"JD": 5})
        assert market.engine.book.cash_drift is None
        await assert_sound(market)


async def test_a_commission_that_is_found_explains_it(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        fill = a_fill("JD", 5, 10.0, commission=30.0, at=market.now)
        await market.report(fill._replace(commission_micros=0))
        await found(market, -30.0)
        cash = market.engine.book.cash_micros / 1e6
        await told(market, cash - 30, more_than_the_book=False, executions=(fill,))
        assert market.engine.book.cash_drift is None
        await assert_sound(market)


async def test_trading_does_not_make_it_another_difference(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.bars(2, {"JD": 0.9})
        await found(market, -100.0)
        await market.bar(closes={"JD": 29.0})
        await market.bar()
        await found(market, -100.0)
        assert len(market.log.said("CASH DIFFERS")) == 1
        await found(market, -90.0)
        assert len(market.log.said("CASH DIFFERS")) == 2


@pytest.mark.parametrize(
    ("amount", "left"), [("-100", None), ("-80", -20), ("-99.995", None), ("-50", -50), ("-200", 100)]
)
async def test_a_movement_that_is_booked_explains_so_much(tmp_path: Path, amount: str, left: int | None) -> None:
    async with a_machine(tmp_path) as market:
        await found(market, -100.0)
        answer = await market.command(CASH, kind=CashKind.WITHDRAWAL, amount_micros=micros(amount))
        assert answer.startswith("booked")
        drift = market.engine.book.cash_drift
        assert (drift.difference_micros if drift is not None else None) == (micros(left) if left else None)
        await assert_sound(market)
        is_barred = left is not None and abs(left) > 25
        assert await an_entry(market) is (Rule.CASH_DIFFERS if is_barred else None)


async def test_what_is_taken_in_with_shares_explains_nothing(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await found(market, 300.0)
        for _ in range(2):
            await told(market, 300.0, positions={"JPM": 3})
        market.prices["JPM"] = 100.0
        await market.bar()
        await market.command(CommandName.ADOPT, "symbol", "JPM", price_micros=micros(100))
        assert market.held() == {"JPM": 3}
        drift = market.engine.book.cash_drift
        assert drift is not None
        assert drift.difference_micros == micros(300)
        await assert_sound(market)


# movements


async def test_a_movement_of_a_statement_is_booked_once(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        for number in range(3):
            answer = await market.command(CASH, kind=CashKind.DIVIDEND, amount_micros=micros(5), movement="A")
            assert answer.startswith("booked" if not number else "refused: A is booked already")
            if number == 1:
                await market.restart()
        await market.command(CASH, kind=CashKind.DIVIDEND, amount_micros=micros(5), movement="B")
        assert market.one("SELECT cash FROM account") == 100_010
        await assert_sound(market)


async def test_two_of_the_same_in_one_step_are_booked_once(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        more: dict[str, Any] = {"kind": CashKind.FEE, "amount_micros": micros(-5), "movement": "A"}
        await market.handle(*(Command(CASH, "operator", "a test", **more) for _ in range(2)))
        assert market.journaled(JournalType.COMMAND) == 2
        assert market.one("SELECT cash FROM account") == 99_995


async def test_the_same_by_hand_twice_are_two(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        for _ in range(2):
            await market.command(CASH, kind=CashKind.DEPOSIT, amount_micros=micros(5))
        assert market.one("SELECT cash FROM account") == 100_010


@pytest.mark.parametrize(
    ("kind", "amount"), [(CashKind.DEPOSIT, -1), (CashKind.WITHDRAWAL, 1), (CashKind.FEE, 0), (CashKind.FEE, -(10**6))]
)
async def test_an_amount_that_cannot_be_is_refused(tmp_path: Path, kind: CashKind, amount: int) -> None:
    async with a_machine(tmp_path) as market:
        answer = await market.command(CASH, kind=kind, amount_micros=micros(amount))
        assert answer.startswith("refused")
        assert market.one("SELECT cash FROM account") == 100_000


@pytest.mark.parametrize("kind", ["gift", "", None])
async def test_a_kind_that_is_none_is_not_asked_for(tmp_path: Path, kind: str | None) -> None:
    async with a_machine(tmp_path) as market:
        requests = Requests(market.engine, market.clock, Holder(1, "1", "x", "now"), (), lambda _: None)
        with pytest.raises(BadRequest, match="kind has to be"):
            await requests.answer(
                {"ask": "cash", "operator": "me", "reason": "x", "kind": kind, "amount_micros": micros(1)}
            )


async def test_a_book_that_has_lost_its_cash_is_rebuilt_from_the_journal(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.report(a_fill("JD", 5, 10.0, commission=0, execution_id="X1", at=market.now))
        await market.report(a_fill("JD", 5, 10.0, commission=2, execution_id="X1", at=market.now))
        await market.report(a_fill("JD", 5, 10.0, side=Side.SELL, commission=0, execution_id="S1", at=market.now))
        await market.report(a_fill("JD", 5, 10.0, side=Side.SELL, commission=2, execution_id="S1", at=market.now))
        await market.command(CASH, kind=CashKind.FEE, amount_micros=micros(-5), movement="A")
        await found(market, -100.0)
        path = market.path
    with closing(sqlite3.connect(path, isolation_level=None)) as book:
        whole = list(book.iterdump())
        book.execute("DROP TRIGGER cash_movements_are_append_only_d")
        book.execute("DELETE FROM book_cash_movements")
        book.execute("DELETE FROM book_cash_drift")
        book.execute("UPDATE book_round_trips SET pnl_micros = 0, closed_by = ''")
        book.execute("UPDATE book_positions SET realized_micros = 0")
        assert len(compare(book, "paper").findings) >= 5
        assert rebuild(book, "paper", "test") == (5, 0)
        assert compare(book, "paper").findings == []
        tables = ("book_round_trips", "book_cash", "book_positions", "book_commissions")
        assert [line for line in book.iterdump() if any(f'INTO "{name}' in line for name in tables)] == [
            line for line in whole if any(f'INTO "{name}' in line for name in tables)
        ]
