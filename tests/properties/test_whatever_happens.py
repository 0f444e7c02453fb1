"""The real engine on a real book, under whatever a market, a broker, an operator and a failing disk may do.

After every step the invariants of the book are read from its file, the book in memory is compared with the file, and
the tables with the journal. At the end of every run the day is played to its close, and everything is flat.

HYPOTHESIS_PROFILE=deep looks for longer and elsewhere.
"""

import asyncio
import sqlite3
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from builders import MONDAY, OFTEN, OPENING_PRICES, Market, a_fill, new_york, session_of
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from trader.adapters.paper.broker import Treatment
from trader.adapters.sqlite.projections import compare
from trader.domain.decision import Side
from trader.domain.errors import BookUnwritable
from trader.domain.events import BrokerEvent, CommandName
from trader.domain.order import Order, OrderState, corrected_by
from trader.domain.rules import Protection

Result = TypeVar("Result")

CALL = "QQQ250718C00500000"
SYMBOLS = [*sorted(OPENING_PRICES), CALL]
DRIVERS = ["QQQ", "AAPL", "MSFT", "JD"]
PROBABILITIES = st.sampled_from([0.0, 0.05, 0.2, 0.25, 0.4, 0.5, 0.6, 0.74, 0.76, 0.85, 0.9, 0.95, 1.0])
WORDS = st.dictionaries(st.sampled_from(DRIVERS), PROBABILITIES, max_size=4)
SURE = st.sampled_from([0.0, 0.2, 0.8, 1.0])
SCOPES = [("all", ""), ("family", "QQQ"), ("symbol", "JD"), ("symbol", "AAPL")]
MOVES = st.dictionaries(
    st.sampled_from(SYMBOLS), st.sampled_from([-0.3, -0.06, -0.03, -0.01, 0.002, 0.01, 0.03, 0.06, 0.5]), max_size=4
)

LATE = new_york("15:43", MONDAY)

ENTRIES = [
    Treatment(),
    Treatment(delay_bars=1),
    Treatment(delay_bars=3),
    Treatment(parts=(1, 2)),
    Treatment(parts=(3, 0, 10**9)),
    Treatment(parts=(0,)),
    Treatment(parts=(2,), ignore_cancel=True),
    Treatment(reject="not shortable, not borrowable, not today"),
    Treatment(lose_acknowledgement=True),
    Treatment(lose_acknowledgement=True, delay_bars=2, repeat_reports=2),
    Treatment(lose_acknowledgement=True, parts=(0,), ignore_cancel=True),
    Treatment(repeat_reports=3),
]
EXITS = [
    Treatment(),
    Treatment(delay_bars=2),
    Treatment(parts=(1, 0, 2, 10**9)),
    Treatment(reject="the exchange is busy"),
    Treatment(lose_acknowledgement=True),
    Treatment(lose_acknowledgement=True, delay_bars=1, repeat_reports=2),
    Treatment(repeat_reports=3),
]


class Machine(RuleBasedStateMachine):
    """A broker that always ends what it began, and says so once or more often, sooner or later."""

    leaves_out: frozenset[str] = frozenset()

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory(ignore_cleanup_errors=True)
        self.loop = asyncio.new_event_loop()
        self.entry, self.exit = Treatment(), Treatment()
        self.late: list[BrokerEvent] = []
        self.holds_reports_back = False

    def run(self, doing: Coroutine[Any, Any, Result]) -> Result:
        return self.loop.run_until_complete(doing)

    @initialize(
        held=st.dictionaries(st.sampled_from(DRIVERS), SURE, min_size=1),
        trailing=st.sampled_from([0, 0.5]),
        protection=st.sampled_from(Protection),
    )
    def begin(self, held: dict[str, float], trailing: float, protection: Protection) -> None:
        options = {"position_pct": 30.0, "time_stop_min": 45}
        limits = {**OFTEN, "day_loss_pct": 100, "position_pct": 30.0, "orders_per_minute": 10_000}
        path = Path(self.folder.name) / "trading_data.db"
        exits = {"trailing_pct": trailing, "time_stop_min": 90, "protection": protection}
        self.market = Market(
            path, {"limits": limits, "exits": exits, "options": options}, session_of().opens_at, threaded=False
        )
        self.market.script = self.treat
        self.market.prices[CALL] = 4.0
        self.run(self.market.start())
        self.connected()
        self.run(self.market.bars(3, held))

    def treat(self, order: Order) -> Treatment:
        return self.entry if order.side is Side.BUY else self.exit

    def connected(self) -> None:
        """The broker's words go through our hands."""
        self.run(self.market.quick())
        self.market.broker._emit = self.emit

    def emit(self, event: BrokerEvent) -> None:
        if self.holds_reports_back:
            self.late.append(event)
        elif self.loop.is_running():
            self.market.engine.inbox.post(event)
        else:
            self.loop.call_soon(self.market.engine.inbox.post, event)

    def deliver(self, order: list[BrokerEvent]) -> None:
        self.late.clear()
        self.run(self.market.handle(*order))

    # what may happen

    @rule(
        words=WORDS,
        moves=MOVES,
        at_open=st.booleans(),
        entry=st.sampled_from(ENTRIES),
        exit_=st.sampled_from(EXITS),
    )
    def a_bar(
        self, words: dict[str, float], moves: dict[str, float], at_open: bool, entry: Treatment, exit_: Treatment
    ) -> None:
        """A minute; orders that follow from it are treated so by the broker."""
        self.entry, self.exit = entry, exit_
        closes = {symbol: round(self.market.prices[symbol] * (1 + move), 2) for symbol, move in moves.items()}
        closes = {symbol: close for symbol, close in closes.items() if 1 < close < 10_000}
        self.run(self.market.bar(words, closes, at_open=at_open))

    @rule(symbol=st.sampled_from(DRIVERS), probability=SURE, entry=st.sampled_from(ENTRIES))
    def the_strategy_is_sure(self, symbol: str, probability: float, entry: Treatment) -> None:
        self.entry = entry
        self.run(self.market.bars(2, {symbol: probability}))

    @rule(words=WORDS, exit_=st.sampled_from(EXITS))
    def some_bars(self, words: dict[str, float], exit_: Treatment) -> None:
        self.exit = exit_
        self.run(self.market.bars(3, words))

    @rule(symbol=st.sampled_from([*SYMBOLS, "NOWHERE"]), probability=PROBABILITIES, times=st.integers(1, 3))
    def a_signal_from_outside(self, symbol: str, probability: float, times: int) -> None:
        for _ in range(times):
            self.run(self.market.submit(symbol, probability))

    @rule(probability=SURE, entry=st.sampled_from(ENTRIES), exit_=st.sampled_from(EXITS))
    def somebody_is_sure_of_an_option(self, probability: float, entry: Treatment, exit_: Treatment) -> None:
        self.entry, self.exit = entry, exit_
        self.run(self.market.submit(CALL, probability))
        self.run(self.market.bar())

    @rule(seconds=st.sampled_from([0.1, 1, 5, 61, 600]))
    def time_passes(self, seconds: float) -> None:
        self.run(self.market.wait(seconds))

    @precondition(lambda self: not self.holds_reports_back)
    @rule()
    def reports_are_held_back(self) -> None:
        self.holds_reports_back = True

    @precondition(lambda self: self.holds_reports_back)
    @rule(random=st.randoms(use_true_random=False), twice=st.booleans())
    def reports_come_late_in_any_order(self, random: Any, twice: bool) -> None:
        self.holds_reports_back = False
        late = self.late * (2 if twice else 1)
        random.shuffle(late)
        self.deliver(late)

    @rule(which=st.integers(0, 1000))
    def an_old_execution_is_reported_again(self, which: int) -> None:
        trades = self.market.sql("SELECT symbol, quantity, side, order_ref, execution_id FROM book_fills ORDER BY id")
        if trades:
            symbol, quantity, side, ref, execution = trades[which % len(trades)]
            fill = a_fill(symbol, quantity, 1.0, side=Side(side), order_ref=ref, execution_id=execution)
            self.run(self.market.report(fill, 2))

    @precondition(lambda self: self.market.broker._working)
    @rule(which=st.integers(0, 10))
    def the_broker_cancels_unasked(self, which: int) -> None:
        working = sorted(self.market.broker._working)
        self.market.broker.cancel(working[which % len(working)])
        self.run(self.market.settle())

    @rule(scope=st.sampled_from(SCOPES))
    def entries_are_halted(self, scope: tuple[str, str]) -> None:
        self.run(self.market.command(CommandName.HALT, *scope))

    @precondition(lambda self: self.market.engine.book.halts)
    @rule()
    def entries_are_resumed(self) -> None:
        for scope in SCOPES:
            self.run(self.market.command(CommandName.RESUME, *scope))

    @precondition(lambda self: self.market.engine.book.positions)
    @rule(scope=st.sampled_from(SCOPES))
    def what_is_held_is_flattened(self, scope: tuple[str, str]) -> None:
        self.run(self.market.command(CommandName.FLATTEN, *scope))

    @rule(dollars=st.sampled_from([10_000, 0.01, -0.01, -5_000]))
    def cash_is_moved(self, dollars: float) -> None:
        book = self.market.engine.book
        amount = max(round(dollars * 1_000_000), book.reserved_micros - book.cash_micros)
        self.run(self.market.command(CommandName.CASH, amount_micros=amount))

    @rule(seconds=st.sampled_from([1, 16]))
    def the_broker_is_asked_about_orders_of_unknown_fate(self, seconds: int) -> None:
        self.run(self.market.engine.inquire())
        self.run(self.market.wait(seconds))

    @rule(broker_lives=st.booleans())
    def the_process_dies_and_starts_again(self, broker_lives: bool) -> None:
        """Reports that were on their way are lost: what the broker has done since is found by asking it."""
        self.holds_reports_back = False
        self.late.clear()
        self.run(self.market.restart(keep_broker=broker_lives))
        self.connected()

    @rule(words=WORDS)
    def the_disk_fails_for_a_bar(self, words: dict[str, float]) -> None:
        writer = self.market.book.writer
        transact = writer.transact

        async def fail(_: object) -> None:
            raise BookUnwritable("no space left on the disk")

        writer.transact = fail  # type: ignore[method-assign,assignment]
        try:
            self.run(self.market.bar(words))
        finally:
            writer.transact = transact  # type: ignore[method-assign]
        self.run(self.market.wait(1))

    @precondition(lambda self: self.market.engine.book.orders_made > 6 and self.market.now < LATE)
    @rule()
    def the_day_nears_its_end(self) -> None:
        self.run(self.market.jump(LATE))

    # what has to hold

    @invariant()
    def the_book_holds(self) -> None:
        self.market.check(but=self.leaves_out)

    @invariant()
    def memory_is_what_is_on_disk(self) -> None:
        loaded = self.run(self.market.book.store.load())
        seen = self.market.engine.book.signals_seen
        assert replace(loaded, signals_seen=seen) == self.market.engine.book

    @invariant()
    def the_tables_follow_from_the_journal(self) -> None:
        with sqlite3.connect(self.market.path, isolation_level=None) as connection:
            assert compare(connection, "paper").findings == []
        connection.close()

    @invariant()
    def every_position_is_watched_or_said_not_to_be(self) -> None:
        engine = self.market.engine
        if not engine.trading.gate.why:
            scan = engine.trading.exits.last
            assert {*scan.armed, *scan.unarmed} == set(engine.book.positions)

    @invariant()
    def the_broker_holds_what_the_book_holds(self) -> None:
        is_unsure = any(order.state is OrderState.UNKNOWN for order in self.market.engine.book.orders.values())
        if not (self.late or is_unsure or self.market.engine._riding or self.leaves_out):
            assert self.market.at_broker() == self.market.held()

    def teardown(self) -> None:
        """Whatever came before: the day ends flat."""
        try:
            self.holds_reports_back = False
            self.deliver(list(self.late))
            self.entry = self.exit = Treatment()
            if self.market.now < new_york("15:40", MONDAY):
                self.run(self.market.jump(new_york("15:40", MONDAY)))
            if self.market.now <= new_york("15:50", MONDAY):
                while self.market.now < session_of().closes_at:
                    self.run(self.market.engine.inquire())
                    self.run(self.market.bar())
                assert self.market.held() == {} or self.leaves_out
                self.the_book_holds()
        finally:
            self.run(self.market.stop())
            self.loop.close()
            self.folder.cleanup()


class MachineWithALyingBroker(Machine):
    """Executions that nobody ordered, of more than was ordered, of orders that have ended, corrected ones and busts.
    They happened: they are booked, whatever follows for the rules about orders, and the accounts stay exact."""

    corrections = 0

    leaves_out = frozenset(
        {
            "never both sides of a family",
            "an order is filled by its fills and not beyond",
            "live exits do not exceed what is held",
            "stops that are not being taken back do not exceed what is held and may still be bought",
            "cash is not below zero",
            "what is reserved is covered by cash",
        }
    )

    @rule(
        symbol=st.sampled_from(SYMBOLS),
        side=st.sampled_from(Side),
        quantity=st.integers(1, 300),
        order=st.integers(0, 30),
    )
    def anything_is_reported(self, symbol: str, side: Side, quantity: int, order: int) -> None:
        orders = self.market.sql("SELECT order_ref, symbol, side FROM orders ORDER BY order_ref")
        ref = f"nobody-{order}"
        if order < len(orders):
            ref, symbol, side = orders[order][0], orders[order][1], Side(orders[order][2])
        price = self.market.prices[symbol]
        self.run(self.market.report(a_fill(symbol, quantity, price, side=side, order_ref=ref, at=self.market.now)))

    @rule(
        which=st.integers(0, 1000),
        shares=st.sampled_from([0, 0, 1, 7, 300, 10**9]),
        cents=st.integers(-50, 50),
        is_heard_before=st.booleans(),
    )
    def an_execution_is_corrected_or_busted(self, which: int, shares: int, cents: int, is_heard_before: bool) -> None:
        """One that stands, one that was corrected before, or (`is_heard_before`) one that is heard afterwards."""
        booked = self.market.sql(
            "SELECT execution_id, order_ref, symbol, side, quantity, price_micros, reason FROM book_fills "
            "WHERE purpose <> 'reversal' ORDER BY id"
        )
        if not booked:
            return
        execution, ref, symbol, side, quantity, price_micros, reason = booked[which % len(booked)]
        self.corrections += 1
        if is_heard_before:
            execution, reason = f"late-{self.corrections}", ""
        price = max(price_micros / 1_000_000 + cents / 100, 1.0)
        said = a_fill(
            symbol, quantity, price, side=Side(side), order_ref=ref, execution_id=execution, at=self.market.now
        )
        correction = said._replace(
            execution_id=f"correction-{self.corrections}",
            quantity=min(shares, quantity),
            corrects=(*corrected_by(reason), execution),
        )
        self.run(self.market.report(correction, 2))
        self.run(self.market.report(said))


TestWhateverHappens = Machine.TestCase
TestWhateverABrokerSays = MachineWithALyingBroker.TestCase
TestWhateverHappens.settings = settings(stateful_step_count=40)
TestWhateverABrokerSays.settings = settings(stateful_step_count=30)
