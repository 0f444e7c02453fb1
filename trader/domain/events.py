"""What comes in by the engine's one inbox, and what goes into the journal."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from trader.domain.alarm import AlarmType
from trader.domain.breaker import Breaker, InputValue
from trader.domain.cash import CashKind
from trader.domain.decision import Signal
from trader.domain.market import BarTime
from trader.domain.order import Fill
from trader.domain.strategy import Said
from trader.domain.terms import Terms

JsonScalar = str | int | float | bool | None
JsonValue = JsonScalar | list["JsonValue"] | dict[str, "JsonValue"]


class SignalReceived(NamedTuple):
    """A signal from outside: the command line, or a line of the inbox file."""

    signal: Signal
    source: str = "outside"
    inbox: "InboxOffset | None" = None


class InboxOffset(NamedTuple):
    """How far an inbox file has been read; committed together with the signal of that line."""

    path: str
    offset: int
    line: int


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line of the inbox file that is no signal; refused by number and kept."""

    text: str
    fault: str
    inbox: InboxOffset


@dataclass(frozen=True, slots=True)
class OrderAccepted:
    """The broker has the order."""

    order_ref: str


@dataclass(frozen=True, slots=True)
class OrderIdentified:
    """The broker knows the order by an id of its own; told once for each pair of the two."""

    order_ref: str
    perm_id: int


@dataclass(frozen=True, slots=True)
class OrderShown:
    """The broker shows an order that is not as it was sent, or of which this process does not know how it was; told
    once for each set of terms."""

    order_ref: str
    terms: Terms


@dataclass(frozen=True, slots=True)
class OrderCancelled:
    """The broker says that the order has ended without being filled (further)."""

    order_ref: str
    reason: str


@dataclass(frozen=True, slots=True)
class OrderRejected:
    """The broker or the exchange refused the order."""

    order_ref: str
    reason: str


@dataclass(frozen=True, slots=True)
class OrderLost:
    """Nobody knows what became of the order."""

    order_ref: str
    reason: str


@dataclass(frozen=True, slots=True)
class FillReported:
    """The broker reports an execution; perhaps not for the first time, and perhaps with its commission only later."""

    fill: Fill


@dataclass(frozen=True, slots=True)
class EpochEnded:
    """The connection to the broker is not whole any more: what was heard of it before proves nothing now."""

    reason: str


class Ended(NamedTuple):
    """How an order ended, as the broker remembers it."""

    filled: int
    """Shares. The order is settled when the book has executions of that many."""
    reason: str
    rejected: bool = False


class Evidence(NamedTuple):
    """What a broker says of its side. A part is complete, or None: unknown, which proves nothing and is not empty."""

    executions: tuple[Fill, ...] | None
    working: frozenset[str] | None
    """References of open orders."""
    ended: Mapping[str, Ended] | None
    """Of the orders asked about: those that the broker knows to have ended."""
    positions: Mapping[str, int] | None
    """Symbol -> shares; negative where the account is short."""
    cash_micros: int | None = None
    """Of the account; None where the broker keeps none, or did not tell. No order waits for it."""
    epoch_began_at: datetime | None = None
    """When the connection began that told this; None where the broker has none."""
    told_since: datetime | None = None
    """From when on every execution, and every order that has ended, is among them: older ones a broker may tell no
    more. None where it does not say."""

    @property
    def unknown(self) -> tuple[str, ...]:
        """The parts that the broker did not tell completely."""
        return tuple(name for name in EVIDENCE_PARTS if getattr(self, name) is None)


EVIDENCE_PARTS = ("executions", "working", "ended", "positions")
"""What an answer is complete with."""

NO_EVIDENCE = Evidence(None, None, None, None)
"""The broker did not answer."""


@dataclass(frozen=True, slots=True)
class EvidenceGiven:
    """The broker was asked what became of orders, and what it holds."""

    asked: tuple[str, ...]
    evidence: Evidence
    question: int | None = None
    """Which of the run's questions it answers; None: nothing has happened since it was asked."""


@dataclass(frozen=True, slots=True)
class StrategyAnswered:
    """A strategy that runs in a process of its own has answered to the bars of one instant."""

    ends_at: datetime
    """Of those bars."""
    said: tuple[Said, ...]


@dataclass(frozen=True, slots=True)
class StrategySilent:
    """A strategy's process has been ended without having answered: it was late, or has ended itself."""

    ends_at: datetime
    """Of the bars that it has not answered to."""
    why: str
    waited_s: float | None = None
    """Where it was late."""
    limit_s: float | None = None


@dataclass(frozen=True, slots=True)
class VersionCompared:
    """What runs was compared with what lies on the disk."""

    differs: str
    """What is another there, in words; nothing where all is the same."""


@dataclass(frozen=True, slots=True)
class AlarmRaised:
    """Something beside the engine's steps has found what a person should know of."""

    type: AlarmType
    about: str
    what: str


@dataclass(frozen=True, slots=True)
class BreakerMeasured:
    """What a breaker measures has been measured beside the engine's steps."""

    breaker: Breaker
    measured: float
    cause: str
    inputs: Mapping[str, InputValue]


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed. The facts are looked at again."""

    skew: timedelta | None = None
    """How far the broker's clock is ahead of ours; None where nobody has told."""


class CommandName(StrEnum):
    """What an operator may ask of a running daemon."""

    HALT = "halt"
    RESUME = "resume"
    FLATTEN = "flatten"
    ADJUST = "adjust"
    RESOLVE = "resolve"
    ADOPT = "adopt"
    CASH = "cash"
    ACKNOWLEDGE = "acknowledge"


class Fate(StrEnum):
    """What an operator may say became of an order of unknown fate."""

    WORKING = "working"
    CANCELLED = "cancelled"
    FILLED = "filled"


@dataclass(frozen=True, slots=True)
class Command:
    """An operator's command, journaled with its reason."""

    name: CommandName
    operator: str
    reason: str
    scope: str = "all"
    """`all`, `family` or `symbol`."""
    target: str = ""
    """The family or symbol of the scope."""
    fill: Fill | None = None
    """Of ADJUST: the execution that reverses another one."""
    amount_micros: int = 0
    """Of CASH: what it adds to cash."""
    kind: CashKind | None = None
    """Of CASH."""
    movement: str = ""
    """Of CASH: which movement of a statement it is, so that it is booked once."""
    order_ref: str = ""
    """Of RESOLVE: the order."""
    fate: Fate | None = None
    """Of RESOLVE: what became of it."""
    price_micros: int = 0
    """Of RESOLVE, where it was filled, of ADOPT, and of ADJUST for missing shares: at what price a share."""
    alarms: tuple[int, ...] = ()
    """Of ACKNOWLEDGE: their numbers."""
    breaker: Breaker | None = None
    """Of RESUME: the breaker to be cleared, in the place of a halt."""


BrokerEvent = (
    OrderIdentified
    | OrderShown
    | OrderAccepted
    | OrderCancelled
    | OrderRejected
    | OrderLost
    | FillReported
    | EpochEnded
)
StrategyEvent = StrategyAnswered | StrategySilent
OwnEvent = EvidenceGiven | VersionCompared | AlarmRaised | BreakerMeasured | Tick | Command
Event = BarTime | SignalReceived | BadLine | BrokerEvent | StrategyEvent | OwnEvent


class JournalType(StrEnum):
    """Everything the journal can say. The book can be rebuilt from it."""

    ACCOUNT_OPENED = "account_opened"
    RUN_STARTED = "run_started"
    RUN_STOPPED = "run_stopped"
    DAY_STARTED = "day_started"
    PHASE = "phase"
    FLAT_PROVEN = "flat_proven"
    NOT_FLAT = "not_flat"
    LEFT_OVERNIGHT = "left_overnight"
    CONFLICT_FOUND = "conflict_found"
    ORDER_CREATED = "order_created"
    ORDER_STATE = "order_state"
    LOCK_RELEASED = "lock_released"
    FILL = "fill"
    COMMISSION = "commission"
    UNEXPECTED_FILL = "unexpected_fill"
    IDENTITY_BROKEN = "identity_broken"
    POSITION_CLOSING = "position_closing"
    STOP_TIGHTENED = "stop_tightened"
    DRIFT_FOUND = "drift_found"
    DRIFT_ENDED = "drift_ended"
    CASH_MOVED = "cash_moved"
    EPOCH_ENDED = "epoch_ended"
    RECONCILED = "reconciled"
    EXECUTIONS_UNTOLD = "executions_untold"
    CLOCK_DIFFERS = "clock_differs"
    CLOCK_AGREES = "clock_agrees"
    VERSION_DIFFERS = "version_differs"
    VERSION_AGREES = "version_agrees"
    CASH_DIFFERS = "cash_differs"
    CASH_AGREES = "cash_agrees"
    HALTED = "halted"
    RESUMED = "resumed"
    BREAKER_TRIPPED = "breaker_tripped"
    BREAKER_CLEARED = "breaker_cleared"
    COMMAND = "command"
    ALARM = "alarm"


TELLS = 2
"""What a run's journal can be relied on to tell, said where the run begins: from 2 on, when the broker has told
everything for the first time in an epoch."""


class JournalEntry(NamedTuple):
    """One fact, to be appended to the account's hash chain."""

    type: JournalType
    at: datetime
    symbol: str
    data: Mapping[str, JsonValue]
