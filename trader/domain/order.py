"""Orders: what the broker was asked, and the one table of what may become of it."""

import re
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from trader.domain.decision import Purpose, Side
from trader.domain.errors import IllegalTransition
from trader.domain.money import MICROS_PER_DOLLAR
from trader.domain.symbol import is_symbol, value_micros

_CORRECTS = "corrects "
_ID = re.compile(r"[!-~]{1,64}")
_MOST_SHARES = 1_000_000_000
_LARGEST_MICROS = 10_000_000_000 * MICROS_PER_DOLLAR
_CHEAPEST_MICROS = 2
"""A stop, which is never 0, has to fit below it."""
_DEAREST_MICROS = 10_000_000 * MICROS_PER_DOLLAR


class OrderState(StrEnum):
    """Where an order stands. `UNKNOWN`: the broker's answer is missing; nothing may be assumed."""

    CREATED = "created"
    WORKING = "working"
    CANCELLING = "cancelling"
    UNKNOWN = "unknown"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


LIVE = frozenset({OrderState.CREATED, OrderState.WORKING, OrderState.CANCELLING, OrderState.UNKNOWN})
DONE = frozenset({OrderState.FILLED, OrderState.CANCELLED, OrderState.REJECTED})


class OrderEvent(StrEnum):
    """What can happen to an order."""

    ACCEPTED = "accepted"
    PARTLY_FILLED = "partly_filled"
    FILLED = "filled"
    CANCEL_ASKED = "cancel_asked"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    LOST = "lost"


_S, _E = OrderState, OrderEvent

TRANSITIONS: dict[OrderState, dict[OrderEvent, OrderState]] = {
    _S.CREATED: {
        _E.ACCEPTED: _S.WORKING,
        _E.PARTLY_FILLED: _S.WORKING,  # the fill may be reported before the acknowledgement
        _E.FILLED: _S.FILLED,
        _E.CANCEL_ASKED: _S.CANCELLING,
        _E.CANCELLED: _S.CANCELLED,
        _E.REJECTED: _S.REJECTED,
        _E.LOST: _S.UNKNOWN,
    },
    _S.WORKING: {
        _E.ACCEPTED: _S.WORKING,  # a repeated acknowledgement is normal
        _E.PARTLY_FILLED: _S.WORKING,
        _E.FILLED: _S.FILLED,
        _E.CANCEL_ASKED: _S.CANCELLING,
        _E.CANCELLED: _S.CANCELLED,
        _E.REJECTED: _S.REJECTED,  # accepted, then refused by the exchange
        _E.LOST: _S.UNKNOWN,
    },
    _S.CANCELLING: {
        _E.ACCEPTED: _S.CANCELLING,
        _E.PARTLY_FILLED: _S.CANCELLING,
        _E.FILLED: _S.FILLED,  # the cancel lost the race
        _E.CANCEL_ASKED: _S.CANCELLING,
        _E.CANCELLED: _S.CANCELLED,
        _E.REJECTED: _S.REJECTED,
        _E.LOST: _S.UNKNOWN,
    },
    _S.UNKNOWN: {
        _E.ACCEPTED: _S.WORKING,
        _E.PARTLY_FILLED: _S.WORKING,
        _E.FILLED: _S.FILLED,
        _E.CANCEL_ASKED: _S.UNKNOWN,
        _E.CANCELLED: _S.CANCELLED,
        _E.REJECTED: _S.REJECTED,
        _E.LOST: _S.UNKNOWN,
    },
    # Real-world rows: a fill can arrive for an order that was reported ended. It happened, so it is booked; the order
    # stays ended, and its caller raises the alarm.
    _S.FILLED: {
        _E.ACCEPTED: _S.FILLED,
        _E.PARTLY_FILLED: _S.FILLED,  # more than was ordered
        _E.FILLED: _S.FILLED,
        _E.CANCEL_ASKED: _S.FILLED,
        _E.CANCELLED: _S.FILLED,
    },
    _S.CANCELLED: {
        _E.ACCEPTED: _S.CANCELLED,
        _E.PARTLY_FILLED: _S.CANCELLED,
        _E.FILLED: _S.FILLED,
        _E.CANCEL_ASKED: _S.CANCELLED,
        _E.CANCELLED: _S.CANCELLED,
    },
    _S.REJECTED: {
        _E.PARTLY_FILLED: _S.REJECTED,
        _E.FILLED: _S.FILLED,
        _E.CANCEL_ASKED: _S.REJECTED,
        _E.CANCELLED: _S.REJECTED,
        _E.REJECTED: _S.REJECTED,
    },
}


class Order(NamedTuple):
    """One order of ours. `ref` is its identity everywhere, at the broker too."""

    ref: str
    account: str
    symbol: str
    side: Side
    quantity: int
    limit_micros: int | None
    """Worst price of an entry, least price of a target; None is a market order, which only exits use."""
    purpose: Purpose
    reason: str
    signal_id: str
    state: OrderState
    filled: int
    created_at: datetime
    updated_at: datetime
    stop_micros: int | None = None
    """The price at which the broker makes a market order of it."""
    oca: str = ""
    """Of protection: its group at the broker, in which what one sells the others sell no more (one cancels all). It has
    the name of the entry that the pair was sent with, or of its stop."""
    perm_id: int | None = None
    """The broker's own id of it, once told."""

    @property
    def is_protection(self) -> bool:
        """Whether it is a stop or a target that lives at the broker."""
        return self.purpose is Purpose.PROTECTION

    @property
    def rests(self) -> bool:
        """Whether it is protection that stands at the broker as long as the position does: nothing is on its way."""
        return self.is_protection and self.state is OrderState.WORKING

    @property
    def is_own_exit(self) -> bool:
        """Whether it is a sale that the daemon has decided on at that moment: one of a symbol at a time."""
        return self.side is Side.SELL and not self.is_protection

    @property
    def books_as(self) -> str:
        """For what its executions are booked."""
        return Purpose.EXIT if self.is_protection else self.purpose

    @property
    def ends_as(self) -> str:
        """The reason of a round trip that it ends, where the position was not on its way out."""
        return self.reason if self.is_protection else self.purpose

    @property
    def remaining(self) -> int:
        """Shares not yet executed."""
        return self.quantity - self.filled

    def worst_micros(self, quantity: int) -> int:
        """What so many shares of it cost at its limit; 0 of one without a limit."""
        return value_micros(self.symbol, quantity, self.limit_micros or 0)

    @property
    def live(self) -> bool:
        """Working, or of unknown fate."""
        return self.state in LIVE

    def works_on_after(self, filled: int) -> bool:
        """Whether it is an entry whose rest still works when so many more shares are filled."""
        return self.purpose is Purpose.ENTRY and self.live and self.remaining > filled

    def after(self, event: OrderEvent, now: datetime, filled: int = 0) -> "Order":
        """The order after an event; `filled` is the number of shares executed by it.

        Raises IllegalTransition, with nothing changed, for what the table does not allow.
        """
        state = TRANSITIONS[self.state].get(event)
        if state is None:
            raise IllegalTransition(f"order {self.ref} is {self.state} and cannot be {event}")
        return self._replace(state=state, filled=self.filled + filled, updated_at=now)

    def without(self, shares: int, now: datetime) -> "Order":
        """The order after an execution of so many shares was undone: only the broker's word begins or ends an order."""
        return self._replace(filled=self.filled - shares, updated_at=now)


def reversal_of(execution_id: str) -> str:
    """The execution id of what undoes an execution; there is one, whether the broker or an operator undid it."""
    return f"reversal-of-{execution_id}"


def corrected_by(reason: str) -> tuple[str, ...]:
    """The executions that one with this reason replaces: the other direction of `Fill.correction`."""
    return tuple(reason.removeprefix(_CORRECTS).split()) if reason.startswith(_CORRECTS) else ()


class Fill(NamedTuple):
    """One execution, identified by the broker's execution id, unique within an account.

    One that replaces others counts in their place. With a quantity of 0 it is a bust: they never happened.
    """

    execution_id: str
    order_ref: str
    account: str
    symbol: str
    side: Side
    quantity: int
    price_micros: int
    commission_micros: int
    executed_at: datetime
    corrects: tuple[str, ...] = ()
    """Ids of all the executions that it replaces, also of those that were never heard. None is read out of an id."""

    @property
    def is_bust(self) -> bool:
        """Whether it says of others that they never happened, and nothing else."""
        return bool(self.corrects) and self.quantity == 0

    @property
    def correction(self) -> str:
        """The reason of one that replaces others, as the book keeps it; the ids have no spaces."""
        return _CORRECTS + " ".join(self.corrects)

    @property
    def fault(self) -> str:
        """Why this cannot be an execution, or nothing: a broker's word is checked as a file's is."""
        if not (0 < self.quantity <= _MOST_SHARES or self.is_bust):
            return f"{self.quantity} shares"
        if not (_CHEAPEST_MICROS <= self.price_micros <= _DEAREST_MICROS or self.is_bust):
            return f"a price of {self.price_micros} micros"
        if abs(self.commission_micros) > _DEAREST_MICROS:
            return f"a commission of {self.commission_micros} micros"
        if self.value_micros > _LARGEST_MICROS:
            return f"a value of {self.value_micros} micros"
        if not (_ID.fullmatch(self.execution_id) and _ID.fullmatch(self.order_ref)):
            return "an id that is no short printable text"
        if self.corrects and not self._corrects_others:
            return "the correction of itself, or of an id that is no short printable text"
        if not is_symbol(self.symbol):
            return f"the symbol {ascii(self.symbol)[:40]}"
        return ""

    @property
    def _corrects_others(self) -> bool:
        return self.execution_id not in self.corrects and all(_ID.fullmatch(id_) for id_ in self.corrects)

    @property
    def signed_quantity(self) -> int:
        """Shares that it adds to what is held: below zero for a sale."""
        return self.quantity if self.side is Side.BUY else -self.quantity

    @property
    def value_micros(self) -> int:
        """What was paid or taken, commission apart."""
        return value_micros(self.symbol, self.quantity, self.price_micros)

    @property
    def cash_effect_micros(self) -> int:
        """What the execution does to cash, commission included."""
        value = self.value_micros
        return (-value if self.side is Side.BUY else value) - self.commission_micros


class LateCommission(NamedTuple):
    """What an execution has cost, told after it was booked without a commission."""

    execution_id: str
    order_ref: str
    symbol: str
    commission_micros: int
    """Below zero where the broker pays."""


class PendingLock(NamedTuple):
    """The durable right to have one working opening order on (account, symbol).

    Its row carries what the order may still use up: cash and a position slot, and the side of the family it takes.
    """

    order_ref: str
    account: str
    symbol: str
    family: str
    direction: int
    reserved_micros: int
    takes_slot: bool
    acquired_at: datetime

    def after(self, fill: Fill, order: Order) -> "PendingLock":
        """What is still reserved after a fill of its order: the rest at its limit, and what commission leaves over."""
        spent = order.worst_micros(fill.quantity) + fill.commission_micros
        return self._replace(reserved_micros=max(order.worst_micros(order.remaining), self.reserved_micros - spent))

    def charged(self, commission_micros: int, order: Order) -> "PendingLock":
        """What is still reserved after a commission of its order that was told late."""
        left = self.reserved_micros - commission_micros
        return self._replace(reserved_micros=max(order.worst_micros(order.remaining), left))

    def without(self, fill: Fill, order: Order) -> "PendingLock":
        """What is reserved again after a fill of its order was undone: the rest may cost it once more."""
        given_back = order.worst_micros(fill.quantity) + fill.commission_micros
        worst = order.worst_micros(order.remaining)
        return self._replace(reserved_micros=max(worst, self.reserved_micros + given_back))
