"""Bugs that one check of an invariant sees and those beside it do not, or not first: each is looked for by that one."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from sqlite3 import Connection

import planted_orders
import planted_restarts
from crashes.planted import executions_of_evidence_ignored
from planting import Planted, put

from trader.adapters.sqlite import transaction
from trader.adapters.sqlite.rows import Row, order_row
from trader.domain.decision import Purpose, Rule, Side, Ticket
from trader.domain.events import JournalEntry, JournalType, JsonValue
from trader.domain.exit_plan import Levels
from trader.domain.ledger import Booked, RoundTrip
from trader.domain.order import Fill, Order, OrderEvent, PendingLock
from trader.pipeline import size
from trader.services import draft, settlement
from trader.services.draft import Draft
from trader.services.engine import Engine
from trader.services.execution import Execution
from trader.services.exit_scanner import ExitScanner, Scan
from trader.services.ports import Entry
from trader.services.settlement import Settlement
from trader.services.step import Step


def every_entry_has_the_first_signal() -> None:
    """Orders forget which signal has led to them."""
    _made_otherwise(Side.BUY, signal_id="S-1")


def an_entry_is_for_an_exit() -> None:
    """What buys is made for what only sells."""
    _made_otherwise(Side.BUY, purpose=Purpose.EXIT)


def _made_otherwise(side: Side, **otherwise: object) -> None:
    def made(**values: object) -> Order:
        return Order(**({**values, **otherwise} if values["side"] is side else values))  # type: ignore[arg-type]

    put(draft, "Order", made)


def every_sale_is_the_evening_s() -> None:
    """An execution is booked for something else than its order was made for."""
    book = Settlement._book

    def mistaken(self: Settlement, step: Step, fill: Fill, purpose: str, reason: str, order: Order | None) -> Booked:
        purpose = Purpose.EOD if fill.side is Side.SELL else purpose
        return book(self, step, fill, purpose, reason, order)

    put(Settlement, "_book", mistaken)


def a_round_trip_gains_a_cent() -> None:
    """What it has realised is not what its executions have."""
    count = Draft._count_round_trip

    def rounded(self: Draft, trip: RoundTrip) -> None:
        count(self, trip._replace(pnl_micros=trip.pnl_micros + 10_000))

    put(Draft, "_count_round_trip", rounded)


def nobody_counts() -> None:
    """No number of positions, openings or orders a minute is too many."""
    put(size, "_count_refusal", lambda *_, **__: None)


def a_stop_is_raised_in_silence() -> None:
    """The journal does not say that a stop has followed the price."""
    planted_orders.leave_out(JournalType.STOP_TIGHTENED)


def a_cancel_makes_an_order_young_again() -> None:
    """Who asks for it writes down when, in the wrong place."""
    after = Order.after

    def rejuvenated(self: Order, event: OrderEvent, *given: object) -> Order:
        moved = after(self, event, *given)  # type: ignore[arg-type]
        return moved._replace(created_at=moved.updated_at) if event is OrderEvent.CANCEL_ASKED else moved

    put(Order, "after", rejuvenated)


def a_cancelled_order_is_not_written() -> None:
    """It ends in memory, and its row says that it works."""
    many = transaction._many

    def forgetful(connection: Connection, name: str, rows: Sequence[Row]) -> None:
        kept = [row for row in rows if name != "update_order" or row[0] != "cancelled"]
        many(connection, name, kept)

    put(transaction, "_many", forgetful)


def parts_are_not_written() -> None:
    """Of an order that has been filled in part the row says nothing of it."""
    many = transaction._many

    def forgetful(connection: Connection, name: str, rows: Sequence[Row]) -> None:
        many(connection, name, [(row[0], 0, *row[2:]) if name == "update_order" else row for row in rows])

    put(transaction, "_many", forgetful)


def a_micro_too_much_is_reserved() -> None:
    """The account's sum is kept beside its locks."""
    write = transaction._write_entry

    def careful(connection: Connection, entry: Entry) -> Rule | None:
        connection.execute("UPDATE book_accounts SET reserved_micros = reserved_micros + 1")
        return write(connection, entry)

    put(transaction, "_write_entry", careful)


def half_is_reserved() -> None:
    """An entry holds back less than it may cost."""
    opens = Draft.open

    def daring(
        self: Draft, ticket: Ticket, grounds: Mapping[str, JsonValue], levels: Levels | None = None
    ) -> PendingLock:
        return opens(self, ticket._replace(reserved_micros=ticket.reserved_micros // 2), grounds, levels)

    put(Draft, "open", daring)


def a_part_reserves_more() -> None:
    """What is left of an entry is reckoned in another unit."""

    def grown(self: PendingLock, fill: Fill, order: Order) -> PendingLock:
        del fill, order
        return self._replace(reserved_micros=self.reserved_micros * 100)

    put(PendingLock, "after", grown)


def exits_stay_as_they_are() -> None:
    """What was bought is taken back, and its exit works on."""
    put(Execution, "shrink_exits", lambda *_: None)


def exits_do_not_ask_what_the_broker_has() -> None:
    """The whole position goes, whatever was told."""
    put(Draft, "may_sell", lambda _, position: position.quantity)


def levels_are_not_journaled() -> None:
    """An execution's event has the position without its exits."""
    journal = settlement._journal

    def bare(step: Step, fill: Fill, booked: Booked, *given: object, **named: object) -> None:
        position = booked.position._replace(exit_plan=None)
        journal(step, fill, booked._replace(position=position), *given, **named)  # type: ignore[arg-type]

    put(settlement, "_journal", bare)


def one_share_is_watched() -> None:
    """The first one of each position."""
    judge = ExitScanner._judge

    def narrow(self: ExitScanner, step: Step, scan: Scan, positions: int) -> None:
        judge(self, step, scan._replace(armed=dict.fromkeys(scan.armed, 1)), positions)

    put(ExitScanner, "_judge", narrow)


def events_are_of_tomorrow() -> None:
    """They are stamped by another clock."""

    def late(type_: JournalType, at: datetime, symbol: str, data: Mapping[str, JsonValue]) -> JournalEntry:
        return JournalEntry(type_, at + timedelta(hours=20), symbol, data)

    put(draft, "JournalEntry", late)


def rows_know_seconds() -> None:
    """The time of an order is cut off in its row."""
    row = order_row

    def whole(at: datetime) -> datetime:
        return at.replace(microsecond=0)

    put(transaction, "order_row", lambda order: row(order._replace(created_at=whole(order.created_at))))


def entries_leave_for_another_account() -> None:
    """What is sent names it; the book does not."""
    speak = Engine._speak

    def mistaken(self: Engine, step: Step) -> None:
        entries = step.draft.commit.entries
        entries[:] = [entry._replace(order=entry.order._replace(account="other")) for entry in entries]
        speak(self, step)

    put(Engine, "_speak", mistaken)


def _narrowed(number: int, check: str, plant: Callable[[], None], *seeds: str) -> Planted:
    return Planted(number, plant, seeds or ("s0",), check)


BUGS: dict[str, Planted] = {
    bug.check: bug
    for bug in (
        _narrowed(1, "a_family_stands_once", planted_orders.a_correction_undoes_nothing, "s8"),
        _narrowed(1, "every_execution_of_the_broker_is_booked", executions_of_evidence_ignored, "s11", "s18"),
        _narrowed(2, "one_intent_one_opening_order", every_entry_has_the_first_signal),
        _narrowed(6, "an_execution_of_ours_is_known_as_ours", every_sale_is_the_evening_s),
        _narrowed(7, "all_executions_are_the_position", planted_orders.a_share_gets_lost),
        _narrowed(8, "the_book_holds_what_the_broker_holds", executions_of_evidence_ignored, "s11", "s19"),
        _narrowed(9, "cash_is_what_executions_and_movements_made_of_it", planted_orders.commission_is_not_cash),
        _narrowed(10, "cost_is_conserved", a_round_trip_gains_a_cent),
        _narrowed(12, "the_journal_only_grows", planted_orders.a_chain_of_single_links, "b"),
        _narrowed(12, "the_audit_finds_nothing", nobody_counts),
        _narrowed(13, "adding_up_the_journal_makes_the_book", a_stop_is_raised_in_silence, "s47", "s58"),
        _narrowed(14, "an_order_only_moves_on", a_cancel_makes_an_order_young_again),
        _narrowed(15, "one_opening_order_and_lock_a_symbol", a_cancelled_order_is_not_written),
        _narrowed(16, "what_works_is_reserved", half_is_reserved),
        _narrowed(16, "reserved_is_covered", a_part_reserves_more, "s1"),
        _narrowed(16, "reservations_add_up", a_micro_too_much_is_reserved),
        _narrowed(17, "exits_ask_for_no_more_than_is_held", exits_stay_as_they_are, "s17", "s34"),
        _narrowed(17, "exits_ask_for_no_more_than_was_told", exits_do_not_ask_what_the_broker_has, "s11", "s29"),
        _narrowed(17, "live_exits_are_covered", parts_are_not_written, "s3"),
        _narrowed(18, "no_entry_against_what_the_broker_has", planted_orders.inverse_is_long, "s2"),
        _narrowed(19, "only_an_entry_buys", an_entry_is_for_an_exit),
        _narrowed(22, "levels_stand_in_the_row_from_the_first_share", levels_are_not_journaled),
        _narrowed(23, "all_that_is_held_is_watched", one_share_is_watched),
        _narrowed(28, "events_are_numbered_without_a_gap", events_are_of_tomorrow),
        _narrowed(28, "rows_keep_the_time_of_what_left", rows_know_seconds),
        _narrowed(37, "what_leaves_names_this_account", entries_leave_for_another_account),
        _narrowed(39, "nothing_is_left_unknown", planted_restarts.never_asked, "s2"),
    )
}
"""By the check that sees it."""
