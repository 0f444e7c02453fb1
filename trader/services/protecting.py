"""Protecting: stops and targets that live at the broker, and go on selling when nobody runs here.

Rule 1: with `protection = "broker"` an entry is sent with its pair, of the same shares. What is held beyond that, or
has lost its stop, gets a pair of its own, while the market trades.
Rule 2: stops never ask for more than is held and a working entry may still buy. What is surplus is taken back, the
newest first; what is missing then is placed anew. A target without its stop is surplus.
Rule 3: an exit of our own and protection never live together. The exit waits until the broker has ended every order of
the protection, or evidence has; never for a time.
Rule 4: a pair that the broker does not keep is placed anew at once, then less and less often. The exit scanner watches
what is not covered meanwhile.
Rule 5: with `protection = "daemon"` nothing is wanted at the broker: what lives there from before is surplus.

The database keeps 2 and 3 as well (`stops_within_what_may_be_held`, `no_exit_beside_protection`).
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from trader.domain.alarm import AlarmType
from trader.domain.decision import Refusal, Rule, Stage, Ticket
from trader.domain.events import JournalType
from trader.domain.exit_plan import Levels
from trader.domain.ledger import Position, PositionState
from trader.domain.money import usd
from trader.domain.order import Order, OrderEvent, OrderState
from trader.domain.protection import Guards
from trader.domain.rules import Protection, Rules
from trader.services.cancelling import Cancelling
from trader.services.draft import Draft
from trader.services.step import Level, Step

_RETRY = timedelta(seconds=5)
_LONGEST = timedelta(minutes=5)


class _Refused(NamedTuple):
    """The newest stop of a symbol that the broker has not kept, and how many in a row that makes."""

    ref: str
    times: int
    at: datetime

    @property
    def patience(self) -> timedelta:
        """How long the next pair waits: not at all, then twice as long each time."""
        return min(_RETRY * 2 ** (min(self.times, 10) - 2), _LONGEST) if self.times > 1 else timedelta()


class Protecting:
    """Keeps what lives at the broker equal to what is held."""

    def __init__(self, rules: Rules, cancelling: Cancelling) -> None:
        self._rules = rules
        self._cancelling = cancelling
        self._is_wanted = rules.protection is Protection.BROKER
        self._placed_at: dict[str, datetime] = {}
        """Symbol -> when a pair of its own was placed last: a database that refuses it is not hammered."""
        self._refused: dict[str, _Refused] = {}
        self._told: dict[str, str] = {}
        """Symbol -> the refusal that was told last."""

    def levels(self, draft: Draft, ticket: Ticket, leverage: int) -> Levels | None:
        """Where the pair of an entry stands: by the plan of what is held, else by the last price."""
        if not self._is_wanted:
            return None
        held = draft.positions.get(ticket.symbol)
        plan = held.exit_plan if held is not None else None
        plan = plan or self._rules.exit_rule(ticket.symbol).plan(ticket.reference_micros, leverage)
        return plan.levels

    def refusal(self, draft: Draft, symbol: str) -> Refusal | None:
        """Why an entry cannot be protected at this moment, or None."""
        if not self._is_wanted:
            return None
        if symbol in draft.exits:
            return _not_now(symbol, f"{draft.exits[symbol].ref} sells of it")
        guards, position = guards_of(draft, symbol), draft.positions.get(symbol)
        if guards.lone_targets or guards.asked > (draft.may_sell(position) if position is not None else 0):
            return _not_now(symbol, "what has protected it at the broker has not ended yet")
        return None

    def failed(self, order: Order) -> None:
        """A stop or a target has ended at the broker, and nobody had asked for that.

        While the book cannot be written the same report comes up every step, and counts once.
        """
        before = self._refused.get(order.symbol)
        if order.stop_micros is None or (before is not None and before.ref == order.ref):
            return
        is_in_a_row = before is not None and abs(order.updated_at - before.at) <= 2 * _LONGEST
        times = before.times + 1 if before is not None and is_in_a_row else 1
        self._refused[order.symbol] = _Refused(order.ref, times, order.updated_at)

    def not_happened(self) -> None:
        """What was told in a step that has not happened is told again."""
        self._told.clear()

    def withdraw(self, step: Step, symbol: str, why: str) -> bool:
        """Take back all protection of a symbol. True when none of it lives any more."""
        living = step.draft.protection(symbol)
        for order in living:
            if order.state is not OrderState.CANCELLING:
                self._cancelling.ask(step, order.ref, why)
        return not living

    def look(self, step: Step, *, trades: bool) -> None:
        """Compare what lives with what is wanted; `trades`: the market does, so that something may be placed."""
        draft = step.draft
        symbols = draft.protected
        if self._is_wanted:
            symbols |= draft.positions.keys()
        for symbol in sorted(symbols):
            position, guards = draft.positions.get(symbol), guards_of(draft, symbol)
            self._take_back(step, symbol, position, guards)
            if position is None or position.state is PositionState.CLOSING or symbol in draft.exits:
                continue
            if trades and self._is_wanted:
                self._add(step, position, guards)

    def _take_back(self, step: Step, symbol: str, position: Position | None, guards: Guards) -> None:
        for target in guards.lone_targets:
            self._cancelling.ask(step, target.ref, "its stop has ended")
        may_sell = step.draft.may_sell(position) if position is not None else 0
        wanted = may_sell + guards.may_be_bought if self._is_wanted else 0
        surplus = sum(group.shares for group in guards.groups if not group.is_taken_back) - wanted
        for group in reversed(guards.groups):
            if surplus <= 0:
                return
            if group.stop is None or group.is_taken_back:
                continue
            for order in group.orders:
                self._cancelling.ask(step, order.ref, f"protects {surplus} shares more than there are")
            surplus -= group.shares

    def _add(self, step: Step, position: Position, guards: Guards) -> None:
        draft, symbol, plan = step.draft, position.symbol, position.exit_plan
        missing = draft.may_sell(position) - guards.asked_of_held
        if missing <= 0 or plan is None or guards.lone_targets or self._waits(step, symbol, missing):
            return
        self._placed_at[symbol] = draft.now
        levels = plan.levels
        draft.protect(symbol, missing, levels)
        step.say(
            Level.INFO,
            f"PROTECTING {symbol} {missing} at the broker: stop={usd(levels.stop_micros)} "
            f"target={usd(levels.take_profit_micros)} account={draft.account}",
        )

    def _waits(self, step: Step, symbol: str, missing: int) -> bool:
        """Whether it is too soon for another pair. By a clock that was set back, nobody knows: then it is not."""
        now, placed_at, refused = step.draft.now, self._placed_at.get(symbol), self._refused.get(symbol)
        if placed_at is not None and abs(now - placed_at) < _RETRY:
            return True
        if refused is None or abs(now - refused.at) >= refused.patience:
            return False
        if self._told.get(symbol) != refused.ref:
            self._told[symbol] = refused.ref
            what = f"{missing} shares of {symbol}: the broker has not kept {refused.times} stops in a row"
            step.draft.alarm(AlarmType.NOT_PROTECTED, symbol, what)
            step.say(
                Level.ERROR,
                f"NOT PROTECTED AT THE BROKER {what}; the daemon watches its stop and target, and asks again in "
                f"{refused.patience.total_seconds():.0f} s account={step.draft.account}",
            )
        return True


def guards_of(draft: Draft, symbol: str) -> Guards:
    """What lives at the broker for a symbol."""
    lock = draft.locks.get(symbol)
    return Guards.of(draft.protection(symbol), draft.orders.get(lock.order_ref) if lock is not None else None)


def _not_now(symbol: str, why: str) -> Refusal:
    return Refusal(Stage.CONFLICT, Rule.CLOSING, symbol, detail=why)


def expect_end(draft: Draft, symbol: str, group: str, why: str) -> None:
    """The broker ends what is left of a group by itself: nobody has to ask, and an answer is waited for."""
    for order in draft.protection(symbol):
        if order.oca == group and order.state not in (OrderState.CANCELLING, OrderState.UNKNOWN):
            after = order.after(OrderEvent.CANCEL_ASKED, draft.now)
            draft.set_order(after)
            draft.note(JournalType.ORDER_STATE, symbol, order_ref=order.ref, state=after.state, reason=why)
