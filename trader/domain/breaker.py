"""Breakers: what stops entries by itself and stays, until a person has looked.

Rule 1: a breaker measures one number and compares it with one limit. Both are told, and so is the formula.
Rule 2: what has tripped is a *latch*: a row of the book with cause, inputs, limit and time. No time and no restart ends
it, only `trader resume --breaker NAME --reason TEXT`.
Rule 3: a latch keeps entries of its scope from leaving; set to `flatten` it closes what is held in it, too. No latch
ever keeps an exit.
Rule 4: a person who has cleared one knows of what was measured until then: it is counted from that moment on.

The list of breakers follows the automated risk controls of FIA, "Best Practices for Automated Trading Risk Controls and
System Safeguards" (2024), and what the incidents have shown.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from operator import ge, gt, le
from typing import NamedTuple

from trader.domain.money import MICROS_PER_DOLLAR


class Breaker(StrEnum):
    """Every breaker, by the name a person types."""

    AUDIT = "audit"
    DAY_LOSS = "day_loss"
    DRAWDOWN = "drawdown"
    LOSSES_IN_A_ROW = "losses_in_a_row"
    TRADES = "trades"
    COSTS = "costs"
    ORDER_RATE = "order_rate"
    REJECTS_IN_A_ROW = "rejects_in_a_row"
    REPEATED_EXECUTION = "repeated_execution"
    CREATIONS_PER_HOUR = "creations_per_hour"
    REGULAR_CREATIONS = "regular_creations"
    STALE_DATA = "stale_data"
    PRICE_JUMP = "price_jump"
    RECONCILIATION = "reconciliation"
    CASH_RECONCILIATION = "cash_reconciliation"
    UNKNOWN_ORDER = "unknown_order"
    EXCEPTIONS = "exceptions"
    LOOP_LAG = "loop_lag"
    DISK_SPACE = "disk_space"
    CLOCK_SKEW = "clock_skew"
    CLOCK_JUMP = "clock_jump"
    EXIT_SCANNER = "exit_scanner"
    BOOK_WRITER = "book_writer"
    ALARM_DELIVERY = "alarm_delivery"


class BreakerScope(StrEnum):
    """Whose entries a latch stops."""

    SYMBOL = "symbol"
    FAMILY = "family"
    ACCOUNT = "account"
    """What this account has done, or holds."""
    ALL = "all"
    """What is the host's: each account's daemon measures it for itself, and each has a latch of its own."""


class Kind(NamedTuple):
    """What a breaker is, whatever is set."""

    scope: BreakerScope
    formula: str
    """What is measured; `{within}` stands for what is set."""
    limit: float
    """Unless it is set otherwise."""
    within_s: int = 0
    """Over how long it counts, or how long its condition has to last, seconds, unless it is set otherwise; 0 where
    there is no such time."""
    trips_when: str = ">="
    """How what is measured compares with the limit when it trips: `>=`, `>` or `<=`."""
    of_limits: str = ""
    """The key of `[limits]` that is its limit, where a decision looks at the same one."""

    def reached(self, measured: float, limit: float) -> bool:
        """Whether a breaker of this kind trips."""
        return _COMPARED[self.trips_when](measured, limit)


_COMPARED: Mapping[str, Callable[[float, float], bool]] = {">=": ge, ">": gt, "<=": le}


_SYMBOL, _FAMILY, _ACCOUNT, _ALL = BreakerScope

KINDS: Mapping[Breaker, Kind] = {
    Breaker.AUDIT: Kind(
        _ACCOUNT, "rules of the audit, or of the nightly verification, that fail or could not be checked", 1
    ),
    Breaker.DAY_LOSS: Kind(
        _ACCOUNT,
        "(opening equity of the day + cash moved - equity) / opening equity, percent",
        3,
        of_limits="day_loss_pct",
    ),
    Breaker.DRAWDOWN: Kind(_ACCOUNT, "(highest equity + cash moved since - equity) / highest equity, percent", 20),
    Breaker.LOSSES_IN_A_ROW: Kind(_ACCOUNT, "round trips with a loss, one after the other", 30),
    Breaker.TRADES: Kind(_ACCOUNT, "orders with an execution in 480 bars", 240),
    Breaker.COSTS: Kind(_ACCOUNT, "commissions of the day / opening equity of the day, percent", 2),
    Breaker.ORDER_RATE: Kind(_ACCOUNT, "entries and exits that were sent in {within} s", 240, 60),
    Breaker.REJECTS_IN_A_ROW: Kind(_ACCOUNT, "orders that the broker has rejected, with none accepted between them", 5),
    Breaker.REPEATED_EXECUTION: Kind(_SYMBOL, "orders of one symbol with an execution in {within} s", 20, 300),
    Breaker.CREATIONS_PER_HOUR: Kind(
        _ACCOUNT, "positions made, and working entries, in an hour", 40, trips_when=">", of_limits="creations_per_hour"
    ),
    Breaker.REGULAR_CREATIONS: Kind(
        _ACCOUNT,
        "positions of one symbol made in a row at regular intervals",
        5,
        trips_when=">",
        of_limits="regular_creations",
    ),
    Breaker.STALE_DATA: Kind(
        _ACCOUNT, "seconds of the session in which no bar of any symbol has come, though one was due", 600
    ),
    Breaker.PRICE_JUMP: Kind(
        _SYMBOL,
        "how far a share has jumped from one bar to the next within a session, percent, as a second print confirms",
        25,
    ),
    Breaker.RECONCILIATION: Kind(
        _FAMILY, "seconds for which shares that the book has are missing at the broker, or it is short", 900
    ),
    Breaker.CASH_RECONCILIATION: Kind(
        _ACCOUNT, "seconds for which cash differs from the broker's by more than cash_tolerance", 900
    ),
    Breaker.UNKNOWN_ORDER: Kind(_FAMILY, "seconds for which an order is of unknown fate", 600),
    Breaker.EXCEPTIONS: Kind(_ALL, "exceptions in strategies, decisions and chores in {within} s", 20, 3600),
    Breaker.LOOP_LAG: Kind(_ALL, "ticks of the loop that came a second or more late, in {within} s", 10, 60),
    Breaker.DISK_SPACE: Kind(_ALL, "MB free on the disk of the book", 100, trips_when="<="),
    Breaker.CLOCK_SKEW: Kind(_ALL, "seconds between our clock and the broker's, for {within} s", 2, 300),
    Breaker.CLOCK_JUMP: Kind(_ALL, "seconds by which the host's clock has jumped, either way", 60),
    Breaker.EXIT_SCANNER: Kind(_ALL, "seconds for which the exit scan is overdue", 300),
    Breaker.BOOK_WRITER: Kind(_ALL, "seconds for which the book could not be written", 300),
    Breaker.ALARM_DELIVERY: Kind(_ALL, "seconds for which alarms wait that no channel takes", 1800),
}


class BreakerRule(NamedTuple):
    """What is set of a breaker."""

    limit: float
    within_s: int = 0
    enabled: bool = True
    flattens: bool = False
    """It closes what is held in its scope, too."""


CREATION_BREAKERS = frozenset({Breaker.CREATIONS_PER_HOUR, Breaker.REGULAR_CREATIONS})
"""What they count begins anew for both when a person clears one."""


class Base(NamedTuple):
    """What a breaker had measured of the day when a person cleared it, micros: it counts from there."""

    cleared_at: datetime
    micros: int


DEFAULT_BREAKERS: Mapping[Breaker, BreakerRule] = {
    breaker: BreakerRule(kind.limit, kind.within_s) for breaker, kind in KINDS.items()
}

InputValue = str | int | float

FAULT = "||"
"""How the key of a finding, `rule|account|id`, ends where it is none: the rule could not be checked."""
_FINDING = "finding "
_FINDINGS_KEPT = 200
"""In the inputs of one latch; it is told once more of the others."""


def findings_as_inputs(keys: Sequence[str]) -> Mapping[str, InputValue]:
    """The findings of the audit that a latch is told of, the newest ones whole and the others counted."""
    kept = keys[-_FINDINGS_KEPT:]
    inputs: dict[str, InputValue] = {f"{_FINDING}{number}": key for number, key in enumerate(kept, 1)}
    return inputs | {"findings before": len(keys) - len(kept)} if len(keys) > len(kept) else inputs


def findings_in(inputs: Mapping[str, InputValue]) -> frozenset[str]:
    """The findings that a latch was told of, by their keys."""
    return frozenset(str(value) for name, value in inputs.items() if name.startswith(_FINDING))


class Latch(NamedTuple):
    """A breaker that has tripped."""

    breaker: Breaker
    scope: BreakerScope
    target: str
    """The symbol or family; empty for the account and everything."""
    cause: str
    measured: float
    limit: float
    inputs: Mapping[str, InputValue]
    """What was measured from, in a person's units."""
    formula: str
    flattens: bool
    tripped_at: datetime

    @property
    def key(self) -> str:
        """`day_loss`, `price_jump:AAPL`: one latch of a breaker and target at a time."""
        return latch_key(self.breaker, self.target)

    @property
    def way_out(self) -> str:
        """The command that clears it."""
        return way_out_of(self.breaker, self.scope, self.target)

    def covers(self, family: str, symbol: str) -> bool:
        """Whether a symbol of a family is in its scope."""
        if not self.target:
            return True
        return self.target == (symbol if self.scope is BreakerScope.SYMBOL else family)


def way_out_of(breaker: str, scope: str, target: str) -> str:
    """The command that clears a latch; its reason is still to be said."""
    return f"trader resume --breaker {breaker}" + (f" --{scope} {target}" if target else "")


def latch_key(breaker: str, target: str = "") -> str:
    """What a latch, and its end, is known by."""
    return f"{breaker}:{target}" if target else str(breaker)


def formula_of(breaker: Breaker, rule: BreakerRule) -> str:
    """The formula and its comparison, with what is set in them."""
    kind = KINDS[breaker]
    return f"{kind.formula.format(within=rule.within_s)} {kind.trips_when} {rule.limit:g}"


def lost_percent(from_micros: int, lost_micros: int) -> float:
    """How much of an amount was lost, percent; a gain is below zero, and of nothing nothing can be lost."""
    return round(lost_micros * 100 / from_micros, 4) if from_micros > 0 else 0.0


def in_dollars(amount_micros: int) -> float:
    """An amount as an input is told."""
    return round(amount_micros / MICROS_PER_DOLLAR, 2)
