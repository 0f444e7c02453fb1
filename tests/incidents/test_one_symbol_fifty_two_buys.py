"""Incident 2: one symbol, fifty-two buys, against the whole engine and against each of its three locks alone.

Seen then: 712 buys of 5 million dollars in an hour; 52 of JD, of which 33 shares were in the positions. The set and
the `asyncio.Lock` of the post-mortem did not hold, because the runner that had them was made anew every 15 seconds.
Here the lock is kept three times: an `asyncio.Lock` a symbol, the locks in memory, and the row.
"""

import asyncio
import json
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path

import pytest
from builders import Market, a_fill, a_machine, a_ticket, inbox_file

from trader.adapters.feeds.inbox_file import InboxFile
from trader.adapters.paper.broker import Treatment
from trader.adapters.sqlite import transaction
from trader.adapters.sqlite.database import ThreadWriter
from trader.adapters.sqlite.one_account import AccountWriter
from trader.adapters.sqlite.store import SqliteStore
from trader.domain.decision import Decision, ExitTicket, Outcome, Purpose, Rule, Side, Signal, Ticket
from trader.domain.errors import BookBroken
from trader.domain.events import CommandName, FillReported, JournalType, OrderCancelled, SignalReceived
from trader.domain.order import Order, PendingLock
from trader.domain.portfolio import Portfolio
from trader.services.draft import Draft
from trader.services.locking import PendingLocks
from trader.services.settlement import Settlement

JD = Signal("JD", 0.9)
SHARES = 497
"""What 15 % of 100,000 dollars buys at 30 and a half percent above."""
WRITERS = pytest.mark.parametrize("threaded", [False, True], ids=["inline", "thread"])


async def all_at_once(market: Market, count: int) -> list[Decision]:
    """So many tasks hand in the same signal while the engine runs."""
    running = asyncio.create_task(market.engine.run())
    decisions = await asyncio.gather(*(market.engine.submit(JD) for _ in range(count)))
    market.engine.stop()
    await running
    return decisions


def assert_bought_once(market: Market) -> None:
    """One order, one position, one execution, and cash exact to the micro."""
    assert market.trades() == [("BUY", "JD", SHARES)]
    assert market.held() == {"JD": SHARES}
    assert market.one("SELECT count(*) FROM orders") == 1
    price, commission = market.sql("SELECT price_micros, commission_micros FROM book_fills")[0]
    assert (price, commission) == (30_010_000, 2_485_000)
    paid = SHARES * price + commission
    assert market.one("SELECT cash_micros FROM book_accounts") == 100_000_000_000 - paid
    assert market.one("SELECT reserved_micros FROM book_accounts") == 0
    market.check()


# -- the whole engine -----------------------------------------------------------------------------------------------


@WRITERS
@pytest.mark.parametrize("count", [8, 10_000])
async def test_however_many_tasks_submit_at_once_one_buys(tmp_path: Path, count: int, threaded: bool) -> None:
    async with a_machine(tmp_path, threaded=threaded) as market:
        decisions = await all_at_once(market, count)
        outcomes = Counter(decision.refusal.rule if decision.refusal else None for decision in decisions)
        assert outcomes == {None: 1, Rule.SYMBOL_LOCKED: count - 1}
        assert market.working() == [("BUY", "JD")]
        assert market.broker.orders_received == 1
        await market.bar()
        assert_bought_once(market)
        assert market.log.said("DUPLICATE BUY BLOCKED: JD")
        assert market.one("SELECT sum(count) FROM signals") == count


async def test_two_entry_paths_at_once_buy_once(tmp_path: Path) -> None:
    """Tasks submit while the inbox file brings the same symbol, line by line."""
    lines = tmp_path / "signals.jsonl"
    lines.touch()
    async with a_machine(tmp_path, threaded=True) as market:
        follower = inbox_file(market, lines)
        running = asyncio.create_task(market.engine.run())
        following = asyncio.create_task(follower.run(market.engine.inbox.put, asyncio.to_thread, every_s=0.001))
        with lines.open("a") as handle:
            for n in range(500):
                handle.write(json.dumps({"id": f"line-{n}", "symbol": "JD", "probability": 0.9}) + "\n")
        submitted = asyncio.gather(*(market.engine.submit(JD) for _ in range(500)))
        async with asyncio.timeout(30):
            await submitted
            while market.engine.trading.signals < 1000:  # noqa: ASYNC110  (a file is followed by looking)
                await asyncio.sleep(0.001)
        following.cancel()
        market.engine.stop()
        await running
        assert market.broker.orders_received == 1
        await market.bar()
        assert_bought_once(market)
        assert market.one("SELECT sum(count) FROM signals") == 1000
        assert market.log.said("DUPLICATE BUY BLOCKED: JD")


@WRITERS
async def test_fifty_two_signals_in_one_bar_buy_once(tmp_path: Path, threaded: bool) -> None:
    async with a_machine(tmp_path, threaded=threaded) as market:
        market.strategy.times = 52
        await market.bar({"JD": 0.9})
        assert market.working() == [("BUY", "JD")]
        assert market.one("SELECT sum(count) FROM signals WHERE rule = 'symbol_locked'") == 51
        await market.bar()
        assert_bought_once(market)
        assert market.log.said("DUPLICATE BUY BLOCKED: JD (51 signals)")


async def test_fifty_two_bars_of_the_same_opinion_buy_once(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.bars(52, {"JD": 0.9})
        assert_bought_once(market)


async def test_an_entry_of_unknown_fate_is_as_good_as_a_working_one(tmp_path: Path) -> None:
    """The acknowledgement is lost, nothing is known: nothing is bought again, until the broker has said what it did."""
    async with a_machine(
        tmp_path, script=lambda _: Treatment(lose_acknowledgement=True, delay_bars=30, ignore_cancel=True)
    ) as market:
        await market.bar({"JD": 0.9})
        assert market.one("SELECT state FROM orders") == "unknown"
        for _ in range(25):
            decision = await market.submit("JD", 0.9)
            assert decision.refusal is not None
            assert decision.refusal.rule is Rule.SYMBOL_LOCKED
            await market.bar({"JD": 0.9})
        assert market.log.said("DUPLICATE BUY BLOCKED: JD")
        await market.bars(10)
        assert_bought_once(market)


async def test_the_step_that_hears_the_end_of_an_entry_may_enter_anew(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=lambda _: Treatment(parts=(0,), ignore_cancel=True)) as market:
        await market.bar({"JD": 0.9})
        await market.bar()
        await market.handle(OrderCancelled("paper-1-0001", "by the exchange"), SignalReceived(JD))
        assert market.working() == [("BUY", "JD")]
        assert market.one("SELECT count(*) FROM orders") == 2
        assert live_locks(market) == 1
        market.check()


async def test_a_lost_order_is_asked_about_once_and_not_at_every_look(tmp_path: Path) -> None:
    async with a_machine(
        tmp_path, script=lambda _: Treatment(lose_acknowledgement=True, parts=(0,), ignore_cancel=True)
    ) as market:
        await market.bar({"JD": 0.9})
        await market.wait(61)
        before = market.one("SELECT count(*) FROM events")
        for _ in range(200):
            await market.wait(0.1)
        assert market.one("SELECT count(*) FROM events") == before


# -- the runner made anew -------------------------------------------------------------------------------------------


@WRITERS
@pytest.mark.parametrize("recovering", [True, False])
async def test_a_runner_made_anew_every_fifteen_seconds_is_still_locked(
    tmp_path: Path, threaded: bool, recovering: bool
) -> None:
    """The incident itself: the order works at the broker, and the object that remembered it is gone. 52 times."""
    async with a_machine(tmp_path, threaded=threaded, script=lambda _: Treatment(delay_bars=60)) as market:
        market.clock.set(market.now.replace(second=0))
        assert (await market.submit("JD", 0.9)).outcome is Outcome.ORDERED
        for _ in range(52):
            await market.restart(keep_broker=True, recovering=recovering)
            market.engine.trading.prices.observe(market.quiet_bar_time())
            decision = await market.submit("JD", 0.9)
            assert decision.refusal is not None
            assert decision.refusal.rule is Rule.SYMBOL_LOCKED
        assert market.working() == [("BUY", "JD")]
        assert len(market.log.said("DUPLICATE BUY BLOCKED: JD")) == 52
        market.check()


def forget(market: Market) -> None:
    """What the rebuilt runner of the incident did: start with an empty set."""
    market.engine._locks = PendingLocks(market.book.store, {})
    market.engine.book = replace(market.engine.book, locks={}, orders={})
    market.engine.trading._deciding._opened_at.clear()


async def rebuilt_and_forgetful(market: Market, times: int) -> None:
    for _ in range(times):
        await market.restart(keep_broker=True, recovering=False)
        market.engine.trading.gate.open(Rule.UNRECONCILED)  # it has not even asked
        market.engine.trading.prices.observe(market.quiet_bar_time())
        forget(market)
        await market.submit("JD", 0.9)


async def test_a_runner_that_has_forgotten_everything_is_refused_by_the_row(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=lambda _: Treatment(delay_bars=60)) as market:
        await market.submit("JD", 0.9)
        await rebuilt_and_forgetful(market, 10)
        assert market.working() == [("BUY", "JD")]
        assert len(market.log.said("DUPLICATE BUY BLOCKED: JD")) == 10


async def test_without_the_row_every_rebuilt_runner_buys_again(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=lambda _: Treatment(delay_bars=60)) as market:
        await market.submit("JD", 0.9)
        await market.without("one_working_opening_order_per_symbol")
        await market.without("family_opposite_side_refused")  # it asks that index by name
        await rebuilt_and_forgetful(market, 4)
        assert len(market.working()) == 5


# -- the locks one by one -------------------------------------------------------------------------------------------


def draft_of(market: Market, number: int, *tickets: Ticket) -> Draft:
    """A draft that opens these tickets under references of its own."""
    draft = Draft(replace(market.engine.book, orders_made=number * 100), market.now)
    for ticket in tickets or (a_ticket("JD", SHARES, 30.16),):
        draft.open(ticket)
    return draft


async def commit_from_tasks(locks: Iterable[PendingLocks], market: Market, count: int) -> Counter[Rule | None]:
    """So many tasks, each with a ticket in its hand, at the gate of each."""

    async def one(gate: PendingLocks, number: int) -> Rule | None:
        refused = await gate.commit(draft_of(market, number))
        return next(iter(refused.values()), None)

    numbers = iter(range(1, 10**6))
    return Counter(await asyncio.gather(*(one(gate, next(numbers)) for _ in range(count) for gate in locks)))


@asynccontextmanager
async def holding_nothing(_: PendingLocks, __: Iterable[str]) -> AsyncIterator[None]:
    """Stands in for the `asyncio.Lock` a symbol: lets everybody in at once."""
    yield


def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the `asyncio.Lock` and the locks in memory out. Only the row is left."""
    monkeypatch.setattr(PendingLocks, "_holding", holding_nothing)
    monkeypatch.setattr(PendingLocks, "is_locked", lambda *_: False)


def live_locks(market: Market) -> int:
    return int(market.one("SELECT count(*) FROM book_locks WHERE released_us IS NULL"))


async def test_ten_thousand_tasks_with_a_ticket_in_hand_one_passes(tmp_path: Path) -> None:
    """All three locks in place, and no engine in front of them."""
    async with a_machine(tmp_path, threaded=True) as market:
        await market.quick()
        gate = PendingLocks(market.book.store, {})
        assert await commit_from_tasks([gate], market, 10_000) == {None: 1, Rule.SYMBOL_LOCKED: 9_999}
        assert live_locks(market) == 1


async def test_with_only_the_row_left_ten_thousand_tasks_still_buy_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blind(monkeypatch)
    async with a_machine(tmp_path, threaded=True) as market:
        await market.quick()
        gate = PendingLocks(market.book.store, {})
        assert await commit_from_tasks([gate], market, 10_000) == {None: 1, Rule.SYMBOL_LOCKED: 9_999}
        assert live_locks(market) == 1
        reserved = market.one("SELECT sum(reserved_micros) FROM book_locks WHERE released_us IS NULL")
        assert market.one("SELECT reserved_micros FROM book_accounts") == reserved


async def test_with_the_row_taken_out_too_there_are_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So the tests above have seen the row at work. Only the cash ends it: six times 15 % fit."""
    blind(monkeypatch)
    async with a_machine(tmp_path) as market:
        await market.without("one_working_opening_order_per_symbol")
        await market.without("family_opposite_side_refused")  # it asks that index by name
        gate = PendingLocks(market.book.store, {})
        assert await commit_from_tasks([gate], market, 52) == {None: 6, Rule.CASH_RESERVE: 46}
        assert live_locks(market) == 6


async def test_with_only_memory_left_it_still_buys_once(tmp_path: Path) -> None:
    """The row taken out: the lock a symbol and the locks in memory hold by themselves."""
    async with a_machine(tmp_path, threaded=True) as market:
        await market.without("one_working_opening_order_per_symbol")
        await market.without("family_opposite_side_refused")  # it asks that index by name
        gate = PendingLocks(market.book.store, {})
        assert await commit_from_tasks([gate], market, 52) == {None: 1, Rule.SYMBOL_LOCKED: 51}
        assert live_locks(market) == 1


class WaitingStore:
    """The real store, which lets others run before it writes, and counts who is inside at once."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self.inside = 0
        self.most_inside = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def commit(self, commit: object) -> object:
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        for _ in range(3):
            await asyncio.sleep(0)
        try:
            return await self._store.commit(commit)  # type: ignore[arg-type]
        finally:
            self.inside -= 1


@pytest.mark.parametrize("held", [True, False], ids=["with the asyncio lock", "without it"])
async def test_between_check_and_commit_nobody_else_gets_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: bool
) -> None:
    """The gap of the incident: eight tasks had looked before the first had written."""
    if not held:
        monkeypatch.setattr(PendingLocks, "_holding", holding_nothing)
    async with a_machine(tmp_path) as market:
        store = WaitingStore(market.book.store)
        await commit_from_tasks([PendingLocks(store, {})], market, 8)  # type: ignore[arg-type]
        assert store.most_inside == (1 if held else 8)
        assert live_locks(market) == 1


async def test_two_processes_on_one_book_buy_once(tmp_path: Path) -> None:
    """Two writers, two stores, two gates, neither knows of the other."""
    async with a_machine(tmp_path, threaded=True) as market:
        other = SqliteStore(await AccountWriter.bind(await ThreadWriter.open(market.path), "paper"), market.path)
        try:
            await other.load()
            gates = [PendingLocks(market.book.store, {}), PendingLocks(other, {})]
            result = await commit_from_tasks(gates, market, 26)
        finally:
            await other.close()
        assert result[None] == 1
        assert live_locks(market) == 1


async def test_entries_of_many_symbols_are_committed_by_many_tasks_at_once(tmp_path: Path) -> None:
    """The gate holds a lock a symbol, so two symbols pass it together."""
    async with a_machine(tmp_path, threaded=True) as market:
        gate = PendingLocks(market.book.store, {})
        drafts = [draft_of(market, n + 1, a_ticket(f"S{n}", 10, 30.0)) for n in range(20)]
        await asyncio.gather(*(gate.commit(draft) for draft in drafts))
        assert live_locks(market) == 20
        market.check()


async def test_a_second_process_does_not_write_its_old_cash_over_the_book(tmp_path: Path) -> None:
    """It has read the book before the fill of the first. Its refused entry must not bring the money back."""
    async with a_machine(tmp_path) as market:
        other = SqliteStore(await AccountWriter.bind(await ThreadWriter.open(market.path), "paper"), market.path)
        try:
            stale = await other.load()
            await market.bar({"QQQ": 0.8})
            await market.bar({"JD": 0.9})
            draft = Draft(replace(stale, orders_made=900), market.now)
            draft.open(a_ticket("JD", 10, 30.16))
            with pytest.raises(BookBroken, match="another process has written"):
                await PendingLocks(other, {}).commit(draft)
        finally:
            await other.close()
        assert live_locks(market) == 1
        market.check()


async def test_the_opposite_side_in_the_same_moment_is_refused_by_the_database(tmp_path: Path) -> None:
    """The coordinator taken out: QQQ and PSQ arrive as tickets, in one transaction."""
    async with a_machine(tmp_path) as market:
        tickets = a_ticket("QQQ", 10, 500.0), a_ticket("PSQ", 10, 40.0, direction=-1)
        refused = await PendingLocks(market.book.store, {}).commit(draft_of(market, 1, *tickets))
        assert list(refused.values()) == [Rule.FAMILY_LOCKED]
        assert market.working() == [("BUY", "QQQ")]


@pytest.mark.parametrize("first", ["QQQ", "TQQQ", "PSQ", "SQQQ"])
@pytest.mark.parametrize("second", ["QQQ", "TQQQ", "PSQ", "SQQQ"])
@pytest.mark.parametrize("filled", [False, True], ids=["working", "held"])
async def test_the_database_knows_both_sides_of_a_family(tmp_path: Path, first: str, second: str, filled: bool) -> None:
    async with a_machine(tmp_path) as market:
        sides = {"QQQ": 1, "TQQQ": 1, "PSQ": -1, "SQQQ": -1}
        await market.bar({"QQQ": {"QQQ": 0.8, "TQQQ": 0.95, "PSQ": 0.2, "SQQQ": 0.05}[first]})
        if filled:
            await market.bar()
            assert set(market.held()) == {first}
        ticket = a_ticket(second, 10, 40.0, direction=sides[second])
        refused = await PendingLocks(market.book.store, {}).commit(draft_of(market, 1, ticket))
        opposite = sides[first] != sides[second]
        same_symbol = first == second and not filled
        expected = [Rule.FAMILY_LOCKED] if opposite else [Rule.SYMBOL_LOCKED] if same_symbol else []
        assert list(refused.values()) == expected


async def test_without_the_family_rule_both_sides_go_in(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.without("family_opposite_side_refused")
        tickets = a_ticket("QQQ", 10, 500.0), a_ticket("PSQ", 10, 40.0, direction=-1)
        assert not await PendingLocks(market.book.store, {}).commit(draft_of(market, 1, *tickets))
        assert live_locks(market) == 2


TWICE_SIXTY_PERCENT = a_ticket("AAPL", 300, 200.0), a_ticket("MSFT", 150, 400.0)


async def test_the_same_cash_is_not_reserved_twice(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        refused = await PendingLocks(market.book.store, {}).commit(draft_of(market, 1, *TWICE_SIXTY_PERCENT))
        assert list(refused.values()) == [Rule.CASH_RESERVE]
        assert market.working() == [("BUY", "AAPL")]
        assert market.one("SELECT reserved_micros FROM book_accounts") == 60_001_000_000


async def test_without_the_cash_rule_it_is_reserved_twice(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.without("cash_is_reserved_once")
        assert not await PendingLocks(market.book.store, {}).commit(draft_of(market, 1, *TWICE_SIXTY_PERCENT))
        assert market.one("SELECT reserved_micros FROM book_accounts") > 100_000_000_000


async def test_entries_of_one_bar_see_one_anothers_reservations(tmp_path: Path) -> None:
    """Three signals of 45 % each on one bar: the chain itself cuts the third to what the first two have left."""
    async with a_machine(
        tmp_path, limits={"position_pct": 45.0, "gross_pct": 200.0, "order_notional": 1e9}, script=lambda _: Treatment()
    ) as market:
        await market.bar({"AAPL": 0.9, "MSFT": 0.9, "JD": 0.9})
        assert market.one("SELECT reserved_micros FROM book_accounts") <= 98_000_000_000
        assert market.one("SELECT count(*) FROM orders") == 3
        await market.bar()
        assert market.one("SELECT cash FROM account") >= 2000
        market.check()


async def test_with_the_chain_blind_to_reservations_the_database_says_no(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(*_: object) -> None:
        """A ticket is not counted."""

    monkeypatch.setattr(Portfolio, "take", nothing)
    async with a_machine(tmp_path, limits={"position_pct": 45.0, "gross_pct": 200.0, "order_notional": 1e9}) as market:
        await market.bar({"AAPL": 0.9, "MSFT": 0.9, "JD": 0.9})
        await market.bar()
        await market.bars_until("15:45")
        assert market.rules() == [Rule.CASH_RESERVE]
        assert len(market.held()) == 2
        market.check()


async def test_memory_stays_as_the_database_is_when_the_database_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was refused leaves nothing behind, and takes nothing of the working order with it."""
    blind(monkeypatch)
    async with a_machine(tmp_path, script=lambda _: Treatment(delay_bars=60)) as market:
        await market.submit("JD", 0.9)
        gate, draft = PendingLocks(market.book.store, {}), draft_of(market, 5, a_ticket("JD", 10, 30.16))
        await gate.commit(draft)
        loaded = await market.book.store.load()
        assert draft.book().locks == loaded.locks
        assert draft.book().orders == loaded.orders
        assert draft.book().reserved_micros == market.one("SELECT reserved_micros FROM book_accounts")


async def test_a_part_that_was_filled_is_no_longer_reserved(tmp_path: Path) -> None:
    """What is reserved is what the rest may still cost at its limit, with what is left of the commission."""
    async with a_machine(tmp_path, script=lambda _: Treatment(parts=(100,), ignore_cancel=True)) as market:
        await market.bar({"JD": 0.9})
        limit, before = market.sql(
            "SELECT limit_micros, reserved_micros FROM book_orders JOIN book_locks USING (order_ref)"
        )[0]
        assert before == SHARES * limit + 2_485_000
        await market.bar()
        paid = market.one("SELECT commission_micros FROM book_fills")
        assert market.one("SELECT reserved_micros FROM book_accounts") == (SHARES - 100) * limit + 2_485_000 - paid


async def test_an_entry_that_is_not_done_in_time_gives_everything_back(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=lambda _: Treatment(parts=(0,))) as market:
        await market.submit("JD", 0.9)
        await market.wait(59)
        assert market.working() == [("BUY", "JD")]
        await market.wait(1)
        assert market.working() == []
        assert market.one("SELECT state FROM orders") == "cancelled"
        assert market.one("SELECT reserved_micros FROM book_accounts") == 0
        assert market.engine.book.reserved_micros == 0


async def test_the_openings_of_a_day_are_counted_in_the_book(tmp_path: Path) -> None:
    """A counter in memory starts at nothing in a process made anew."""
    async with a_machine(tmp_path, limits={"openings_per_day": 3}) as market:
        await market.bar({"JD": 0.9, "AAPL": 0.9})
        await market.bar({"MSFT": 0.9})
        await market.bar()
        await market.restart()
        await market.bar({"QQQ": 0.9})
        await market.bars_until("15:45")
        assert set(market.held()) == {"JD", "AAPL", "MSFT"}
        assert market.rules() == [Rule.OPENINGS_PER_DAY]


async def test_a_signal_of_the_same_id_is_decided_once_also_after_a_restart(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=lambda _: Treatment(reject="not today")) as market:
        assert (await market.submit("JD", 0.9, "mine")).outcome is Outcome.ORDERED
        await market.bar()
        for restarted in (False, True):
            if restarted:
                await market.restart()
                await market.bar()
            decision = await market.submit("JD", 0.9, "mine")
            assert decision.refusal is not None
            assert decision.refusal.rule is Rule.REPEATED
        assert market.one("SELECT count(*) FROM orders") == 1


async def test_a_line_of_the_inbox_counts_once_also_after_a_restart(tmp_path: Path) -> None:
    """Its offset is committed with its signal, refused or not."""
    lines = tmp_path / "signals.jsonl"
    async with a_machine(tmp_path) as market:
        follower = inbox_file(market, lines)
        lines.write_text('{"symbol": "JD", "probability": 0.9}\nnonsense\n{"symbol": "JD", "probability": 0.9}\n')
        await market.handle(*follower.read())
        await market.restart()
        offset = await market.book.store.inbox_offset(str(lines))
        assert offset == (str(lines), lines.stat().st_size, 3)
        assert InboxFile(lines, offset).read() == []
        assert market.one("SELECT count(*) FROM orders") == 1


# -- one execution, one transaction ---------------------------------------------------------------------------------


async def test_an_execution_reported_three_times_counts_once(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=lambda _: Treatment(repeat_reports=3)) as market:
        await market.bar({"JD": 0.9})
        await market.bar()
        assert_bought_once(market)


async def test_an_execution_reported_again_after_a_restart_counts_once(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.bar({"JD": 0.9})
        await market.bar()
        execution = market.one("SELECT execution_id FROM trades")
        await market.restart()
        fill = a_fill("JD", SHARES, 30.01, commission=2.485, order_ref="paper-1-0001", execution_id=execution)
        await market.report(fill, times=3)
        assert_bought_once(market)


async def test_an_execution_reported_again_at_any_time_is_passed_over_in_silence(tmp_path: Path) -> None:
    """It must not come as far as the database, whose refusal would stop the whole step, and every step after it."""
    async with a_machine(tmp_path) as market:
        await market.bar({"JD": 0.9})
        await market.bar()
        execution = market.one("SELECT execution_id FROM trades")
        fill = a_fill("JD", SHARES, 30.01, commission=2.485, order_ref="paper-1-0001", execution_id=execution)
        await market.report(fill)
        await market.restart()
        await market.report(fill)
        assert_bought_once(market)
        assert market.log.errors == []


async def test_with_its_memory_taken_out_the_database_counts_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Settlement, "knows", lambda *_: False)
    async with a_machine(tmp_path) as market:
        await market.bar({"JD": 0.9})
        await market.bar()
        execution = market.one("SELECT execution_id FROM trades")
        await market.report(a_fill("JD", SHARES, 30.01, order_ref="paper-1-0001", execution_id=execution))
        assert_bought_once(market)
        assert "an_execution_counts_once" in market.one("SELECT sql FROM sqlite_master WHERE name = 'book_fills'")
        assert not market.log.errors
        assert (await market.submit("QQQ", 0.8)).ticket is not None, "the account goes on"


async def test_an_execution_that_overtakes_the_end_of_its_order_belongs_to_it(tmp_path: Path) -> None:
    """The broker says cancelled, and in the same breath reports what was filled before: no stranger's execution."""
    async with a_machine(tmp_path, script=lambda _: Treatment(parts=(0,))) as market:
        await market.bar({"JD": 0.9})
        cancelled = OrderCancelled("paper-1-0001", "asked")
        await market.handle(cancelled, FillReported(a_fill("JD", 100, 30.0, at=market.now)))
        assert market.held() == {"JD": 100}
        assert market.sql("SELECT state, filled, purpose FROM orders JOIN trades USING (order_ref, purpose)") == [
            ("cancelled", 100, "entry")
        ]
        market.check()


async def test_a_fill_is_one_transaction_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk fails between the execution's rows and the journal: first nothing of it is booked, then all of it."""
    async with a_machine(tmp_path) as market:
        await market.bar({"JD": 0.9})
        with monkeypatch.context() as broken:
            broken.setattr(transaction, "_write_events", fail)
            await market.bar()
            assert market.trades() == []
            assert market.held() == {}
            assert market.one("SELECT cash FROM account") == 100_000
            assert market.log.said("BOOK UNWRITABLE")
        await market.bar()
        assert_bought_once(market)


def fail(*_: object) -> None:
    raise sqlite3.OperationalError("disk I/O error")


async def test_cash_below_zero_is_kept_and_seen_and_never_clipped(tmp_path: Path) -> None:
    """`max(0, cash)` was stored and loaded again, so money appeared."""
    async with a_machine(tmp_path) as market:
        await market.bar({"JD": 0.9})
        await market.report(a_fill("JD", SHARES, 300.0, commission=1.0, order_ref="paper-1-0001", at=market.now))
        assert market.one("SELECT cash FROM account") == 100_000 - SHARES * 300 - 1
        await market.restart()
        assert market.engine.book.cash_micros == -49_101_000_000
        decision = await market.submit("QQQ", 0.8)
        assert decision.outcome is Outcome.REFUSED
        with pytest.raises(AssertionError, match="cash is not below zero"):
            market.check()


async def test_a_position_that_cannot_be_read_is_not_an_empty_one(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.bar({"JD": 0.9})
        await market.bar()
        await market.stop()
        with closing(sqlite3.connect(market.path)) as connection:
            connection.execute("UPDATE book_lots SET remaining = 33")
            connection.commit()
        with pytest.raises(BookBroken, match="JD has 497 shares in its position and 33 in its lots"):
            await market.start()


# -- a sell never exceeds what is held ------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [1, 10_000])
async def test_a_sale_of_more_than_is_held_makes_no_short(tmp_path: Path, more: int) -> None:
    async with a_machine(tmp_path) as market:
        await market.bar({"JD": 0.9})
        await market.bar()
        cash = market.one("SELECT cash FROM account")
        await market.report(a_fill("JD", SHARES + more, 31.0, side=Side.SELL, order_ref="by-hand", at=market.now), 3)
        assert market.held() == {}, "what was held has been sold"
        assert market.one("SELECT cash FROM account") == round(cash + SHARES * 31.0 - 1.0, 2)
        assert market.journaled(JournalType.UNEXPECTED_FILL) == 1, "and the rest is a short that no book here can hold"
        assert market.one("SELECT count(*) FROM events WHERE type = 'halted'") == 1
        assert (await market.submit("QQQ", 0.8)).refusal is not None
        market.check()


def slow_exits(order: Order) -> Treatment:
    return Treatment(delay_bars=3 if order.side is Side.SELL else 0)


def exit_of(market: Market, quantity: int) -> Draft:
    draft = Draft(market.engine.book, market.now)
    draft.exit(ExitTicket("JD", quantity, Purpose.MANUAL, "manual"))
    return draft


async def test_the_database_refuses_an_exit_of_more_than_is_held(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.bar({"JD": 0.9})
        await market.bar()
        for quantity in (SHARES + 1, 10**6):
            draft = exit_of(market, quantity)
            receipt = await market.book.store.commit(draft.sealed())
            assert list(receipt.refused.values()) == [Rule.DATABASE_REFUSED]
        assert market.working() == []
        await market.without("exit_within_what_is_held")
        await market.book.store.commit(exit_of(market, SHARES + 1).sealed())
        assert market.working() == [("SELL", "JD")]


async def test_the_database_refuses_a_second_live_exit(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=slow_exits) as market:
        await market.bar({"JD": 0.9})
        await market.bar()
        await market.command(CommandName.FLATTEN)
        assert market.working() == [("SELL", "JD")]
        market.engine.book = replace(market.engine.book, exits={}, orders={})
        receipt = await market.book.store.commit(exit_of(market, 1).sealed())
        assert list(receipt.refused.values()) == [Rule.DATABASE_REFUSED]
        assert market.working() == [("SELL", "JD")]


async def test_every_reason_to_close_at_once_makes_one_exit(tmp_path: Path) -> None:
    """Stop, signal, command and the clock, in one moment and again and again while the exit works."""
    async with a_machine(tmp_path, clock="15:46", script=slow_exits) as market:
        await market.report(a_fill("JD", 10, 30.0, order_ref="by-hand", at=market.now))
        market.broker._positions["JD"] = 10
        await market.bars_until("15:49")
        await market.bar({"JD": 0.0}, {"JD": 25.0})
        for _ in range(5):
            await market.command(CommandName.FLATTEN)
            await market.submit("JD", 0.0)
        assert market.working() == [("SELL", "JD")]
        await market.bars_until("16:00")
        assert market.held() == {}
        assert market.one("SELECT count(*) FROM orders WHERE side = 'SELL'") == 1
        assert market.journaled(JournalType.POSITION_CLOSING) == 1
        market.check()


# -- what its users type --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "clean_up",
    [
        "DELETE FROM book_fills WHERE id NOT IN (SELECT min(id) FROM book_fills WHERE side = 'BUY' GROUP BY symbol)",
        "UPDATE book_fills SET quantity = 1",
        "DELETE FROM book_events",
        "UPDATE book_events SET data = '{}'",
        "DELETE FROM book_orders",
        "DELETE FROM book_locks",
        "DELETE FROM trades",
    ],
)
async def test_the_clean_up_of_the_post_mortem_is_refused(tmp_path: Path, clean_up: str) -> None:
    """It deleted every sale. What happened is append-only; a correction is a new row that reverses."""
    async with a_machine(tmp_path) as market:
        await market.bar({"JD": 0.9})
        await market.bar({"JD": 0.1})
        await market.bar()
        assert [side for side, _, _ in market.trades()] == ["BUY", "SELL"]
        with closing(sqlite3.connect(market.path)) as connection, pytest.raises(sqlite3.Error):
            connection.execute(clean_up)
        market.check()


async def test_the_query_of_the_post_mortem_works_as_it_was_written(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.bar({"JD": 0.9})
        await market.bar()
        with closing(sqlite3.connect(market.path)) as connection:
            rows = connection.execute("SELECT symbol, quantity, avg_cost FROM positions WHERE quantity > 0;").fetchall()
        assert rows == [("JD", SHARES, 30.01)]
        assert market.log.said("Created position JD account=paper")


def test_a_lock_is_worth_nothing_without_its_row() -> None:
    """The row carries what the order may still use up: cash, slot, family and side."""
    assert {"reserved_micros", "takes_slot", "family", "direction"} <= set(PendingLock._fields)
    assert "account" in Order._fields
