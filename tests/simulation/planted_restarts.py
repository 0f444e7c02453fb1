"""Bugs around death, restart, time, the disk and the account, for the invariants 21 and 27 to 41."""

from dataclasses import replace
from datetime import UTC

from crashes.planted import entries_before_recovery, executions_of_evidence_ignored
from planting import Planted, put
from simulation.embedded import EmbeddedPlace
from simulation.faults import Fault
from simulation.world import World

from trader.adapters.schedule import Chore, Schedule
from trader.adapters.sqlite.store import SqliteStore
from trader.domain.decision import Close, Purpose
from trader.domain.errors import BookRefused
from trader.domain.events import Command, JournalType, OrderCancelled, OrderLost
from trader.domain.exit_plan import ExitReason
from trader.domain.order import Fill, Order
from trader.domain.portfolio import Book
from trader.domain.session import NEW_YORK
from trader.services import draft
from trader.services.commands import Commands
from trader.services.engine import Engine
from trader.services.execution import Execution, OrderReport
from trader.services.gate import Gate
from trader.services.market_day import MarketDay
from trader.services.settlement import Settlement
from trader.services.spilling import Spilling
from trader.services.step import Step

_MANY = 25


def placed_many_times() -> None:
    """An entry is sent in many orders at once."""
    speak = Engine._speak

    def flooding(self: Engine, step: Step) -> None:
        speak(self, step)
        for entry in step.draft.commit.entries:
            for number in range(_MANY):
                self._ports.broker.place(entry.order._replace(ref=f"{entry.order.ref}{number:02}"))

    put(Engine, "_speak", flooding)


def chore_again_and_again() -> None:
    """A daily chore runs every minute."""

    def often(self: Schedule, hour: int, minute: int, name: str, chore: Chore) -> None:
        self.every(60.0, name, chore)

    put(Schedule, "daily", often)


def stamped_in_new_york() -> None:
    """An order's time is New York's, and is taken for UTC."""

    def local(**values: object) -> Order:
        made = Order(**values)  # type: ignore[arg-type]
        return made._replace(created_at=made.created_at.astimezone(NEW_YORK).replace(tzinfo=UTC))

    put(draft, "Order", local)


def executions_forgotten_in_recovery() -> None:
    """No execution is booked; the second life dies while it recovers, which chance alone does too seldom."""
    put(Settlement, "settle", lambda *_: None)
    plan = World._plan_death

    def planned(self: World) -> None:
        plan(self)
        self._faults.eagerness[Fault.KILLED_IN_RECOVERY] = 1.0
        self._death = Fault.KILLED_IN_RECOVERY
        self._dies_at = {1: 10_000, 2: 12}.get(self.outcome.lives, 0)

    put(World, "_plan_death", planned)


def acknowledged_and_not_journaled() -> None:
    """A command is done and answered, and nothing says so."""
    obey = Commands.obey

    def unwritten(self: Commands, step: Step, command: Command) -> str:
        answer = obey(self, step, command)
        step.draft.commit.journal[:] = [
            entry for entry in step.draft.commit.journal if entry.type is not JournalType.COMMAND
        ]
        return answer

    put(Commands, "obey", unwritten)


def restart_closes_everything() -> None:
    """A start trusts nothing that it finds; and there are many, since few lives end with nothing left to be done."""
    put(EmbeddedPlace, "longest_life", 1_500)

    async def distrust(self: Engine) -> None:
        step = Step(draft.Draft(self.book, self._ports.clock.now()))
        for symbol in self.book.positions:
            self.trading._execution.close(step, Close(symbol, Purpose.EXIT, ExitReason.SIGNAL))
        await self._locks.commit(step.draft)
        self.book = step.draft.book()

    put(Engine, "repair", distrust)


def halts_not_loaded() -> None:
    """A start allows entries."""
    load = SqliteStore.load

    async def forgetful(self: SqliteStore) -> Book:
        return replace(await load(self), halts={})

    put(SqliteStore, "load", forgetful)


def resumed_by_time() -> None:
    """The end of a session ends every halt."""
    forget = MarketDay._prove_flat

    def lenient(self: MarketDay, step: Step, *more: object) -> None:
        for key in list(step.draft.halts):
            step.draft.resume(key, "another day")
        forget(self, step, *more)  # type: ignore[arg-type]

    put(MarketDay, "_prove_flat", lenient)


def entries_leave_without_the_book() -> None:
    """Of a step that could not be written the entries go, too."""
    get_out = Spilling.get_out

    def all_get_out(self: Spilling, step: Step) -> list[str]:
        left = get_out(self, step)
        for entry in step.draft.commit.entries:
            self._broker.place(entry.order)
        return left

    put(Spilling, "get_out", all_get_out)


def silence_is_an_end() -> None:
    """An order that nobody answers in time is taken for cancelled."""
    report = Execution.report

    def assuming(self: Execution, step: Step, event: OrderReport) -> None:
        report(self, step, OrderCancelled(event.order_ref, event.reason) if isinstance(event, OrderLost) else event)

    put(Execution, "report", assuming)


def any_account_is_ours() -> None:
    """Nobody asks of which account a report is."""
    settle = Settlement.settle

    def trusting(self: Settlement, step: Step, fill: Fill) -> None:
        settle(self, step, fill._replace(account=step.draft.account))

    put(Settlement, "settle", trusting)


def a_second_start_is_refused() -> None:
    """A book that has been used is never good enough."""

    async def refuse(self: Engine) -> None:
        if self.book.orders_made:
            raise BookRefused("this book has been used")

    put(Engine, "repair", refuse)


def never_asked() -> None:
    """An order of unknown fate is nobody's business."""

    async def nothing(self: Engine) -> None:
        pass

    put(Engine, "inquire", nothing)


def gate_stays_closed() -> None:
    """What has closed the gate keeps it closed."""
    put(Gate, "open", lambda *_: None)


def a_position_not_loaded() -> None:
    """A start overlooks one position."""
    load = SqliteStore.load

    async def overlooking(self: SqliteStore) -> Book:
        book = await load(self)
        kept = list(book.positions)[1:]
        return replace(
            book,
            positions={symbol: book.positions[symbol] for symbol in kept},
            lots={symbol: book.lots[symbol] for symbol in kept},
        )

    put(SqliteStore, "load", overlooking)


BUGS: dict[str, Planted] = {
    "placed_many_times": Planted(21, placed_many_times, ("s1",)),
    "chore_again_and_again": Planted(27, chore_again_and_again, ("s2",)),
    "stamped_in_new_york": Planted(28, stamped_in_new_york, ("s1",), "orders_are_stamped_with_the_market_s_time"),
    "executions_of_evidence_ignored": Planted(29, executions_of_evidence_ignored, ("s29", "s39")),
    "entries_before_recovery": Planted(29, entries_before_recovery, ("s5", "s8")),
    "executions_forgotten_in_recovery": Planted(30, executions_forgotten_in_recovery, ("s1",)),
    "acknowledged_and_not_journaled": Planted(31, acknowledged_and_not_journaled, ("s1",)),
    "restart_closes_everything": Planted(
        32, restart_closes_everything, ("s64",), "a_restart_without_news_changes_nothing"
    ),
    "halts_not_loaded": Planted(33, halts_not_loaded, ("s5",), "a_halt_survives_a_restart"),
    "resumed_by_time": Planted(33, resumed_by_time, ("s0",), "only_a_person_resumes"),
    "entries_leave_without_the_book": Planted(35, entries_leave_without_the_book, ("s3",)),
    "silence_is_an_end": Planted(36, silence_is_an_end, ("s3",), "only_evidence_ends_an_order"),
    "any_account_is_ours": Planted(37, any_account_is_ours, ("s0",), "only_this_account_is_in_the_book"),
    "a_second_start_is_refused": Planted(39, a_second_start_is_refused, ("s0",)),
    "never_asked": Planted(39, never_asked, ("s0",)),
    "gate_stays_closed": Planted(39, gate_stays_closed, ("s0",), "entries_are_possible_again"),
    "a_position_not_loaded": Planted(41, a_position_not_loaded, ("s5",)),
}
