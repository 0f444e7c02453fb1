"""What the daemon, the broker's process and the rig say to one another; pickled, between processes of our own."""

from typing import NamedTuple

from trader.domain.events import BrokerEvent, Evidence
from trader.domain.market import BarTime
from trader.domain.order import Fill, Order

BY_HAND = "by-hand"
"""How references of orders begin that are not this program's."""


class Place(NamedTuple):
    """Daemon to broker."""

    order: Order


class Cancel(NamedTuple):
    """Daemon to broker."""

    order_ref: str


class Match(NamedTuple):
    """Daemon to broker: the bars at whose opens it fills. Answered by `Matched`, after what was to be said before."""

    bar_time: BarTime


class Matched(NamedTuple):
    """Broker to daemon."""


class Ask(NamedTuple):
    """Daemon to broker: what became of these orders?"""

    number: int
    order_refs: tuple[str, ...]


class Answer(NamedTuple):
    """Broker to daemon."""

    number: int
    evidence: Evidence


class Report(NamedTuple):
    """Broker to daemon."""

    event: BrokerEvent


class Mischief(NamedTuple):
    """How the broker behaves during one life, as the rig tells it before."""

    seed: str = ""
    is_slow: bool = False
    """Reports are held back and repeated, acknowledgements get lost."""
    is_stubborn: bool = False
    """Orders are refused, filled in parts, late, or not at all."""
    is_vague: bool = False
    """The first answers about orders and holdings are not complete."""
    trades_by_hand: bool = False
    """Somebody trades the account by hand; reports of other accounts go astray."""
    holds_foreign: bool = False
    """Shares that this program has not bought lie in the account."""


class Snapshot(NamedTuple):
    """Broker to rig: everything it knows, after its connection to a dead daemon has run dry."""

    received: tuple[str, ...]
    executions: tuple[Fill, ...]
    working: frozenset[str]
    positions: dict[str, int]
    """Symbol -> shares that its executions have left, of whoever's orders."""
    foreign: dict[str, int]
    """Symbol -> shares that lie beside them."""
    faults: tuple[str, ...]


ToBroker = Place | Cancel | Match | Ask
ToDaemon = Report | Matched | Answer
