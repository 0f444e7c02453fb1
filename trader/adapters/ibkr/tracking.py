"""Orders of ours at IB: by reference, by permId, and by the order id of this client.

An order id alone names an order until its permId is known. After that the same id with another permId is another order:
of a sequence that began anew, or of a gateway that was logged in to another account. Two orders under one reference are
told by the reference.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from trader.adapters.ibkr.messages import Execution, OpenOrder, Status
from trader.domain.events import OrderIdentified
from trader.domain.order import Order
from trader.domain.terms import Terms


@dataclass(slots=True)
class Tracked:
    """What is known of one order of ours."""

    ref: str
    order: Order | None = None
    """As it was sent; None where another run has."""
    shown: Terms | None = None
    """How IB has shown it last, where that was told: not as it was sent."""
    order_id: int = 0
    """Under this client id; 0 before it was sent, and when another client has sent it."""
    perm_ids: set[int] = field(default_factory=set)
    """More than one: IB has made two orders of it."""
    cancelled: set[int] = field(default_factory=set)
    """Those of the permIds whose order was cancelled."""
    is_unanswered: bool = False
    """It was sent, and nothing has been heard of it since."""
    is_accepted: bool = False
    is_filled: bool = False
    """IB has said so, and the executions for it were told."""
    is_ended: bool = False
    """Without being filled (further)."""
    is_withdrawn: bool = False
    """Cancelled before it was sent."""
    sets_off: str = ""
    """Reference of the entry that lies at IB untransmitted, and in no list, until this order arrives."""
    last_error: str = ""
    is_cancel_due: bool = False
    """We have asked for its end, or IB has given notice of it."""
    unexplained: Status | None = None
    """An end that is neither due nor follows an error; it counts when it is explained, or when the evidence says so."""
    said: set[str] = field(default_factory=set)
    """What was logged about it; each once."""


class Tracking:
    """All orders of ours that were placed by this process or seen at the broker."""

    def __init__(
        self, client_id: int, is_ours: Callable[[str], bool], identified: Callable[[OrderIdentified], None]
    ) -> None:
        """`identified` is told each pair of reference and permId, once."""
        self._identified = identified
        self._client_id = client_id
        self._is_ours = is_ours
        self._by_ref: dict[str, Tracked] = {}
        self._by_id: dict[int, Tracked] = {}
        self._by_perm_id: dict[int, Tracked] = {}

    def __iter__(self) -> Iterator[Tracked]:
        return iter(self._by_ref.values())

    def get(self, ref: str) -> Tracked | None:
        """An order by its reference."""
        return self._by_ref.get(ref)

    def by_id(self, order_id: int) -> Tracked | None:
        """An order that this client has sent."""
        return self._by_id.get(order_id)

    def begin(self, order: Order) -> Tracked:
        """An order that is about to be sent."""
        tracked = self._by_ref[order.ref] = Tracked(order.ref, order)
        return tracked

    def sent_as(self, tracked: Tracked, order_id: int) -> None:
        """It is being sent."""
        tracked.order_id, tracked.is_unanswered = order_id, True
        self._by_id[order_id] = tracked

    def of(self, message: Status | OpenOrder | Execution) -> Tracked | None:
        """The order of ours that a message is about, or None. Takes note of the ids in it."""
        ref = "" if isinstance(message, Status) else message.order_ref
        tracked = self._by_ref.get(ref) or self._by_perm_id.get(message.perm_id)
        is_of_this_client = message.client_id == self._client_id
        if tracked is None and is_of_this_client and not ref:
            tracked = self._by_id.get(message.order_id)
            if tracked is not None and tracked.perm_ids and message.perm_id:
                return None
        if tracked is None and self._is_ours(ref):
            tracked = self._by_ref[ref] = Tracked(ref)
        if tracked is None:
            return None
        if message.perm_id and message.perm_id not in tracked.perm_ids:
            tracked.perm_ids.add(message.perm_id)
            self._by_perm_id.setdefault(message.perm_id, tracked)
            self._identified(OrderIdentified(tracked.ref, message.perm_id))
        if is_of_this_client and message.order_id > 0 and not tracked.order_id:
            tracked.order_id = message.order_id
            self._by_id[message.order_id] = tracked
        return tracked
