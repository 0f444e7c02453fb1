"""Bugs around orders, the ledger and the gate, for the invariants 1 to 20: in each some protection is taken away."""

from collections.abc import Mapping

from crashes.planted import entries_before_recovery, sent_before_it_is_durable
from planting import Planted, put

from trader.adapters.sqlite import transaction
from trader.domain import ledger
from trader.domain.decision import Outcome, Refusal, Signal
from trader.domain.events import JournalEntry, JournalType, JsonValue
from trader.domain.family import Instrument
from trader.domain.ledger import Booked, Lot
from trader.domain.order import TRANSITIONS, Fill, LateCommission, Order, OrderEvent, OrderState
from trader.domain.portfolio import Portfolio
from trader.domain.reference import order_ref
from trader.domain.rules import Costs
from trader.domain.session import Phase
from trader.pipeline import coordinate, session_window, size
from trader.services import settlement
from trader.services.cancelling import Cancelling
from trader.services.deciding import Deciding
from trader.services.draft import Draft
from trader.services.engine import Engine
from trader.services.reconciliation import Reconciliation
from trader.services.settlement import Settlement
from trader.services.step import Step


def told_twice_is_booked_twice() -> None:
    """A repeated report gets an id of its own."""
    settle = Settlement.settle

    def forgetful(self: Settlement, step: Step, fill: Fill) -> None:
        is_known = self.knows(step, fill.execution_id)
        settle(self, step, fill._replace(execution_id=f"{fill.execution_id}.again") if is_known else fill)

    put(Settlement, "settle", forgetful)


def a_correction_undoes_nothing() -> None:
    """It is booked beside what it replaces."""
    put(Settlement, "_undo", lambda *_: None)


def another_quantity_leaves() -> None:
    """What is sent is not what was committed."""
    speak = Engine._speak

    def generous(self: Engine, step: Step) -> None:
        entries = step.draft.commit.entries
        entries[:] = [
            entry._replace(order=entry.order._replace(quantity=entry.order.quantity + 1)) for entry in entries
        ]
        speak(self, step)

    put(Engine, "_speak", generous)


def sent_again_when_in_doubt() -> None:
    """An order that nobody has answered is sent a second time."""
    speak = Engine._speak

    def insistent(self: Engine, step: Step) -> None:
        speak(self, step)
        for order in step.draft.commit.orders.values():
            if order.state is OrderState.UNKNOWN:
                self._ports.broker.place(order)

    put(Engine, "_speak", insistent)


def silence_is_an_end() -> None:
    """An order that nobody has answered counts as one that is not there."""
    for state in (OrderState.CREATED, OrderState.WORKING, OrderState.CANCELLING):
        TRANSITIONS[state][OrderEvent.LOST] = OrderState.CANCELLED


def numbers_go_down() -> None:
    """References are made by another count."""

    def counts_down(self: Draft) -> str:
        self.orders_made += 1
        return order_ref(self.account, self._before.epoch, 1_000_000 - self.orders_made)

    put(Draft, "next_ref", counts_down)


def no_alarm() -> None:
    """What nobody expected is booked, and nobody is told."""
    put(settlement, "_alarm", lambda *_: None)


def a_share_gets_lost() -> None:
    """Of every addition to what is held, and the file's own comparison with the lots looks away."""
    book_fill = ledger.book_fill

    def loses(*arguments: object, **named: object) -> Booked:
        booked = book_fill(*arguments, **named)  # type: ignore[arg-type]
        if booked.created or booked.position.quantity < 2:
            return booked
        return booked._replace(position=booked.position._replace(quantity=booked.position.quantity - 1))

    put(settlement, "book_fill", loses)
    put(transaction, "_check_positions", lambda *_: None)


def differences_are_not_said() -> None:
    """The broker's positions are heard and passed over."""
    put(Reconciliation, "_differ", lambda *_: None)


def commission_is_not_cash() -> None:
    """What an execution does to cash is its price."""

    def effect_micros(fill: Fill) -> int:
        value = fill.quantity * fill.price_micros
        return -value if fill.side == "BUY" else value

    put(Fill, "cash_effect_micros", property(effect_micros))


def late_commissions_are_not_heard() -> None:
    """An execution that is heard again tells nothing."""
    put(settlement, "hear_again", lambda *_: None)


def late_commissions_are_paid_twice() -> None:
    """Cash pays them once more than the book says."""
    charge = Draft.charge

    def twice(self: Draft, late: LateCommission, fill: Fill, *, is_past: bool) -> None:
        charge(self, late, fill, is_past=is_past)
        self.move_cash(-late.commission_micros)

    put(Draft, "charge", twice)


def lots_keep_their_cost() -> None:
    """A lot that is sold in part still costs what it cost."""
    use_lots = ledger.use_lots

    def keeps(lots: tuple[Lot, ...], quantity: int) -> tuple[tuple[Lot, ...], tuple[Lot, ...], int]:
        left, changed, cost = use_lots(lots, quantity)
        whole = {lot.execution_id: lot.cost_micros for lot in lots}
        return tuple(lot._replace(cost_micros=whole[lot.execution_id]) for lot in left), changed, cost

    put(ledger, "use_lots", keeps)


def each_part_pays_the_minimum() -> None:
    """Commission is guessed, for each execution of an order anew."""
    settle = Settlement.settle

    def guesses(self: Settlement, step: Step, fill: Fill) -> None:
        settle(self, step, fill._replace(commission_micros=max(fill.commission_micros, 1_000_000)))

    put(Settlement, "settle", guesses)


def a_chain_of_single_links() -> None:
    """An event's hash does not cover the one before it."""
    link = transaction.link

    def single(head: transaction.Head, account: str, entry: JournalEntry, text: str) -> transaction.Head:
        return link(transaction.Head(head.seq, transaction.GENESIS), account, entry, text)

    put(transaction, "link", single)


def leave_out(kept_back: JournalType) -> None:
    """The journal has no event of one type."""
    note = Draft.note

    def silent(self: Draft, type_: JournalType, symbol: str = "", **data: JsonValue) -> None:
        if type_ is not kept_back:
            note(self, type_, symbol, **data)

    put(Draft, "note", silent)


def closing_is_not_journaled() -> None:
    """The journal does not say why a position goes."""
    leave_out(JournalType.POSITION_CLOSING)


def only_the_last_part_counts() -> None:
    """An order knows how much its last execution has filled."""
    after = Order.after

    def forgets(self: Order, event: OrderEvent, *given: object) -> Order:
        moved = after(self, event, *given)  # type: ignore[arg-type]
        return moved._replace(filled=moved.filled - self.filled) if moved.filled > self.filled else moved

    put(Order, "after", forgets)


def a_cancel_frees_the_lock() -> None:
    """When it is asked for, not when the broker confirms it."""
    ask = Cancelling.ask

    def hasty(self: Cancelling, step: Step, order_ref: str, why: str) -> None:
        ask(self, step, order_ref, why)
        for lock in list(step.draft.locks.values()):
            if lock.order_ref in step.cancel:
                step.draft.release(lock, why)

    put(Cancelling, "ask", hasty)


def one_share_too_many() -> None:
    """The size is rounded up."""

    def rounded_up(symbol: str, room_micros: int, limit_price: int, costs: Costs) -> tuple[int, int]:
        quantity = -(-max(room_micros, 0) // limit_price)
        return quantity, quantity * limit_price + costs.commission_micros(symbol, quantity, limit_price)

    put(size, "_whole_shares", rounded_up)


def inverse_is_long() -> None:
    """Nobody knows that an inverse instrument is one, and a turn closes nothing."""
    put(Instrument, "direction", property(lambda _: 1))
    put(coordinate, "_in_the_way", lambda *_: ((), ()))


def a_halt_bars_nothing() -> None:
    """It is kept, and not looked at."""
    put(Portfolio, "halt_for", lambda *_: None)


def entries_up_to_the_flatten() -> None:
    """The cut-off is passed over."""
    put(session_window, "MAY_ENTER", frozenset({Phase.OPEN, Phase.ENTRIES_STOPPED}))


def no_grounds() -> None:
    """The journal has an entry without what led to it."""

    def none(*_: object) -> Mapping[str, JsonValue]:
        return {}

    put(Deciding, "_grounds", none)


def a_signal_forgets_its_order() -> None:
    """It was ordered, and nothing says which order that was."""
    keep = Step.keep

    def forgets(
        self: Step, signal: Signal, outcome: Outcome, refusal: Refusal | None, order_ref: str, *, fold: bool
    ) -> None:
        del order_ref
        keep(self, signal, outcome, refusal, "", fold=fold)

    put(Step, "keep", forgets)


BUGS: dict[str, Planted] = {
    "told_twice_is_booked_twice": Planted(
        1, told_twice_is_booked_twice, ("b",), "each_booked_execution_is_one_of_the_broker"
    ),
    "a_correction_undoes_nothing": Planted(1, a_correction_undoes_nothing, ("x26", "x6")),
    "another_quantity_leaves": Planted(2, another_quantity_leaves, ("b",), "what_leaves_is_what_was_written"),
    "sent_before_it_is_durable": Planted(3, sent_before_it_is_durable, ("b",)),
    "sent_again_when_in_doubt": Planted(4, sent_again_when_in_doubt, ("b",), "sent_at_most_once"),
    "silence_is_an_end": Planted(4, silence_is_an_end, ("b",), "no_successor_while_its_predecessor_works"),
    "numbers_go_down": Planted(5, numbers_go_down, ("s2",)),
    "no_alarm_for_what_is_nobodys": Planted(
        6, no_alarm, ("f", "x12", "t3", "t7"), "an_execution_of_nobody_is_external_and_stops_entries"
    ),
    "a_share_gets_lost": Planted(7, a_share_gets_lost, ("b",), "executions_are_the_position"),
    "differences_are_not_said": Planted(8, differences_are_not_said, ("c", "f", "x3", "t1"), "a_difference_is_found"),
    "commission_is_not_cash": Planted(9, commission_is_not_cash, ("b",), "cash_moves_by_executions_and_commands"),
    "lots_keep_their_cost": Planted(10, lots_keep_their_cost, ("b",), "lots_are_the_position"),
    "late_commissions_are_not_heard": Planted(
        9, late_commissions_are_not_heard, ("s0", "s4"), "cash_is_what_the_broker_made_of_it"
    ),
    "late_commissions_are_paid_twice": Planted(9, late_commissions_are_paid_twice, ("s0",)),
    "late_commissions_are_never_booked": Planted(
        11, late_commissions_are_not_heard, ("s0", "s4"), "every_commission_is_booked"
    ),
    "each_part_pays_the_minimum": Planted(11, each_part_pays_the_minimum, ("b",), "commission_is_applied_once"),
    "a_chain_of_single_links": Planted(12, a_chain_of_single_links, ("b",)),
    "closing_is_not_journaled": Planted(13, closing_is_not_journaled, ("b",), "the_journal_makes_the_book"),
    "only_the_last_part_counts": Planted(14, only_the_last_part_counts, ("b",), "an_order_is_filled_by_its_executions"),
    "no_alarm_for_what_comes_late": Planted(14, no_alarm, ("t0", "x45", "u12", "t5"), "a_late_execution_is_an_alarm"),
    "a_cancel_frees_the_lock": Planted(15, a_cancel_frees_the_lock, ("b",), "one_live_opening_order_a_symbol"),
    "one_share_too_many": Planted(16, one_share_too_many, ("b",)),
    "exits_of_unknown_fate_are_sent_anew": Planted(
        17, silence_is_an_end, ("c", "b", "d"), "exits_could_not_fill_beyond_what_the_broker_has"
    ),
    "inverse_is_long": Planted(18, inverse_is_long, ("b",), "one_side_of_a_family"),
    "a_halt_bars_nothing": Planted(19, a_halt_bars_nothing, ("b",), "nothing_opens_behind_a_closed_gate"),
    "entries_up_to_the_flatten": Planted(19, entries_up_to_the_flatten, ("b",), "nothing_opens_out_of_its_time"),
    "entries_before_recovery": Planted(19, entries_before_recovery, ("t8", "x1", "x5", "u3")),
    "no_grounds": Planted(20, no_grounds, ("b",)),
    "a_signal_forgets_its_order": Planted(20, a_signal_forgets_its_order, ("b",)),
}
