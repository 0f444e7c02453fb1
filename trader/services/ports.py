"""Ports: what the services need of the world. Adapters implement them; only the wiring knows which."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple, Protocol

from trader.domain.breaker import Base, Breaker, Latch
from trader.domain.cash import CashDrift
from trader.domain.decision import Outcome, Refusal, Rule, Signal
from trader.domain.events import Event, Evidence, InboxOffset, JournalEntry, StrategyAnswered
from trader.domain.ledger import Lot, Position, RoundTrip
from trader.domain.market import Bar, BarTime
from trader.domain.order import Fill, LateCommission, Order, PendingLock
from trader.domain.portfolio import Book, Day, Drift, Halt


class Clock(Protocol):
    """The one source of time."""

    def now(self) -> datetime:
        """The market's time, aware UTC."""
        ...


class Strategy(Protocol):
    """Bars in, signals out. May also have `warmup_bars: int` and `on_start(drivers)`."""

    def on_bar(self, bar: Bar) -> Iterable[Signal]:
        """Take in one finished bar."""
        ...


Given = tuple[Signal, Refusal | None]
"""What a strategy has said, with the reason why it is no signal."""


class Strategies(Protocol):
    """A strategy as the engine sees it, in whichever process it runs."""

    @property
    def name(self) -> str:
        """The source of its signals."""
        ...

    @property
    def warmup_bars(self) -> int:
        """Bars of a symbol that have to be seen before its signals count."""
        ...

    def warm_up(self, bar_times: Iterable[BarTime]) -> None:
        """Show past bars; the signals that they give are thrown away."""
        ...

    def on_bars(self, bar_time: BarTime) -> list[Given]:
        """Show the bars of one instant, once: they may be decided again. Gives what is said at once."""
        ...

    def heard(self, answered: StrategyAnswered, now: datetime) -> list[Given]:
        """What was said later."""
        ...


class Broker(Protocol):
    """Where orders go. Everything it has to say comes back as events by the inbox, never as a return value."""

    def place(self, order: Order, protection: Sequence[Order] = ()) -> None:
        """Hand over an order whose row is durable. Sent at most once.

        `protection`: the pair of an entry, sent with it as children. They begin to work as it is filled, for no more
        than it has bought, and end with it if it has bought nothing.
        """
        ...

    def protect(self, pair: Sequence[Order]) -> None:
        """Hand over a stop and a target of shares that are held. Both stay until they are filled or cancelled (GTC).

        What one order of a group sells, the others sell no more: their rest is reduced by it, or they end.
        """
        ...

    def cancel(self, order_ref: str) -> None:
        """Ask for an order to be cancelled; only the broker's answer ends it."""
        ...

    async def evidence(self, order_refs: Collection[str]) -> Evidence:
        """Say what became of orders, and what is held. Raises BrokerUnreachable when it does not answer at all."""
        ...


@dataclass(slots=True)
class SignalRow:
    """The one record of a signal's fate. A row of the same id is replaced: a turn is decided twice.

    Refusals of one kind in one step are folded into one row; `count` says how many.
    """

    signal: Signal
    received_at: datetime
    outcome: Outcome
    refusal: Refusal | None = None
    order_ref: str = ""
    count: int = 1


class Booking(NamedTuple):
    """One execution as the ledger booked it."""

    fill: Fill
    realized_micros: int
    purpose: str
    reason: str
    held: int = 0
    """Shares held after it; not kept in the book."""
    created: bool = False
    """It made the position non-zero; not kept in the book."""
    is_past: bool = False
    """The position that it belongs to has become flat since; known of one that was looked up."""

    def charged(self, commission_micros: int) -> "Booking":
        """The same with a commission that was told late."""
        fill = self.fill._replace(commission_micros=self.fill.commission_micros + commission_micros)
        return self._replace(fill=fill, realized_micros=self.realized_micros - commission_micros)


class Charge(NamedTuple):
    """A late commission as the ledger booked it."""

    late: LateCommission
    is_past: bool
    """The position of its execution had become flat: its round trip pays, not what is held now."""


class Exit(NamedTuple):
    """A reduce-only order and the journal's word of it: written together or refused together."""

    order: Order
    journal: JournalEntry


class Pair(NamedTuple):
    """A stop and a target of the same shares: written together or refused together."""

    stop: Exit
    target: Exit

    @property
    def orders(self) -> tuple[Order, Order]:
        """As they are sent."""
        return self.stop.order, self.target.order


class Entry(NamedTuple):
    """A lock, its order, what protects it, and the journal's word of it: written together or refused together."""

    lock: PendingLock
    order: Order
    journal: JournalEntry
    pair: Pair | None = None

    @property
    def protection(self) -> tuple[Order, ...]:
        """What is sent with it."""
        return self.pair.orders if self.pair is not None else ()


class Clearance(NamedTuple):
    """The end of a halt."""

    key: str
    at: datetime
    reason: str


class Rearming(NamedTuple):
    """The end of a latch."""

    breaker: Breaker
    target: str
    at: datetime
    by: str
    reason: str


class Acknowledgement(NamedTuple):
    """Somebody has seen an alarm."""

    alarm: int
    """Its number."""
    by: str


class Release(NamedTuple):
    """The end of a pending lock, and the evidence for it."""

    order_ref: str
    at: datetime
    evidence: str


@dataclass(slots=True)
class Commit:
    """Everything one transaction writes, as domain values, in the order in which it is written."""

    account: str
    at: datetime
    cash_before_micros: int
    """What the commit was computed from; a book that holds anything else was written by somebody else."""
    cash_micros: int
    orders_made: int = 0
    signals_seen: int = 0
    spilled: list[Order] = field(default_factory=list)
    """Exits that were sent while the book could not be written; their fills may be in this commit."""
    bookings: list[Booking] = field(default_factory=list)
    charges: list[Charge] = field(default_factory=list)
    lots: list[Lot] = field(default_factory=list)
    passed: list[Position] = field(default_factory=list)
    """What positions were between a correction and what followed it: the database's rules are about each change."""
    positions: dict[str, Position] = field(default_factory=dict)
    round_trips: list[RoundTrip] = field(default_factory=list)
    orders: dict[str, Order] = field(default_factory=dict)
    """Orders that changed. New exits are in `exits`, new entries in `entries`, new protection in either or `pairs`."""
    locks: dict[str, PendingLock] = field(default_factory=dict)
    """Locks whose reservation has changed, by order reference."""
    releases: list[Release] = field(default_factory=list)
    exits: list[Exit] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    """Protection of shares that are held. That of an entry is in it."""
    signals: list[SignalRow] = field(default_factory=list)
    inbox: dict[str, InboxOffset] = field(default_factory=dict)
    acknowledged: list[Acknowledgement] = field(default_factory=list)
    halts: list[Halt | Clearance] = field(default_factory=list)
    """In the order in which they were made: a halt may be cleared and made again in one step."""
    latches: list[Latch | Rearming] = field(default_factory=list)
    """In the order in which they were made, as halts are."""
    drift: dict[str, Drift | None] = field(default_factory=dict)
    """By symbol; None where book and broker agree again."""
    reconciled_at: datetime | None = None
    """When what the broker holds was last compared; None leaves what the book has."""
    movements: list[str] = field(default_factory=list)
    """Cash movements of statements."""
    cash_drift: CashDrift | None = None
    """As the book has it from now on."""
    cash_drift_changed: bool = False
    day: Day | None = None
    marks: dict[str, tuple[int, datetime]] = field(default_factory=dict)
    """Last prices, micros, so that readers can value what is held."""
    journal: list[JournalEntry] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether something has to be durable now. Acknowledgements and refusals ride with the next commit."""
        return bool(self.journal or self.bookings or self.exits or self.entries or self.pairs or self.inbox or self.day)


class Receipt(NamedTuple):
    """What the database made of a commit: orders that its own rules refused, by reference."""

    refused: Mapping[str, Rule]
    alarms: int = 0
    """So many of its facts were alarms."""


class Excess(NamedTuple):
    """Shares by which an execution has moved its order, and of which nothing is booked: they were not held."""

    order_ref: str
    shares: int
    """0 once that was taken back."""


class History(NamedTuple):
    """Of an account, since some days ago."""

    executions: Mapping[str, int | None]
    """Booked ones with their commission, micros; None for one that was replaced before it was booked."""
    signal_ids: frozenset[str]
    ended_orders: Mapping[str, Order]
    entered_at: Mapping[str, datetime]
    """Symbols of which entries were ordered in its last minute, and when: a restart begins no new bar."""
    ends_at: datetime | None
    """When its newest event happened; None in a book whose journal has not begun."""
    beyond: Mapping[str, Excess] = MappingProxyType({})
    """By execution: what has moved its order without being booked."""
    losses: tuple[datetime, ...] = ()
    """When those newest round trips ended that were losses, one after the other, the oldest first."""
    highest_equity_micros: int = 0
    """Of the beginnings of days since the drawdown was last counted anew and of that moment, with the cash that has
    moved since; 0 where there is none."""
    bases: Mapping[Breaker, Base] = MappingProxyType({})
    """Of the day: what breakers count from that a person has cleared."""
    findings_told: frozenset[str] = frozenset()
    """Of the audit, by their keys: what the latches of the breaker `audit` were told of, standing ones and cleared, and
    what was not gone after that."""


class Store(Protocol):
    """One account's book on disk. One writer; a commit is one transaction or nothing."""

    async def load(self) -> Book:
        """Read the committed state. Raises BookError; never an empty book for a failed read."""
        ...

    async def commit(self, commit: Commit) -> Receipt:
        """Write one transaction. Raises BookUnwritable or BookRefused, with nothing written."""
        ...

    async def booked(self, execution_ids: Collection[str]) -> Mapping[str, Booking]:
        """Those of the executions that are booked, however long ago, by execution id. Raises BookUnwritable."""
        ...

    async def moved(self, movements: Collection[str]) -> frozenset[str]:
        """Those of the cash movements that are booked, however long ago. Raises BookUnwritable."""
        ...

    async def history(self, since: datetime) -> "History":
        """Read what recovery and duplicate checks need beside the book itself."""
        ...


class Spill(Protocol):
    """Where exits are written down while the book cannot be; small, append-only, outside the book."""

    def append(self, order: Order) -> None:
        """Make an exit durable. Raises OSError."""
        ...

    def read(self) -> list[Order]:
        """What was written down and not cleared, oldest first."""
        ...

    def clear(self) -> None:
        """The book has it all. Raises OSError."""
        ...


class Recorder(Protocol):
    """Keeps every input in order, off the order's path."""

    def record(self, events: Sequence[Event], at: datetime, *, mattered: bool) -> None:
        """Take note of the inputs of one step that is over; must not block. Where time alone, or a reading of the host,
        has not `mattered` in it, that is left out."""
        ...

    def asked(self, question: int, at: datetime) -> None:
        """Take note that the broker is asked a question of this number; must not block."""
        ...


class Log(Protocol):
    """Sentences for a person, one a line. Must not block."""

    def info(self, *messages: str) -> None:
        """Say what happened."""
        ...

    def warning(self, *messages: str) -> None:
        """Say what should be looked at."""
        ...

    def error(self, *messages: str) -> None:
        """Say what is wrong."""
        ...
