"""The book cannot be written: entries stop, exits go on by the spill file and come home once."""

import sqlite3
from collections.abc import Collection
from pathlib import Path

import pytest
from builders import MINUTE, Market, a_bar, a_machine, an_order, an_unwritable_book

from trader.adapters.paper.broker import PaperBroker, Treatment
from trader.adapters.spill_file import SpillFile
from trader.domain.decision import Side
from trader.domain.events import BrokerEvent, CommandName, Ended, Evidence, JournalType
from trader.domain.market import BarTime


async def holding(market: Market, *symbols: str) -> dict[str, int]:
    """Buy these."""
    await market.bars(2, dict.fromkeys(symbols, 0.8))
    assert set(market.held()) == set(symbols)
    return market.held()


async def fall(market: Market, symbol: str) -> None:
    """A bar that touches the stop and comes back."""
    close = market.prices[symbol]
    bar = a_bar(symbol, close, start=market.now, low=close * 0.975)
    await market.play(BarTime(market.now + MINUTE, MINUTE, (bar,)))


def keep_ended(monkeypatch: pytest.MonkeyPatch, order_ref: str) -> None:
    """Let the broker say of an order how it ended; by itself the paper broker only knows what works."""
    evidence = PaperBroker.evidence

    async def telling(broker: PaperBroker, order_refs: Collection[str]) -> Evidence:
        told = await evidence(broker, order_refs)
        return told._replace(ended={**(told.ended or {}), order_ref: Ended(1, "cancelled as asked")})

    monkeypatch.setattr(PaperBroker, "evidence", telling)


async def tear(market: Market) -> None:
    """Overwrite every page but the first of the file, and let the connection forget what it has read."""

    def to_the_file(book: sqlite3.Connection) -> None:
        book.execute("COMMIT")
        book.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        book.execute("PRAGMA shrink_memory")
        book.execute("BEGIN IMMEDIATE")

    await market.book.writer.transact(to_the_file)
    size = market.path.stat().st_size
    with market.path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))


async def test_a_stop_sells_while_the_book_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_machine(tmp_path) as market:
        held = await holding(market, "AAPL", "JD")
        with an_unwritable_book(monkeypatch):
            await fall(market, "AAPL")
            await market.bars(3)
            assert market.at_broker() == {"JD": held["JD"]}
            assert set(market.held()) == {"AAPL", "JD"}, "the book still says what it said"
        await market.wait(1)
        assert set(market.held()) == {"JD"}
        assert market.sql("SELECT state, reason FROM orders WHERE side = 'SELL'") == [("filled", "stop")]
        assert market.one("SELECT exit_reason FROM round_trips") == "stop"
        assert market.spill.read() == []
        market.check()


async def test_an_exit_without_the_book_is_sent_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many steps fail while it works."""
    slow = Treatment(delay_bars=3)
    async with a_machine(tmp_path) as market:
        await holding(market, "AAPL")
        market.script = lambda _: slow
        before = market.broker.orders_received
        with an_unwritable_book(monkeypatch):
            await fall(market, "AAPL")
            await market.bars(3)
            for _ in range(5):
                await market.wait(1)
        assert market.broker.orders_received == before + 1
        await market.bars(3)
        assert market.at_broker() == market.held() == {}
        market.check()


async def test_the_day_closes_while_the_book_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_machine(tmp_path, clock="15:40") as market:
        await holding(market, "AAPL", "MSFT", "QQQ")
        with an_unwritable_book(monkeypatch):
            await market.bars_until("15:55")
            assert market.at_broker() == {}
        await market.bars_until("16:00")
        assert market.held() == {}
        assert market.journaled(JournalType.FLAT_PROVEN) == 1
        market.check()


async def test_a_working_entry_is_cancelled_before_its_exit_without_the_book_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(
        tmp_path, script=lambda _: Treatment(parts=(10,)), signals={"entry_timeout_s": 3600}
    ) as market:
        await market.bars(2, {"AAPL": 0.8})
        assert market.held() == {"AAPL": 10}
        assert market.working() == [("BUY", "AAPL")]
        market.script = lambda _: Treatment()
        with an_unwritable_book(monkeypatch):
            await market.command(CommandName.FLATTEN)
            await market.wait(1)
            await market.bars(2)
            assert market.at_broker() == {}
        await market.bar()
        assert market.held() == {}
        assert market.working() == []
        market.check()


async def test_an_exit_that_is_refused_without_the_book_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        await holding(market, "AAPL")
        market.script = lambda _: Treatment(reject="not now")
        with an_unwritable_book(monkeypatch):
            await fall(market, "AAPL")
            market.script = lambda _: Treatment()
            for _ in range(3):
                await market.wait(3)
            await market.bars(2)
            assert market.at_broker() == {}
        await market.bar()
        assert market.held() == {}
        assert [
            state for (state,) in market.sql("SELECT state FROM orders WHERE side = 'SELL' ORDER BY order_ref")
        ] == [
            "rejected",
            "filled",
        ]
        market.check()


async def test_a_refused_exit_is_tried_again_though_the_clock_was_set_back(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.bars(60)
        await holding(market, "AAPL")
        market.script = lambda _: Treatment(reject="not now")
        await fall(market, "AAPL")
        market.script = lambda _: Treatment()
        refused = len(market.sql("SELECT 1 FROM orders WHERE state = 'rejected'"))
        assert refused
        market.clock.set(market.now - 30 * MINUTE)
        await market.wait(1)
        assert market.working() == [("SELL", "AAPL")]


@pytest.mark.parametrize("keeps_broker", [True, False])
async def test_a_restart_brings_home_what_was_spilled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keeps_broker: bool
) -> None:
    async with a_machine(tmp_path) as market:
        await holding(market, "AAPL")
        market.script = lambda _: Treatment(delay_bars=2)
        with an_unwritable_book(monkeypatch):
            await fall(market, "AAPL")
        await market.restart(keep_broker=keeps_broker)
        assert len(market.log.said("SPILLED EXIT")) == 1
        assert market.spill.read() == []
        [(ref, state)] = market.sql("SELECT order_ref, state FROM orders WHERE side = 'SELL'")[:1]
        assert state in (("created", "working") if keeps_broker else ("cancelled",))
        await market.wait(6)
        market.script = lambda _: Treatment()
        await market.bars(5)
        assert market.at_broker() == market.held() == {}
        refs = [ref for (ref,) in market.sql("SELECT order_ref FROM orders")]
        assert len(refs) == len(set(refs))
        assert ref in refs
        market.check()


async def test_a_restart_knows_that_a_position_goes_of_which_only_a_part_could_be_sold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker lacked shares when the exit left; where they turn up, they go too."""
    async with a_machine(tmp_path) as market:
        await holding(market, "AAPL")
        market.broker._positions["AAPL"] -= 30
        await market.restart(keep_broker=True)
        with an_unwritable_book(monkeypatch):
            await fall(market, "AAPL")
        await market.restart(keep_broker=True)
        assert market.sql("SELECT state FROM positions") == [("closing",)]
        market.broker._positions["AAPL"] += 30
        for _ in range(5):
            await market.bar()
            await market.engine.inquire()
        assert market.at_broker() == market.held() == {}
        market.check()


async def test_what_the_book_already_has_is_not_taken_up_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process died between the commit and the clearing of the spill."""
    async with a_machine(tmp_path) as market:
        await holding(market, "AAPL")
        monkeypatch.setattr(SpillFile, "clear", lambda _: None)
        with an_unwritable_book(monkeypatch):
            await fall(market, "AAPL")
        await market.bars(2)
        assert market.held() == {}
        orders = market.one("SELECT count(*) FROM orders")
        await market.restart()
        assert market.spill.read() != []
        assert market.one("SELECT count(*) FROM orders") == orders
        assert market.log.said("SPILLED EXIT") == []
        market.check()


@pytest.mark.parametrize("delay_bars", [0, 9])
async def test_an_exit_of_shares_that_the_book_had_not_booked_yet_is_taken_up_with_their_execution(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, delay_bars: int
) -> None:
    """Bought and sold while the book could not be written: at the restart the book holds nothing of it."""
    async with a_machine(tmp_path) as market:
        await market.bar({"AAPL": 0.8})
        with an_unwritable_book(monkeypatch):
            await market.bar()
            market.script = lambda _: Treatment(delay_bars=delay_bars)
            await fall(market, "AAPL")
            await market.bar()
        [spilled] = market.spill.read()
        assert market.held() == {}
        await market.restart(keep_broker=True)
        assert market.log.said("UNEXPECTED EXECUTION") == []
        assert market.log.said("IS NOT BOOKED") == []
        assert market.sql("SELECT side, state FROM orders WHERE order_ref = ?", spilled.ref) == [
            ("SELL", "working" if delay_bars else "filled")
        ]
        assert market.held() == market.at_broker()
        assert market.spill.read() == []
        market.check()


@pytest.mark.parametrize("knows_it", [True, False])
async def test_an_exit_beside_one_whose_end_the_book_has_not_heard_of_is_taken_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, knows_it: bool
) -> None:
    """The first was sent by the book and refused when it could not be written; an innocent one comes home with it."""
    async with a_machine(tmp_path) as market:
        await holding(market, "AAPL", "JD")
        market.script = lambda _: Treatment(parts=(1, 0))
        await fall(market, "AAPL")
        [first] = market.engine.book.exits.values()
        with an_unwritable_book(monkeypatch):
            await market.bar()
            market.broker.cancel(first.ref)
            await market.settle()
            market.script = lambda _: Treatment(delay_bars=9)
            await market.wait(6)
            await fall(market, "JD")
        assert [order.symbol for order in market.spill.read()] == ["AAPL", "JD"]
        if knows_it:
            keep_ended(monkeypatch, first.ref)
        await market.restart(keep_broker=True)
        assert market.log.said("CANNOT BE BOOKED") == market.log.said("CONTRADICTION") == []
        assert market.sql("SELECT symbol, filled, state FROM orders WHERE side = 'SELL' ORDER BY order_ref") == [
            ("AAPL", 1, "cancelled"),
            ("AAPL", 0, "working"),
            ("JD", 0, "working"),
        ]
        if not knows_it:
            [why] = market.sql("SELECT data ->> 'reason' FROM events WHERE data ->> 'state' = 'cancelled'")
            assert why == ("ended before the next exit was sent",)
        assert market.held() == market.at_broker()
        assert market.engine.book.halts == {}
        market.check()


@pytest.mark.parametrize("unknown", ["executions", "positions"])
async def test_the_number_of_an_exit_that_waits_for_the_broker_is_not_used_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unknown: str
) -> None:
    """Neither by what is sent meanwhile nor by a run that is killed meanwhile; and it is not forgotten.

    Nor is its execution booked without it, where an answer that is not complete tells of it.
    """
    async with a_machine(tmp_path) as market:
        await holding(market, "JD")
        await market.bar({"JD": 0.8, "AAPL": 0.8})
        with an_unwritable_book(monkeypatch):
            await market.bar()
            await fall(market, "AAPL")
            await market.bar()
        [spilled] = market.spill.read()
        evidence = type(market.broker).evidence

        async def vague(broker: PaperBroker, order_refs: Collection[str]) -> Evidence:
            return (await evidence(broker, order_refs))._replace(**{unknown: None})

        monkeypatch.setattr(PaperBroker, "evidence", vague)
        await market.restart(keep_broker=True)
        await fall(market, "JD")
        assert market.one("SELECT count(*) FROM orders WHERE order_ref = ?", spilled.ref) == 0
        assert market.spill.read() == [spilled]
        assert market.log.said("UNEXPECTED EXECUTION") == []
        monkeypatch.setattr(PaperBroker, "evidence", evidence)
        await market.restart(keep_broker=True)
        await market.bar()
        assert market.sql("SELECT symbol, state FROM orders WHERE order_ref = ?", spilled.ref) == [("AAPL", "filled")]
        assert market.held() == market.at_broker() == {}
        assert market.spill.read() == []
        market.check()


async def test_what_an_answer_told_while_the_book_could_not_be_written_is_not_sold_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bought by an execution that only the answer tells, sold without the book: the sale's report comes first."""
    async with a_machine(tmp_path) as market:
        reports: list[BrokerEvent] = []
        await market.bar({"AAPL": 0.8})
        monkeypatch.setattr(market.broker, "_emit", reports.append)
        await market.bar()
        with an_unwritable_book(monkeypatch):
            await market.engine.inquire()
            await market.settle()
            await fall(market, "AAPL")
            assert len(market.spill.read()) == 1
            await market.bar()
            for event in reports[::-1]:
                market.engine.inbox.post(event)
            await market.settle()
            await market.bars(2)
            assert len(market.spill.read()) == 1, "and no second exit"
        await market.bar()
        assert market.held() == market.at_broker() == {}
        assert market.log.said("UNEXPECTED EXECUTION") == []
        market.check()


async def test_exits_go_on_when_pages_of_the_book_are_torn(tmp_path: Path) -> None:
    """Found by a running daemon, which must not end of it: nobody would watch the exits."""
    async with a_machine(tmp_path) as market:
        await holding(market, "AAPL")
        held = market.held()["AAPL"]
        await tear(market)
        await fall(market, "AAPL")
        [spilled] = market.spill.read()
        assert (spilled.symbol, spilled.quantity) == ("AAPL", held)
        assert "is damaged" in market.log.said("BOOK UNWRITABLE")[0]
        sent = market.broker.orders_received
        await market.bar({"QQQ": 0.8})
        assert market.broker.orders_received == sent, "and no entry leaves"
        assert market.at_broker() == {}


async def test_no_entry_leaves_without_the_book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_machine(tmp_path) as market:
        before = market.broker.orders_received
        with an_unwritable_book(monkeypatch):
            await market.bars(3, {"AAPL": 0.9, "QQQ": 0.95})
        assert market.broker.orders_received == before


async def test_an_exit_goes_even_if_the_spill_cannot_take_it_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    async with a_machine(tmp_path) as market:
        await holding(market, "AAPL")
        monkeypatch.setattr(SpillFile, "append", full)
        with an_unwritable_book(monkeypatch):
            await fall(market, "AAPL")
            await market.bars(2)
            assert market.at_broker() == {}
        assert "NOT EVEN THE SPILL FILE TAKES IT (No space left on device)" in market.log.said("EXIT WITHOUT")[0]
        await market.bar()
        assert market.held() == {}


async def test_spilled_exits_that_cannot_be_of_this_book_are_said_and_not_booked(tmp_path: Path) -> None:
    """Somebody has put another book in its place."""
    async with a_machine(tmp_path) as market:
        held = await holding(market, "AAPL")
        fitting = an_order("AAPL", held["AAPL"], side=Side.SELL, ref="paper-1-0009")
        market.spill.append(fitting._replace(ref="paper-7-0009"))
        market.spill.append(fitting._replace(ref="other-1-0009", account="other"))
        market.spill.append(fitting._replace(quantity=held["AAPL"] + 1))
        await market.restart()
        assert len(market.log.said("SPILLED EXIT")) == 3
        assert all("IS NOT BOOKED" in line for line in market.log.said("SPILLED EXIT"))
        assert market.one("SELECT count(*) FROM orders WHERE side = 'SELL'") == 0
        await market.bars(2)
        assert market.log.said("CONTRADICTION") == []
        market.check()


async def test_of_two_exits_of_one_symbol_the_first_had_ended_when_the_second_was_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end was heard by the run that is over."""
    async with a_machine(tmp_path) as market:
        await holding(market, "AAPL")
        market.script = lambda _: Treatment(reject="not now")
        with an_unwritable_book(monkeypatch):
            await fall(market, "AAPL")
            market.script = lambda _: Treatment(parts=(0,))
            await market.wait(6)
        assert len(market.spill.read()) == 2
        await market.restart(keep_broker=True)
        states = market.sql("SELECT state FROM orders WHERE side = 'SELL' ORDER BY order_ref")
        assert states == [("cancelled",), ("working",)]
        assert market.log.said("CONTRADICTION") == []
        market.check()


async def test_a_spilled_exit_that_the_book_refuses_is_said_once_and_stops_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when somebody has changed the book by hand meanwhile."""
    async with a_machine(tmp_path) as market:
        await holding(market, "AAPL", "JD")
        market.script = lambda _: Treatment(delay_bars=9)
        with an_unwritable_book(monkeypatch):
            await fall(market, "AAPL")
        with sqlite3.connect(market.path) as by_hand:
            *order, _computed, checksum = by_hand.execute("SELECT * FROM book_orders LIMIT 1").fetchone()
            order[0] = market.spill.read()[0].ref
            by_hand.execute(f"INSERT INTO book_orders VALUES ({', '.join('?' * (len(order) + 1))})", (*order, checksum))  # noqa: S608
        by_hand.close()
        for _ in range(5):
            await market.wait(1)
        await market.bar({"JD": 0.5})
        assert len(market.log.said("SPILLED EXIT")) == 1
        assert "CANNOT BE BOOKED" in market.log.said("SPILLED EXIT")[0]
        assert ("SELL", "JD") in market.working()


async def test_the_number_of_an_entry_that_was_not_written_is_not_given_to_an_exit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit that failed may be on the disk all the same, and the next start finds the entry under that number."""
    async with a_machine(tmp_path) as market:
        await holding(market, "AAPL")
        with an_unwritable_book(monkeypatch):
            await market.bar({"JD": 0.8})
            await fall(market, "AAPL")
        assert [order.ref for order in market.spill.read()] == ["paper-1-0003"]


async def test_the_number_of_an_exit_that_cannot_be_booked_is_not_used_again(tmp_path: Path) -> None:
    """What was sent carries its reference for ever."""
    async with a_machine(tmp_path) as market:
        market.spill.append(an_order("AAPL", 10, side=Side.SELL, ref="paper-1-0001"))
        await market.restart()
        assert "IS NOT BOOKED" in market.log.said("SPILLED EXIT")[0]
        await market.bar({"JD": 0.8})
        assert market.sql("SELECT order_ref FROM orders") == [("paper-1-0002",)]


async def test_a_closing_that_is_written_is_not_written_again_with_its_spilled_exit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exit had to wait for the end of its entry, and by then the book could not be written."""
    stubborn = Treatment(parts=(10,), ignore_cancel=True)
    async with a_machine(tmp_path, script=lambda _: stubborn, signals={"entry_timeout_s": 3600}) as market:
        await market.bars(2, {"AAPL": 0.8})
        await market.command(CommandName.FLATTEN)
        assert market.journaled(JournalType.POSITION_CLOSING) == 1
        market.script = lambda _: Treatment(delay_bars=5)
        with an_unwritable_book(monkeypatch):
            market.broker.expire()
            await market.wait(1)
            assert [order.symbol for order in market.spill.read()] == ["AAPL"]
        await market.wait(1)
        assert market.working() == [("SELL", "AAPL")]
        assert market.journaled(JournalType.POSITION_CLOSING) == 1
