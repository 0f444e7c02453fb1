"""What Interactive Brokers says, as values of ours. Numbers are as they came; `translate.py` makes them exact.

A symbol is ours (see `symbol_named`): an option has another one than its underlying, and what is neither share nor
option has none.
"""

from typing import NamedTuple


class Failure(NamedTuple):
    """Message 4: an error or a notice. `id` is that of a request or of an order, or -1."""

    id: int
    code: int
    text: str

    def __str__(self) -> str:
        return f"IB error {self.code}: {self.text}"


class Status(NamedTuple):
    """Message 3: where an order stands."""

    order_id: int
    client_id: int
    perm_id: int
    status: str
    filled: float
    remaining: float
    why_held: str


class Execution(NamedTuple):
    """Message 11. `request_id` is -1 when nobody has asked for it."""

    request_id: int
    order_id: int
    client_id: int
    perm_id: int
    con_id: int
    symbol: str
    security_type: str
    currency: str
    execution_id: str
    time: str
    account: str
    side: str
    shares: str
    price: str
    cumulative: str
    order_ref: str


class Commission(NamedTuple):
    """Message 59: what an execution has cost."""

    execution_id: str
    amount: float
    currency: str


class OpenOrder(NamedTuple):
    """Message 5: an order that the broker has, of this client or, when asked for, of any."""

    order_id: int
    client_id: int
    perm_id: int
    account: str
    symbol: str
    security_type: str
    side: str
    quantity: float
    order_type: str
    limit: float
    stop: float
    order_ref: str
    status: str
    parent_id: int
    oca_group: str


class Completed(NamedTuple):
    """Message 101: an order of today that has ended. It has no order id."""

    perm_id: int
    account: str
    symbol: str
    quantity: float
    filled: float
    order_ref: str
    status: str
    completed_status: str


class Held(NamedTuple):
    """Message 61: a position of an account."""

    account: str
    con_id: int
    symbol: str
    security_type: str
    multiplier: str
    currency: str
    shares: float


class AccountValue(NamedTuple):
    """Message 73: one value of an account."""

    account: str
    key: str
    value: str
    currency: str


class RealTimeBar(NamedTuple):
    """Message 50: a bar of five seconds. `time` is its start, seconds since 1970."""

    time: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    trades: int


class MarketDataType(NamedTuple):
    """Message 58: 1 live, 2 frozen, 3 delayed, 4 delayed and frozen."""

    type: int


class TickPrice(NamedTuple):
    """Message 1."""

    type: int
    price: float
    size: float


Message = Failure | Status | Execution | Commission | OpenOrder
"""What comes unasked."""
