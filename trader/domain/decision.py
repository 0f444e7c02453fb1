"""The nouns of a decision, in reading order: Signal -> Allocation -> Intent -> Ticket, or a Refusal.

Each stage takes the noun of the stage before it and gives its own, so that a skipped stage does not type-check. They
are made for every signal, hence tuples.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

UNSTAMPED = datetime(1, 1, 1, tzinfo=UTC)


class Stage(StrEnum):
    """Where in the chain a "no" was said."""

    SIGNAL = "signal"
    ALLOCATION = "allocation"
    CONFLICT = "conflict"
    SESSION = "session"
    SIZING = "sizing"
    LOCK = "lock"
    BROKER = "broker"


class Rule(StrEnum):
    """Every rule that can say "no", by the name a user sees."""

    # signal
    NOT_A_SIGNAL = "not_a_signal"
    BAD_PROBABILITY = "bad_probability"
    BAD_SYMBOL = "bad_symbol"
    UNKNOWN_SYMBOL = "unknown_symbol"
    REPEATED = "repeated"
    EXPIRED = "expired"
    FROM_THE_FUTURE = "from_the_future"
    WARMING_UP = "warming_up"
    OPTION_BY_STRATEGY = "option_by_strategy"
    TOO_MANY = "too_many"
    STRATEGY_RAISED = "strategy_raised"
    STRATEGY_LATE = "strategy_late"
    STRATEGY_ENDED = "strategy_ended"
    CHAIN_RAISED = "chain_raised"
    # allocation
    NOT_THE_UNDERLYING = "not_the_underlying"
    NO_PRICE = "no_price"
    # conflict
    SYMBOL_LOCKED = "symbol_locked"
    FAMILY_LOCKED = "family_locked"
    TURNING = "turning"
    CLOSING = "closing"
    ONE_OPENING_PER_BAR = "one_opening_per_bar"
    UNKNOWN_ORDER = "unknown_order"
    DRIFT = "drift"
    # session
    SESSION_CLOSED = "session_closed"
    AFTER_CUTOFF = "after_cutoff"
    HALTED = "halted"
    BREAKER = "breaker"
    EXPIRES = "expires"
    # sizing
    STALE_PRICE = "stale_price"
    SYMBOL_HALTED = "symbol_halted"
    PRICE_COLLAR = "price_collar"
    MINIMUM_PRICE = "minimum_price"
    DAY_LOSS = "day_loss"
    OPEN_POSITIONS = "open_positions"
    OPENINGS_PER_DAY = "openings_per_day"
    CREATIONS_PER_HOUR = "creations_per_hour"
    REGULAR_CREATIONS = "regular_creations"
    DAY_TRADES = "day_trades"
    ORDER_RATE = "order_rate"
    POSITION_SIZE = "position_size"
    ORDER_NOTIONAL = "order_notional"
    GROSS_EXPOSURE = "gross_exposure"
    FAMILY_EXPOSURE = "family_exposure"
    DAILY_NOTIONAL = "daily_notional"
    CASH_RESERVE = "cash_reserve"
    MINIMUM_NOTIONAL = "minimum_notional"
    # lock
    DATABASE_REFUSED = "database_refused"
    BOOK_UNWRITABLE = "book_unwritable"
    UNRECONCILED = "unreconciled"
    CLOCK_DIFFERS = "clock_differs"
    VERSION_DIFFERS = "version_differs"
    CASH_DIFFERS = "cash_differs"
    NOT_LISTED = "not_listed"
    EXIT_SCAN_OVERDUE = "exit_scan_overdue"
    # broker
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Signal:
    """A strategy's probability, in [0, 1], that the symbol's family rises; 0.5 is neutral.

    `Signal("QQQ", 0.8)` is enough to make one. `timestamp` (aware UTC), `id` and `source` are stamped on the way in
    when they are left out. Nothing is checked here: a nonsensical signal is refused, by name, and kept.
    """

    symbol: str
    probability: float
    timestamp: datetime = UNSTAMPED
    id: str = ""
    source: str = ""


class Allocation(NamedTuple):
    """What the signal asks to hold in its family: one instrument, or cash (`symbol` None)."""

    signal: Signal
    family: str
    symbol: str | None


class Intent(NamedTuple):
    """An opening (or adding) that has passed conflict coordination; `symbol` is the instrument to hold."""

    signal: Signal
    family: str
    symbol: str
    direction: int


class Side(StrEnum):
    """Of an order; long only, so a sell always reduces."""

    BUY = "BUY"
    SELL = "SELL"


class Purpose(StrEnum):
    """Why an order exists."""

    ENTRY = "entry"
    EXIT = "exit"
    EOD = "eod"
    MANUAL = "manual"
    ADJUST = "adjust"
    PROTECTION = "protection"
    """Of a stop or a target that lives at the broker; what it sells is sold as an exit."""
    REVERSAL = "reversal"
    """Of an execution that undoes another one, never of an order."""


class Ticket(NamedTuple):
    """A sized intent: whole shares to buy, a limit price, and the cash to set aside for the worst case.

    Only a ticket can be locked.
    """

    signal: Signal
    family: str
    symbol: str
    direction: int
    quantity: int
    limit_micros: int
    reserved_micros: int
    reference_micros: int
    """The last price, at which the size was computed."""
    takes_slot: bool
    sized_by: Rule = Rule.POSITION_SIZE
    """The limit that left the least room."""
    room_micros: int = 0


class Close(NamedTuple):
    """The wish to be flat in one symbol. It becomes a fact of the position, and exits follow from that fact."""

    symbol: str
    purpose: Purpose
    reason: str
    signal_id: str = ""


class ExitTicket(NamedTuple):
    """A reduce-only order for what is held, on the held instrument. Needs no lock and passes no gate."""

    symbol: str
    quantity: int
    purpose: Purpose
    reason: str
    signal_id: str = ""


class Refusal(NamedTuple):
    """A "no", as a value. `measured` and `limit` are in the unit a person would use: dollars, percent, seconds."""

    stage: Stage
    rule: Rule
    symbol: str
    measured: float | None = None
    limit: float | None = None
    detail: str = ""
    cause: str = ""
    """Which limit left so little room, where the rule is the minimum order."""


class Outcome(StrEnum):
    """The one fate of a signal."""

    ORDERED = "ordered"
    CLOSING = "closing"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


class Decision(NamedTuple):
    """All that one signal leads to: at most one opening, any number of closes; a refusal says why no opening."""

    signal: Signal
    outcome: Outcome
    ticket: Ticket | None = None
    reduction: ExitTicket | None = None
    closes: tuple[Close, ...] = ()
    cancels: tuple[str, ...] = ()
    """References of working entries to cancel."""
    refusal: Refusal | None = None
