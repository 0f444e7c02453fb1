"""What an operator may ask of the running daemon. Each command is journaled with its reason and then acknowledged."""

from datetime import datetime

from trader.domain.breaker import Breaker, latch_key
from trader.domain.cash import CashKind
from trader.domain.decision import Side
from trader.domain.events import Command, CommandName, Fate, JournalType, OrderAccepted, OrderCancelled
from trader.domain.family import Families
from trader.domain.ledger import Oversold, Position, shares_held
from trader.domain.market import Prices
from trader.domain.money import MICROS_PER_DOLLAR, usd
from trader.domain.order import Fill, Order, OrderState, PendingLock
from trader.domain.portfolio import Halt
from trader.domain.symbol import value_micros
from trader.services.breakers import Breakers
from trader.services.draft import Draft
from trader.services.execution import Execution
from trader.services.ports import Acknowledgement
from trader.services.settlement import Settlement, by_hand
from trader.services.step import Level, Step

_MOST_CASH_MICROS = 10**12 * MICROS_PER_DOLLAR


class Commands:
    """Turns commands into facts of the draft."""

    def __init__(
        self,
        execution: Execution,
        settlement: Settlement,
        breakers: Breakers,
        families: Families,
        prices: Prices,
        strategy: str,
    ) -> None:
        self._execution = execution
        self._settlement = settlement
        self._breakers = breakers
        self._families = families
        self._prices = prices
        self._strategy = strategy

    def obey(self, step: Step, command: Command) -> str:
        """Do what is asked; give the acknowledgement. One that begins with `refused` changed nothing."""
        acknowledgement = {
            CommandName.HALT: self._halt,
            CommandName.RESUME: self._resume,
            CommandName.FLATTEN: self._flatten,
            CommandName.ADJUST: self._adjust,
            CommandName.RESOLVE: self._resolve,
            CommandName.ADOPT: self._adopt,
            CommandName.CASH: self._book_cash,
            CommandName.ACKNOWLEDGE: self._acknowledge,
        }[command.name](step, command)
        step.draft.note(
            JournalType.COMMAND,
            name=command.name,
            operator=command.operator,
            reason=command.reason,
            scope=command.scope,
            target=command.target,
            answer=acknowledgement,
        )
        step.say(Level.WARNING, f"COMMAND {command.name} by {command.operator} ({command.reason}): {acknowledgement}")
        return acknowledgement

    def _unknown_target(self, draft: Draft, command: Command) -> str:
        """Why a halt of this target would bar nothing, or nothing where it would."""
        if command.scope == "strategy":
            return "" if command.target == self._strategy else f"refused: the strategy here is {self._strategy}"
        target, family = command.target, self._families.instrument(command.target).family
        known = target in draft.positions or self._prices.last(target) is not None or family in self._families.families
        if not target or (known and (command.scope == "symbol" or family == target)):
            return ""
        if known:
            return f"refused: {target} is no family; it belongs to the family {family}"
        return f"refused: {target} is in no family, is not held, and no bar of it has been seen"

    def _halt(self, step: Step, command: Command) -> str:
        unknown = self._unknown_target(step.draft, command)
        if unknown:
            return unknown
        halt = Halt(command.scope, command.target, command.reason, step.draft.now)
        if halt.key in step.draft.halts:
            return f"{halt.key} was halted already: {step.draft.halts[halt.key].reason}"
        step.draft.halt(halt)
        return f"entries halted: {halt.key}. Exits, stops and the close of the day go on"

    def _resume(self, step: Step, command: Command) -> str:
        if command.breaker is not None:
            return self._clear(step, command.breaker, command)
        key = f"{command.scope}:{command.target}" if command.target else command.scope
        if step.draft.resume(key, command.reason):
            return f"entries resumed: {key}{_still_tripped(step.draft)}"
        there = ", ".join(step.draft.halts) or "nothing"
        return f"refused: {key} is not halted (halted: {there}){_still_tripped(step.draft)}"

    def _clear(self, step: Step, breaker: Breaker, command: Command) -> str:
        latches = step.draft.latches
        key = latch_key(breaker, command.target)
        latch = latches.get(key)
        if latch is None or (command.target and command.scope != latch.scope):
            of_it = [other.way_out for other in latches.values() if other.breaker is breaker]
            there = f"tripped: {', '.join(latches)}" if latches else "no breaker has tripped"
            return f"refused: {key} has not tripped ({'; '.join(of_it) or there})"
        so_far_micros = self._breakers.so_far(step.draft, breaker)
        step.draft.rearm(latch, command.operator, command.reason, so_far_micros)
        return f"cleared: {key}, which had tripped at {latch.tripped_at:%Y-%m-%d %H:%M:%S} UTC: {latch.cause}"

    def _flatten(self, step: Step, command: Command) -> str:
        draft = step.draft
        unknown = self._unknown_target(draft, command)
        if unknown:
            return unknown
        if command.scope == "strategy":
            return "refused: positions are not a strategy's; name a symbol or a family"
        halt = Halt(command.scope, command.target, f"flatten: {command.reason}", draft.now, flattens=True)
        draft.halt(halt)
        chosen = [held for held in draft.positions.values() if halt.covers(held.family, held.symbol)]
        return (
            f"entries halted, closing {len(chosen)} positions and whatever else comes to be held; `trader resume` ends "
            f"it and allows entries again"
        )

    def _adjust(self, step: Step, command: Command) -> str:
        if command.target:
            return self._book_missing(step, command)
        fill = command.fill
        if fill is None:
            return "refused: nothing to adjust; name an execution, or missing shares"
        if self._settlement.knows(step, fill.execution_id):
            return f"refused: {fill.execution_id} is booked already"
        impossible = _in_the_way(step.draft, fill.symbol) or self._impossible(step.draft, fill)
        if impossible:
            return f"refused: {impossible}"
        try:
            self._settlement.adjust(step, fill, command.reason)
        except Oversold as error:
            return f"refused: {error}"
        return f"booked {fill.execution_id}: {fill.side} {fill.quantity} {fill.symbol} at {usd(fill.price_micros)}"

    def _book_missing(self, step: Step, command: Command) -> str:
        """Book the shares that the broker lacks as sold, at a price: what somebody did by hand, and nobody told."""
        drift = step.draft.drift.get(command.target)
        held = shares_held(step.draft.positions, command.target)
        missing = held - max(drift.broker, 0) if drift is not None else 0
        if missing <= 0:
            return f"refused: no missing shares of {command.target} are known; see `trader ledger`"
        refused = self._book_difference(step, command, Side.SELL, missing, "missing")
        price = usd(command.price_micros)
        return refused or f"booked {missing} {command.target} as sold at {price}; correct cash with `trader cash book`"

    def _book_difference(self, step: Step, command: Command, side: Side, shares: int, how: str) -> str:
        """Book what book and broker do not agree on as one execution at a price; give the refusal, or nothing."""
        draft, symbol = step.draft, command.target
        waits = _in_the_way(draft, symbol)
        if waits:
            return f"refused: {waits}"
        ref = draft.next_ref()
        fill = Fill(f"{how}-{ref}", ref, draft.account, symbol, side, shares, command.price_micros, 0, draft.now)
        impossible = self._impossible(draft, fill)
        if impossible:
            return f"refused: {impossible}"
        self._settlement.adjust(step, fill, f"{how}: {command.reason}")
        draft.reconciled(symbol, f"{how} shares, booked by {command.operator}")
        return ""

    def _impossible(self, draft: Draft, fill: Fill) -> str:
        """Why a correction would make a book that must not be, or nothing."""
        if fill.fault or fill.account != draft.account:
            return f"it would have {fill.fault or 'another account'}"
        after_micros = draft.cash_micros + fill.cash_effect_micros
        if after_micros < 0:
            return f"cash would be {usd(after_micros)}; book what is missing with `trader cash book` first"
        own = self._families.instrument(fill.symbol)
        sides: list[Position | PendingLock] = [*draft.positions.values(), *draft.locks.values()]
        for taken in sides:
            if fill.side is Side.BUY and taken.family == own.family and taken.direction != own.direction:
                what = "is held" if isinstance(taken, Position) else "has a working entry"
                return f"{taken.symbol} {what}, which is the other side of the family {own.family}"
        return ""

    def _resolve(self, step: Step, command: Command) -> str:
        """An operator knows what the broker does not say. Only of an order of unknown fate."""
        order = step.draft.orders.get(command.order_ref)
        if order is None:
            return f"refused: {command.order_ref} is no live order; see `trader orders --open`"
        if order.state is not OrderState.UNKNOWN:
            return f"refused: {order.ref} is {order.state}; only an order of unknown fate is resolved by hand"
        said = f"resolved by {command.operator}: {command.reason}"
        if command.fate is Fate.FILLED:
            fill = _as_executed(order, command.price_micros, step.draft.now)
            impossible = self._impossible(step.draft, fill)
            if impossible:
                return f"refused: {impossible}; see --price"
            self._settlement.settle(step, fill)
        elif command.fate is Fate.WORKING:
            self._execution.report(step, OrderAccepted(order.ref))
        else:
            self._execution.report(step, OrderCancelled(order.ref, said))
        return f"{order.ref} is {command.fate}: {order.side} {order.remaining} {order.symbol}"

    def _adopt(self, step: Step, command: Command) -> str:
        """Take foreign shares into the book, at a price, with exits of their own. They cost this account no cash."""
        draft, symbol = step.draft, command.target
        drift = draft.drift.get(symbol)
        if drift is None or drift.broker <= drift.book:
            return f"refused: no foreign shares of {symbol} are known; see `trader ledger`"
        family = self._families.instrument(symbol).family
        if any(halt.flattens and halt.covers(family, symbol) for halt in draft.halts.values()):
            return f"refused: `trader flatten` stands, and would sell {symbol} at once; `trader resume` first"
        closing = next(
            (latch for latch in draft.latches.values() if latch.flattens and latch.covers(family, symbol)), None
        )
        if closing is not None:
            return f"refused: {closing.key} has tripped, and would sell {symbol} at once; `{closing.way_out}` first"
        shares = drift.broker - drift.book
        worth_micros = value_micros(symbol, shares, command.price_micros)
        draft.move_cash(worth_micros)
        refused = self._book_difference(step, command, Side.BUY, shares, "adopted")
        if refused:
            draft.move_cash(-worth_micros)
            return refused
        draft.note_movement(symbol, worth_micros, reason=f"adopted: {command.reason}")
        return f"adopted {shares} {symbol} at {usd(command.price_micros)}; its exits are armed"

    def _acknowledge(self, step: Step, command: Command) -> str:
        """Who asks has looked the numbers up; one that is none, or is acknowledged, stays as it is."""
        if not command.alarms:
            return "refused: no alarm is named; see `trader alerts`"
        step.draft.commit.acknowledged += [Acknowledgement(number, command.operator) for number in command.alarms]
        return f"acknowledged: {', '.join(str(number) for number in command.alarms)}"

    def _book_cash(self, step: Step, command: Command) -> str:
        """Book cash that has come or gone otherwise than by trading; what a statement names, once."""
        draft, kind = step.draft, command.kind or CashKind.CORRECTION
        after_micros = draft.cash_micros + command.amount_micros
        if not command.amount_micros:
            return "refused: nothing to book; an amount has to be at least 0.000001 USD"
        if kind.fault(command.amount_micros):
            return f"refused: {kind.fault(command.amount_micros)}"
        if command.movement in step.moved:  # twice in one step, the database refuses, and each is asked alone
            return f"refused: {command.movement} is booked already"
        if not 0 <= after_micros <= _MOST_CASH_MICROS:
            return f"refused: cash would be {usd(after_micros)}; it has to stay between 0 and {usd(_MOST_CASH_MICROS)}"
        draft.book_cash(command.amount_micros, kind, command.reason, command.movement)
        left = f"; still {draft.cash_drift.what}" if draft.cash_drift is not None else ""
        return f"booked {usd(command.amount_micros)} USD as {kind}; cash is now {usd(draft.cash_micros)}{left}"


def _still_tripped(draft: Draft) -> str:
    """What a person who resumes entries has to know."""
    ways = "; ".join(latch.way_out for latch in draft.latches.values())
    return f"; breakers stay tripped: {ways}" if ways else ""


def _as_executed(order: Order, price_micros: int, at: datetime) -> Fill:
    """The rest of an order as one execution; its commission is booked by `trader cash book`, when it is known."""
    return Fill(
        by_hand(order.ref),
        order.ref,
        order.account,
        order.symbol,
        order.side,
        order.remaining,
        price_micros,
        0,
        at,
    )


def _in_the_way(draft: Draft, symbol: str) -> str:
    """The working order that a correction of a symbol has to wait for, in words; or nothing."""
    if symbol in draft.exits or symbol in draft.locks:
        return f"{symbol} has a working order; wait for its end, or cancel it"
    return ""
