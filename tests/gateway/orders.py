"""Orders, and the executions they end in, as the gateway knows them: the truth that clients are measured by.

Prices and money are exact decimals of a dollar, shares are whole numbers.
"""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import NamedTuple

from gateway.contracts import Listing


class Status(Enum):
    """The states of an order, by their names on the wire."""

    PENDING_SUBMIT = "PendingSubmit"
    PRE_SUBMITTED = "PreSubmitted"
    SUBMITTED = "Submitted"
    PENDING_CANCEL = "PendingCancel"
    CANCELLED = "Cancelled"
    FILLED = "Filled"
    INACTIVE = "Inactive"


DONE = frozenset({Status.CANCELLED, Status.FILLED, Status.INACTIVE})
REDUCE_WITH_BLOCK, REDUCE = 2, 3
CANCEL_THE_OTHERS = 1


class Terms(NamedTuple):
    """What a client may change of an order while it works."""

    quantity: int
    order_type: str
    limit: Decimal | None
    stop: Decimal | None
    tif: str


@dataclass(slots=True, kw_only=True)
class Order:
    """One order. `client_id` and `order_id` are 0 for one made by hand."""

    perm_id: int
    client_id: int
    order_id: int
    account: str
    listing: Listing
    exchange: str
    action: str
    terms: Terms
    order_ref: str = ""
    parent_id: int = 0
    oca_group: str = ""
    oca_type: int = REDUCE
    outside_rth: bool = False
    transmit: bool = True
    status: Status = Status.PENDING_SUBMIT
    why_held: str = ""
    is_triggered: bool = False
    """A stop that has been reached, and works as a market order."""
    reduced: int = 0
    """Shares taken off its quantity: filled by others of its group, or never to be filled by its parent."""
    filled: int = 0
    paid_usd: Decimal = Decimal(0)
    last_price: Decimal = Decimal(0)
    commission_usd: Decimal = Decimal(0)
    completed_at: datetime | None = None
    completed_status: str = ""

    @property
    def quantity(self) -> int:
        """Shares it is for, now."""
        return self.terms.quantity - self.reduced

    @property
    def remaining(self) -> int:
        """Shares still to fill."""
        return self.quantity - self.filled

    @property
    def average_price(self) -> Decimal:
        """Dollars a share, over what is filled."""
        return self.paid_usd / self.filled if self.filled else Decimal(0)

    @property
    def is_done(self) -> bool:
        """Whether nothing more is to come of it. Inactive and held for something is no end."""
        return self.status in DONE and not self.why_held

    @property
    def is_buy(self) -> bool:
        """Which side it is on."""
        return self.action == "BUY"


class Execution(NamedTuple):
    """One execution, in its latest version. `exec_id` ends in the number of that version."""

    exec_id: str
    order: Order
    at: datetime
    shares: int
    price: Decimal
    cumulative: int
    average_price: Decimal
    commission_usd: Decimal
    realized_usd: Decimal

    @property
    def root(self) -> str:
        """What all versions of it share."""
        return self.exec_id.rpartition(".")[0]

    @property
    def signed_shares(self) -> int:
        """Shares bought, or minus those sold."""
        return self.shares if self.order.is_buy else -self.shares


@dataclass(slots=True)
class Holding:
    """Shares of one symbol in one account, with their average cost (commission included, as the real one does)."""

    shares: int = 0
    average_cost: Decimal = Decimal(0)


@dataclass(slots=True)
class Account:
    """Cash and positions of one account."""

    name: str
    cash: Decimal
    holdings: dict[str, Holding] = field(default_factory=dict)
    realized_usd: Decimal = Decimal(0)

    def holding(self, symbol: str) -> Holding:
        """What it has of a symbol."""
        return self.holdings.setdefault(symbol, Holding())

    def book(self, symbol: str, signed_shares: int, price: Decimal, commission_usd: Decimal) -> Decimal:
        """Take an execution in, at the price of one share or contract; give the dollars that it realised."""
        self.cash -= signed_shares * price + commission_usd
        holding = self.holding(symbol)
        closed = min(abs(signed_shares), abs(holding.shares)) if signed_shares * holding.shares < 0 else 0
        opened = abs(signed_shares) - closed
        sign = 1 if holding.shares > 0 else -1
        realized = closed * sign * (price - holding.average_cost) - (commission_usd if closed else Decimal(0))
        after = holding.shares + signed_shares
        if opened:
            kept = abs(after) - opened
            cost = kept * holding.average_cost + opened * price
            cost += commission_usd if after > 0 else -commission_usd
            holding.average_cost = cost / abs(after)
        holding.shares = after
        if not after:
            holding.average_cost = Decimal(0)
        self.realized_usd += realized
        return realized
