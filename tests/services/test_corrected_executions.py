"""A broker corrects an execution, or says that it never happened: it counts once, as it was said last."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from builders import MINUTE, SECOND, Market, a_fill, a_machine, an_unwritable_book, assert_sound

from trader.adapters.paper.broker import Treatment
from trader.app.links import AccountRows, find_links
from trader.app.story import tell
from trader.domain.decision import Side
from trader.domain.errors import BookUnwritable
from trader.domain.events import CommandName, Ended, Evidence, EvidenceGiven, Fate, FillReported, JournalType, OrderLost
from trader.domain.ledger import Lot
from trader.domain.money import micros
from trader.domain.order import Fill, Order, reversal_of
from trader.services.recent import REMEMBERED

ENTRY, EXIT = "paper-1-0001", "paper-1-0002"


def silent(_: Order) -> Treatment:
    """A broker that only says what the test reports."""
    return Treatment(parts=(0,), ignore_cancel=True)


def only_cancels(_: Order) -> Treatment:
    """The same, but it cancels what it is asked to cancel."""
    return Treatment(parts=(0,))


def corrected(fill: Fill, *more: str, revision: int = 2, **new: Any) -> Fill:
    """The revision of an execution that replaces it, and others by id."""
    id_ = f"{fill.execution_id}.{revision}"
    return fill._replace(execution_id=id_, corrects=(fill.execution_id, *more), **new)


def busted(fill: Fill, **new: Any) -> Fill:
    return corrected(fill, quantity=0, **new)


async def an_entry(market: Market, symbol: str = "JD") -> int:
    """The strategy has bought; give the shares that its order asks for."""
    await market.bar({symbol: 0.9})
    return int(market.one("SELECT quantity FROM orders WHERE side = 'BUY'"))


async def bought(market: Market, quantity: int = 0, price: float = 30.0) -> Fill:
    """An entry, and the report of its execution, whole or in part."""
    await an_entry(market)
    return await bought_of(market, quantity, price)


async def bought_of(market: Market, quantity: int = 0, price: float = 30.0) -> Fill:
    """The report of the execution of an entry that works, whole or in part."""
    ordered = int(market.one("SELECT quantity FROM orders WHERE side = 'BUY'"))
    fill = a_fill("JD", quantity or ordered, price, order_ref=ENTRY, execution_id="X1", at=market.now)
    await market.report(fill)
    return fill


async def sold(market: Market, quantity: int = 0, price: float = 29.0, at: int = 1) -> Fill:
    """The stop is touched, and its exit executed, whole or in part."""
    await market.bar(closes={"JD": 29.0})
    [(ref, ordered)] = market.sql("SELECT order_ref, quantity FROM orders WHERE side = 'SELL'")
    assert ref == EXIT
    fill = a_fill(
        "JD", quantity or ordered, price, side=Side.SELL, order_ref=ref, execution_id="S1", at=market.now - at * SECOND
    )
    await market.report(fill)
    return fill


def numbers(market: Market) -> tuple[Any, ...]:
    """What a person compares: cash, what was realised, what is held and at what cost, what the order has filled."""
    [account] = market.sql("SELECT cash_micros FROM book_accounts")
    [realized] = market.sql("SELECT sum(realized_micros) FROM book_fills")
    held = market.sql("SELECT symbol, quantity, cost_micros, bought, bought_micros, sold_micros FROM book_positions")
    orders = market.sql("SELECT order_ref, filled, state FROM book_orders ORDER BY 1")
    return account, realized, [row for row in held if row[1]], orders


# a corrected purchase


@pytest.mark.parametrize("new", [{"quantity": 300}, {"price_micros": micros(30.5)}, {"commission_micros": micros(7)}])
async def test_a_corrected_entry_leaves_what_it_alone_would_have_left(tmp_path: Path, new: dict[str, Any]) -> None:
    books = []
    for folder, is_corrected in (("once", False), ("corrected", True)):
        (tmp_path / folder).mkdir()
        async with a_machine(tmp_path / folder, script=silent) as market:
            ordered = await an_entry(market)
            fill = a_fill("JD", 400, 30.0, order_ref=ENTRY, execution_id="X1", at=market.now)
            if is_corrected:
                await market.report(fill)
                await market.wait(1)
                await market.report(corrected(fill, **new))
            else:
                await market.report(fill._replace(**new))
                await market.wait(1)
            assert ordered > 400
            reserved = market.one("SELECT reserved_micros FROM book_accounts")
            plan = market.sql("SELECT entry, initial_stop, stop_loss, take_profit, state FROM armed_exits")
            books.append((numbers(market), reserved, plan))
            await assert_sound(market)
            assert not market.engine.book.halts
    assert books[0] == books[1]


async def test_three_rows_tell_what_happened(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market)
        await market.report(corrected(fill, price_micros=micros(30.5)))
        assert market.sql(
            "SELECT side, quantity, price, commission, purpose, reason, execution_id FROM trades ORDER BY id"
        ) == [
            ("BUY", 497, 30.0, 1.0, "entry", "signal", "X1"),
            ("SELL", 497, 30.0, -1.0, "reversal", "corrected by X1.2", "reversal-of-X1"),
            ("BUY", 497, 30.5, 1.0, "entry", "corrects X1", "X1.2"),
        ]
        assert not market.engine.book.halts
        assert market.log.said("EXECUTION CORRECTED JD: X1.2 replaces X1: BUY 497@30.00 is undone")
        with closing(sqlite3.connect(market.path)) as book:
            book.row_factory = sqlite3.Row
            rows = AccountRows(book, "paper")
            links = find_links(rows, "X1")
            assert links is not None
            told = "\n".join(happening.said for happening in tell(rows, links))
        assert "corrected by X1.2" in told
        assert "corrects X1" in told


async def test_an_entry_that_works_on_goes_on_opening(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market, 400)
        await market.report(corrected(fill, quantity=497))
        assert market.sql("SELECT state, filled FROM orders") == [("filled", 497)]
        assert market.sql("SELECT quantity, state FROM positions") == [(497, "open")]
        assert market.one("SELECT reserved_micros FROM book_accounts") == 0
        await assert_sound(market)


@pytest.mark.parametrize("which", [0, 1])
async def test_a_corrected_part_of_several_uses_its_own_lot(tmp_path: Path, which: int) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        first = await bought(market, 100)
        second = a_fill("JD", 50, 30.1, order_ref=ENTRY, execution_id="X2", at=market.now)
        await market.report(second)
        parts = [first, second]
        await market.report(corrected(parts[which], quantity=30, price_micros=micros(30.2)))
        other = parts[1 - which]
        assert market.engine.book.lots["JD"] == (
            Lot(other.execution_id, "JD", market.now, other.quantity, other.quantity * other.price_micros),
            Lot(f"{parts[which].execution_id}.2", "JD", market.now, 30, 30 * micros(30.2)),
        )
        assert market.sql("SELECT filled, state FROM orders") == [(other.quantity + 30, "working")]
        assert market.sql("SELECT bought, sold_micros FROM book_positions") == [(other.quantity + 30, 0)]
        await assert_sound(market)


async def test_shares_that_are_held_stand_in_for_those_of_a_busted_part_that_are_sold(tmp_path: Path) -> None:
    """As if they had been sold at what it was booked at: the sums are exact, and so is the round trip's P&L."""
    async with a_machine(tmp_path, script=only_cancels) as market:
        first = await bought(market, 100)
        await market.report(a_fill("JD", 397, 30.1, order_ref=ENTRY, execution_id="X2", at=market.now))
        await sold(market, 150)
        await market.report(busted(first))
        assert market.engine.book.lots["JD"][0][3:] == (247, 247 * micros(30.1))
        assert market.sql("SELECT quantity, bought FROM book_positions") == [(247, 497)]
        await market.wait(6)
        [exit_] = market.engine.book.orders.values()
        assert exit_.remaining == 247
        await assert_sound(market)
        await market.report(a_fill("JD", 247, 29.0, side=Side.SELL, order_ref=exit_.ref, at=market.now))
        assert market.one("SELECT pnl_micros FROM book_round_trips") == 397 * micros(-1.1) - micros(3)
        await assert_sound(market)


async def test_a_part_is_corrected_also_when_the_rest_was_resolved_by_hand(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market, 400)
        await market.handle(OrderLost(ENTRY, "no answer"))
        resolving: dict[str, Any] = {"order_ref": ENTRY, "fate": Fate.FILLED, "price_micros": micros(30)}
        await market.command(CommandName.RESOLVE, **resolving)
        assert market.held() == {"JD": 497}
        await market.report(corrected(fill, quantity=399))
        assert market.held() == {"JD": 496}
        assert not market.engine.book.halts
        await assert_sound(market)


async def test_an_execution_that_nobody_ordered_can_be_corrected(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = a_fill("JD", 10, 30.0, order_ref="by-hand", execution_id="H1", at=market.now)
        await market.report(fill)
        await market.report(busted(fill))
        assert market.held() == {}
        await assert_sound(market)


async def test_a_position_on_its_way_out_stays_so_when_its_entry_is_corrected(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market)
        await market.bar(closes={"JD": 29.0})
        assert market.one("SELECT state FROM positions") == "closing"
        await market.report(corrected(fill, price_micros=micros(30.2)))
        assert market.sql("SELECT state, closing_reason, quantity, cost_micros FROM book_positions") == [
            ("closing", "stop", 497, 497 * micros(30.2))
        ]
        assert market.journaled(JournalType.POSITION_CLOSING) == 2
        assert len(market.sql("SELECT DISTINCT data FROM events WHERE type = 'position_closing'")) == 1
        assert market.working() == [("SELL", "JD")]
        await assert_sound(market)


# told again, told late, told in another order


@pytest.mark.parametrize("restarts", [False, True])
async def test_a_correction_told_twice_counts_once(tmp_path: Path, restarts: bool) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market, 400)
        correction = corrected(fill, quantity=300)
        await market.report(correction, 2)
        if restarts:
            await market.restart()
        await market.report(correction, 2)
        await market.report(fill)
        assert market.held() == {"JD": 300}
        assert not market.engine.book.halts
        await assert_sound(market)


@pytest.mark.parametrize("restarts", [False, True])
async def test_a_bust_told_twice_counts_once(tmp_path: Path, restarts: bool) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market, 400)
        await market.report(busted(fill), 2)
        if restarts:
            await market.restart()
        await market.report(busted(fill), 2)
        await market.report(fill)
        assert market.held() == {}
        assert market.one("SELECT count(*) FROM trades") == 2
        assert not market.engine.book.halts
        await assert_sound(market)


async def test_a_correction_found_by_asking_counts_as_one_reported(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market, 400)
        correction = corrected(fill, quantity=300)
        evidence = Evidence((correction,), frozenset({ENTRY}), {}, {"JD": 300})
        for _ in range(2):
            await market.handle(EvidenceGiven((), await market.engine.news_of(evidence)))
        assert market.held() == {"JD": 300}
        assert market.journaled(JournalType.DRIFT_FOUND) == 0
        await assert_sound(market)


@pytest.mark.parametrize("hears_the_second", [False, True])
async def test_a_correction_of_a_correction(tmp_path: Path, hears_the_second: bool) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        first = await bought(market, 400)
        second = corrected(first, quantity=300)
        third = corrected(first, second.execution_id, revision=3, quantity=200)
        if hears_the_second:
            await market.report(second)
        await market.report(third)
        await market.report(second)
        assert market.held() == {"JD": 200}
        assert market.one("SELECT filled FROM orders") == 200
        await market.restart()
        await market.report(second)
        assert market.held() == {"JD": 200}
        assert not market.engine.book.halts
        await assert_sound(market)


@pytest.mark.parametrize("restarts", [False, True])
async def test_an_original_that_comes_after_its_correction_changes_nothing(tmp_path: Path, restarts: bool) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        await an_entry(market)
        fill = a_fill("JD", 400, 30.0, order_ref=ENTRY, execution_id="X1", at=market.now)
        await market.report(corrected(fill, quantity=300))
        if restarts:
            await market.restart()
        await market.report(fill)
        assert market.trades() == [("BUY", "JD", 300)]
        assert market.journaled(JournalType.UNEXPECTED_FILL) == 0
        assert not market.engine.book.halts
        await assert_sound(market)


async def test_what_replaces_nothing_has_to_fit_its_order_like_any_execution(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        await an_entry(market)
        fill = a_fill("MSFT", 3, 400.0, order_ref=ENTRY, execution_id="X1", at=market.now)
        await market.report(corrected(fill))
        assert market.held() == {}
        assert market.log.said("UNEXPECTED EXECUTION MSFT: execution X1.2 is told as a BUY of MSFT, while its order")
        await assert_sound(market)


async def test_an_original_that_comes_after_its_bust_changes_nothing(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        await an_entry(market)
        fill = a_fill("JD", 400, 30.0, order_ref=ENTRY, execution_id="X1", at=market.now)
        await market.report(busted(fill))
        await market.report(fill)
        assert market.trades() == []
        assert market.journaled(JournalType.UNEXPECTED_FILL) == 1
        assert market.log.said("EXECUTION BUSTED JD: X1.2 replaces X1: that was never booked")
        assert not market.engine.book.halts
        await assert_sound(market)


@pytest.mark.parametrize("reversed_", [False, True])
async def test_an_execution_is_corrected_in_the_step_in_which_it_is_heard(tmp_path: Path, reversed_: bool) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        await an_entry(market)
        fill = a_fill("JD", 400, 30.0, order_ref=ENTRY, execution_id="X1", at=market.now)
        reports = [FillReported(fill), FillReported(corrected(fill, quantity=300))]
        await market.handle(*(reports[::-1] if reversed_ else reports))
        assert market.held() == {"JD": 300}
        await assert_sound(market)


async def test_a_correction_that_could_not_be_written_is_taken_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market, 400)
        with an_unwritable_book(monkeypatch):
            await market.report(corrected(fill, quantity=300))
        assert market.held() == {"JD": 400}
        await market.wait(1)
        assert market.held() == {"JD": 300}
        await assert_sound(market)


async def test_a_correction_whose_original_could_not_be_read_is_taken_up_again(tmp_path: Path) -> None:
    """The exits of that step go all the same, and are of what the book holds."""
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market)
        store, read = market.book.store, market.book.store.booked

        async def fail(*_: object) -> Any:
            raise BookUnwritable("the disk is gone")

        store.booked = fail  # type: ignore[method-assign,assignment]
        await market.engine.inbox.put(FillReported(corrected(fill, quantity=490)))
        await market.bar(closes={"JD": 29.0})
        assert market.held() == {"JD": 497}
        assert [
            working.order.quantity for working in market.broker._working.values() if working.order.side == "SELL"
        ] == [497]
        store.booked = read  # type: ignore[method-assign]
        await market.wait(1)
        assert market.held() == {"JD": 490}


# corrected sales, and busts


async def test_a_corrected_exit_realises_what_it_should_have_realised(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        await bought(market)
        fill = await sold(market)
        await market.report(corrected(fill, price_micros=micros(28.5)))
        assert market.held() == {}
        assert market.one("SELECT sum(realized_micros) FROM book_fills") == 497 * micros(-1.5) - micros(2)
        assert market.sql("SELECT filled, state FROM orders WHERE side = 'SELL'") == [(497, "filled")]
        assert market.one("SELECT round(sum(pnl), 2) FROM round_trips") == -747.5
        assert market.engine.book.day is not None
        assert market.engine.book.day.sold_micros == 497 * micros(28.5)
        await assert_sound(market)


async def test_a_corrected_part_of_an_exit_sells_the_same_lots_again(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        await bought(market, 397)
        await market.report(a_fill("JD", 100, 30.4, order_ref=ENTRY, execution_id="X2", at=market.now))
        fill = await sold(market, 397)
        await market.report(corrected(fill, price_micros=micros(28.5)))
        assert market.sql("SELECT execution_id, remaining FROM book_lots WHERE remaining > 0") == [("X2", 100)]
        assert market.sql("SELECT bought, sold_micros, state FROM book_positions") == [
            (497, 397 * micros(28.5), "closing")
        ]
        assert market.one("SELECT realized_micros FROM book_positions") == 397 * micros(-1.5) - micros(3)
        await assert_sound(market)


@pytest.mark.parametrize("held", [0, 400])
@pytest.mark.parametrize("restarts", [False, True])
async def test_a_corrected_sale_of_more_than_was_held_moves_its_order_once(
    tmp_path: Path, held: int, restarts: bool
) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market)
        await market.bar(closes={"JD": 29.0})
        for ref, id_, quantity in (("hand", "H1", fill.quantity - held), (EXIT, "S1", 450)):
            sale = a_fill("JD", quantity, 29.0, side=Side.SELL, order_ref=ref, execution_id=id_, at=market.now)
            await market.report(sale)
        if restarts:
            await market.restart()
        for _ in range(2):
            assert market.held() == {}
            assert market.one("SELECT filled FROM orders WHERE order_ref = ?", EXIT) == 450
            await market.report(corrected(sale, price_micros=micros(28.9)))


async def test_shares_of_a_busted_exit_are_held_again_and_sold_again(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        await bought(market)
        before = numbers(market)[:2]
        fill = await sold(market)
        market.script = lambda _: Treatment()
        await market.report(busted(fill))
        assert market.held() == {"JD": 497}
        assert numbers(market)[:2] == before
        assert market.sql("SELECT quantity, entry FROM armed_exits") == [(497, 30.0)]
        assert market.log.said("EXECUTION BUSTED JD: S1.2 replaces S1: SELL 497@29.00 is undone")
        await assert_sound(market)
        market.script = lambda _: Treatment()
        await market.bar()
        await market.bar()
        await market.bar()
        assert market.held() == {}
        assert market.trades()[-1] == ("SELL", "JD", 497)
        await assert_sound(market)


async def test_a_busted_exit_of_an_earlier_position_joins_the_one_that_is_held(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        await bought(market)
        fill = await sold(market)
        await market.report(a_fill("JD", 100, 30.0, order_ref="by-hand", at=market.now))
        await market.report(busted(fill))
        assert market.held() == {"JD": 597}
        assert market.sql("SELECT bought, sold_micros FROM book_positions") == [(597, 0)]
        await assert_sound(market)


async def test_of_a_busted_entry_nothing_is_held_and_cash_is_back_to_the_micro(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        before, ordered = numbers(market)[:1], await an_entry(market)
        reserved = market.one("SELECT reserved_micros FROM book_accounts")
        fill = a_fill("JD", ordered - 1, 29.987654, order_ref=ENTRY, execution_id="X1", at=market.now)
        await market.report(fill)
        await market.report(busted(fill))
        assert market.held() == {}
        assert numbers(market)[:2] == (*before, (0,))
        assert market.sql("SELECT filled, state FROM orders") == [(0, "working")]
        assert market.one("SELECT reserved_micros FROM book_accounts") == reserved
        assert market.sql("SELECT * FROM round_trips") == []
        await assert_sound(market)


async def test_an_exit_of_a_busted_entry_is_cancelled(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=only_cancels) as market:
        fill = await bought(market)
        await market.bar(closes={"JD": 29.0})
        assert market.working() == [("SELL", "JD")]
        await market.report(busted(fill))
        assert market.held() == {}
        assert market.working() == []
        assert market.one("SELECT state FROM orders WHERE side = 'SELL'") == "cancelled"
        await assert_sound(market)


async def test_an_exit_of_a_busted_entry_is_cancelled_though_the_clock_says_that_nobody_trades(tmp_path: Path) -> None:
    """A clock that was set back says so while the exchange is open, and fills the exit: of nothing, a short."""
    async with a_machine(tmp_path, script=only_cancels) as market:
        fill = await bought(market)
        await market.bar(closes={"JD": 29.0})
        assert market.working() == [("SELL", "JD")]
        market.clock.set(market.now - 12 * 60 * MINUTE)
        await market.report(busted(fill))
        assert market.held() == {}
        assert market.working() == []


async def test_a_bust_ends_a_drift_as_soon_as_the_broker_is_asked(tmp_path: Path) -> None:
    """The broker's number had the bust in it already: it is not taken off a second time."""
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market)
        evidence = Evidence((), frozenset(), {ENTRY: Ended(0, "done")}, {})
        for _ in range(2):
            await market.handle(EvidenceGiven((), evidence))
        assert market.sql("SELECT book, broker FROM book_drift") == [(497, 0)]
        await market.report(busted(fill))
        assert market.sql("SELECT book, broker FROM book_drift") == [(0, 0)]
        await market.handle(EvidenceGiven((), evidence))
        assert market.sql("SELECT book, broker FROM book_drift") == []
        await assert_sound(market)


# what is said


def of_an_execution(market: Market) -> list[str]:
    return market.log.said("EXECUTION ")


async def test_of_what_is_undone_each_execution_is_said_as_an_error(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        first = await bought(market, 100)
        await market.report(a_fill("JD", 50, 30.1, order_ref=ENTRY, execution_id="X2", at=market.now))
        await market.report(corrected(first, "X2", quantity=150))
        sentence = (
            "EXECUTION CORRECTED JD: X1.2 replaces X1, X2: BUY 100@30.00 is undone, BUY 50@30.10 is undone "
            "account=paper"
        )
        assert of_an_execution(market) == [sentence]
        assert sentence in market.log.errors
        told = "SELECT data ->> 'corrects' FROM events WHERE data ->> 'execution_id' = 'X1.2'"
        assert market.one(told) == "X1 X2"
        await market.report(busted(first._replace(execution_id="X1.2")))
        assert market.sql("SELECT reason FROM trades WHERE purpose = 'reversal' ORDER BY id") == [
            ("corrected by X1.2",),
            ("corrected by X1.2",),
            ("busted by X1.2.2",),
        ]
        assert market.journaled(JournalType.UNEXPECTED_FILL) == 0


async def test_each_execution_is_said_with_what_it_has_left(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        await bought(market)
        fill = await sold(market, 100)
        await market.report(busted(fill))
        beginnings = ("Created", "FILL", "REVERSAL")
        assert [line for line in market.log.lines if line.startswith(beginnings)] == [
            "Created position JD account=paper",
            "FILL BUY JD 497@30.00 reason=signal held=497 ref=paper-1-0001 account=paper",
            "FILL SELL JD 100@29.00 reason=stop realised=-101.00 held=397 ref=paper-1-0002 account=paper",
            "REVERSAL BUY JD 100@29.00 reason=busted by S1.2 held=497 ref=paper-1-0002 account=paper",
        ]


async def test_a_bust_of_what_was_never_booked_is_said_and_kept_as_text(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        await an_entry(market)
        fill = a_fill("JD", 400, 30.0, order_ref=ENTRY, execution_id="X1", at=market.now)
        await market.report(corrected(fill, "X0", quantity=0))
        said = "EXECUTION BUSTED JD: X1.2 replaces X1, X0: that was never booked, and will not be account=paper"
        assert of_an_execution(market) == [said]
        assert market.log.errors == []
        kept = "SELECT symbol, data ->> 'execution_id', data ->> 'order_ref', data ->> 'reported' FROM events"
        assert market.sql(f"{kept} WHERE type = 'unexpected_fill'") == [
            ("JD", "X1.2", ENTRY, "a bust of X1 X0, which was never booked")
        ]


async def test_a_correction_of_what_was_undone_before_is_said_as_no_error(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market, 400)
        await market.report(busted(fill))
        errors = len(market.log.errors)
        await market.report(corrected(fill, revision=3, quantity=300))
        assert of_an_execution(market)[1:] == [
            "EXECUTION CORRECTED JD: X1.3 replaces X1: that was undone before account=paper"
        ]
        assert len(market.log.errors) == errors
        assert market.journaled(JournalType.UNEXPECTED_FILL) == 0
        assert market.held() == {"JD": 300}


# what cannot be undone


async def assert_alarmed_and_unchanged(
    market: Market, report: Fill, why: str, said: str = "UNEXPECTED EXECUTION", halted: str = "all"
) -> None:
    before = numbers(market)
    await market.report(report)
    assert numbers(market) == before
    assert market.journaled(JournalType.UNEXPECTED_FILL) == 1
    assert market.journaled(JournalType.ALARM) == 1
    [sentence] = market.log.said(said)
    assert why in sentence
    assert list(market.engine.book.halts) == [halted]
    await assert_sound(market)


async def test_a_purchase_whose_shares_are_sold_on_cannot_be_undone(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market)
        await sold(market, 100)
        await assert_alarmed_and_unchanged(market, busted(fill), "it has bought 497 shares, and only 397 are still")


async def test_purchases_that_are_corrected_together_are_held_together_or_cannot_be_undone(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        first = await bought(market, 100)
        await market.report(a_fill("JD", 397, 30.0, order_ref=ENTRY, execution_id="X2", at=market.now))
        await sold(market, 100)
        why = "it has bought 497 shares, and only 397 are still"
        await assert_alarmed_and_unchanged(market, corrected(first, "X2", quantity=497), why)


async def test_a_correction_on_another_side_undoes_nothing(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market)
        await assert_alarmed_and_unchanged(market, corrected(fill, side=Side.SELL), "X1 was a BUY of JD")


async def test_a_correction_of_another_symbol_undoes_nothing(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market)
        await assert_alarmed_and_unchanged(market, busted(fill, symbol="AAPL"), "X1 was a BUY of JD")


async def test_a_correction_for_another_account_undoes_nothing(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market)
        await assert_alarmed_and_unchanged(market, busted(fill, account="other"), "the account 'other'")


async def test_a_correction_of_itself_undoes_nothing(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market)
        report, why = fill._replace(execution_id="Y", corrects=("Y",)), "the correction of itself"
        await assert_alarmed_and_unchanged(market, report, why, "EXECUTION NOT READABLE JD", "symbol:JD")


async def test_an_old_original_that_the_book_never_had_is_for_a_person(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        old = a_fill("JD", 10, 30.0, execution_id="X0", at=market.now - REMEMBERED - SECOND)
        why = "the book has never had X0 or X9, and it would be of long ago"
        await assert_alarmed_and_unchanged(market, corrected(old, "X9"), why)


async def test_an_original_that_is_just_not_too_old_is_booked(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        oldest = a_fill("JD", 10, 30.0, order_ref="by-hand", execution_id="X0", at=market.now - REMEMBERED)
        await market.report(corrected(oldest))
        assert market.held() == {"JD": 10}


async def test_a_busted_correction_of_an_operator_leaves_its_order_alone(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        await bought(market)
        by_hand = a_fill("JD", 5, 30.0, order_ref=ENTRY, execution_id="H1", at=market.now)
        await market.command(CommandName.ADJUST, fill=by_hand)
        assert market.held() == {"JD": 502}
        await market.report(busted(by_hand))
        assert market.held() == {"JD": 497}
        assert market.one("SELECT filled FROM orders") == 497
        await assert_sound(market)


async def test_the_journal_says_which_execution_has_ended_a_lock(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        part = await bought(market, 400)
        await market.report(corrected(part, quantity=300))
        await market.report(a_fill("JD", 197, 30.0, order_ref=ENTRY, at=market.now))
        await market.command(CommandName.ADJUST, fill=a_fill("JD", 5, 30.0, order_ref="by-hand", at=market.now))
        released = "SELECT purpose, released FROM (SELECT seq, data ->> 'purpose' AS purpose, data -> 'lock_released' "
        assert market.sql(f"{released} AS released FROM events WHERE type = 'fill') ORDER BY seq") == [
            ("entry", "false"),
            ("reversal", "false"),
            ("entry", "false"),
            ("entry", "true"),
            ("adjust", "false"),
        ]


async def test_what_an_operator_has_undone_is_not_undone_again(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        fill = await bought(market)
        by_hand = fill._replace(
            execution_id=reversal_of("X1"), side=Side.SELL, commission_micros=-fill.commission_micros
        )
        await market.command(CommandName.ADJUST, fill=by_hand)
        await market.report(busted(fill))
        assert market.held() == {}
        assert market.one("SELECT count(*) FROM trades") == 2


async def test_a_correction_waits_for_the_spilled_exit_of_its_symbol(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It left when more was held: in one step the book would refuse it, and with it all that has left."""
    async with a_machine(tmp_path, script=silent) as market:
        await an_entry(market)
        with an_unwritable_book(monkeypatch):
            fill = await bought_of(market)
            await market.bar(closes={"JD": 29.0})
            assert len(market.spill.read()) == 1
            await market.report(busted(fill))
        await market.wait(1)
        assert market.sql("SELECT order_ref FROM orders WHERE side = 'SELL'") == [(EXIT,)]
        assert market.log.said("CANNOT BE BOOKED") == []
        await market.report(busted(fill))  # as the next complete answer does
        assert market.held() == {}


async def test_a_spilled_exit_of_shares_that_a_bust_has_given_back_is_booked_with_that_bust(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        await bought(market)
        sale = await sold(market)
        assert market.held() == {}
        with an_unwritable_book(monkeypatch):
            await market.report(busted(sale))
            await market.bar(closes={"JD": 28.0})
            await market.bar(closes={"JD": 28.0})
            assert len(market.spill.read()) == 1
        await market.wait(1)
        assert market.log.said("CANNOT BE BOOKED") == []
        assert market.working() == [("SELL", "JD")]
