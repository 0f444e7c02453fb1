"""One connection to TWS or IB Gateway, from its greeting to its end. Never used again after that.

Rule 1: an answer is complete, with its end marker seen in time, or it is None.
Rule 2: answers that carry no request id are asked for one at a time. The late end of an answer that was given up does
not end the next one, and two of a kind that do not come end the connection.
Rule 3: what is said of orders before the greeting has named the account is not heard, for it may be another's; what
is true of it is told again when it is asked for.
Rule 4: an id, of a request or an order, is above every id seen, as far as that leaves room for the next ones.
"""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from trader.adapters.ibkr.client_library import LoudClient
from trader.adapters.ibkr.codes import ENDS_NO_REQUEST, Kind, kind_of
from trader.adapters.ibkr.listing import ListingRequest
from trader.adapters.ibkr.messages import Completed, Execution, Failure, Held, Message, OpenOrder
from trader.adapters.ibkr.outgoing import Outgoing
from trader.adapters.ibkr.wire import Wire

_NO_ID = 2**31 - 1
"""How IB writes a number that is not set."""
_HIGHEST_ID = _NO_ID - 2**20
"""Of an order that somebody has made. Above a higher one there would soon be no id left to send an exit under; below it
IB may refuse one of ours, which is seen."""


class Address(NamedTuple):
    """Where TWS or IB Gateway listens, and who asks."""

    host: str
    port: int
    client_id: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}, client id {self.client_id}"


class Answer(NamedTuple):
    """What came before the end marker; or the error that came instead, with what had come before it."""

    items: tuple[Any, ...]
    failure: Failure | None = None


class Subscriber(Protocol):
    """Who takes in what comes for a subscription."""

    def hear(self, item: object) -> None:
        """Take in a RealTimeBar, a MarketDataType, a TickPrice."""
        ...

    def failed(self, failure: Failure) -> None:
        """Take in an error or notice that names the subscription."""
        ...


class Owner(Protocol):
    """Who is told what comes unasked."""

    def said(self, message: Message) -> None:
        """Take in a message."""
        ...

    def unknown_message(self, id_: str) -> None:
        """Take note of a message that the library does not know."""
        ...

    def spoilt(self, name: str, why: str) -> None:
        """Take note that a list, such as that of the positions, was told and cannot be read as a whole."""
        ...

    def heard(self) -> None:
        """Take note that something came."""
        ...

    def session_ended(self) -> None:
        """Take note that the session has ended."""
        ...


class _Request:
    """A numbered request that waits for its answer."""

    def __init__(self, message: str) -> None:
        self.message = message
        self.items: list[Any] = []
        self.failure: Failure | None = None
        self.is_spoilt = False
        self.done = asyncio.Event()


class Session:
    """The library's client, and everything that waits for it."""

    def __init__(self, address: Address, owner: Owner, first_id: int = 1, account: str = "") -> None:
        """`account`: whose orders are heard; nobody's where there is none."""
        self.address = address
        self._account = account
        self.client = LoudClient(Wire(self))
        self.outgoing = Outgoing()
        self.epoch = 0
        self.subscriptions_kept = False
        """Whether the epoch began with IB's word that subscriptions live on (1102)."""
        self.accounts: tuple[str, ...] = ()
        self.server_version = 0
        self.ended = asyncio.Event()
        self.reason = ""
        """Why it ended."""
        self.positions: ListingRequest[Held] = ListingRequest("positions", self)
        self.open_orders: ListingRequest[OpenOrder] = ListingRequest("open orders", self)
        self.completed_orders: ListingRequest[Completed] = ListingRequest("completed orders", self)
        self.time: ListingRequest[int] = ListingRequest("the time", self, is_urgent=True)
        self._owner = owner
        self._next_id = first_id
        self._has_ids = False
        self._greeted = asyncio.Event()
        self._requests: dict[int, _Request] = {}
        self._subscribers: dict[int, Subscriber] = {}
        self._loop = asyncio.get_running_loop()
        self._give_up: Callable[[], None] = _nothing
        """Ends the wait for the greeting."""

    @property
    def is_open(self) -> bool:
        """Whether it can be spoken on."""
        return self._greeted.is_set() and not self.ended.is_set()

    @property
    def next_id(self) -> int:
        """What the next id will be."""
        return self._next_id

    def take_id(self) -> int:
        """Give an id that was never used."""
        id_ = self._next_id
        self._next_id += 1
        return id_

    def saw_id(self, id_: int) -> None:
        """An id that the broker knows of is not given again."""
        if id_ < _HIGHEST_ID:
            self._next_id = max(self._next_id, id_ + 1)

    # asking

    async def connect(self, deadline_s: float) -> None:
        """Wait for the greeting. Raises OSError, TimeoutError, and ConnectionError with what the other side said."""
        try:
            async with asyncio.timeout(deadline_s) as waiting:
                self._give_up = lambda: waiting.reschedule(self._loop.time())
                try:
                    await self.client.connectAsync(self.address.host, self.address.port, self.address.client_id, 0)
                    await self._greeted.wait()
                finally:
                    self._give_up = _nothing
        except TimeoutError:
            said = self.reason
            self.end("no greeting")
            if said:
                raise ConnectionError(said) from None
            raise
        except OSError as error:
            self.end(str(error))
            raise
        except asyncio.CancelledError:
            self.end("nobody waits for it any more")
            raise
        self.server_version = self.client.serverVersion()

    async def ask(self, send: Callable[[int], None], deadline_s: float, *, message: str = "") -> Answer | None:
        """Make a numbered request; None when its answer is not complete. `message`: the id of those that it comes in,
        where one of them that cannot be read spoils the answer and not the connection."""
        if not self.is_open:
            return None
        id_ = self.take_id()
        request = self._requests[id_] = _Request(message)
        try:
            self.outgoing.request(lambda: send(id_))
            async with asyncio.timeout(deadline_s):
                await request.done.wait()
        except TimeoutError:
            return None
        finally:
            del self._requests[id_]
        if self.ended.is_set() or request.is_spoilt:
            return None
        return Answer(tuple(request.items), request.failure)

    def subscribe(self, send: Callable[[int], None], subscriber: Subscriber, *, is_urgent: bool = False) -> int:
        """Make a request that is answered until it is cancelled; give its id. Raises ConnectionError."""
        if not self.is_open:
            raise ConnectionError("not connected")
        id_ = self.take_id()
        self._subscribers[id_] = subscriber
        if is_urgent:
            self.outgoing.order(lambda: send(id_), _nothing)
        else:
            self.outgoing.request(lambda: send(id_))
        return id_

    def unsubscribe(self, id_: int, send: Callable[[int], None] | None = None) -> None:
        """End a subscription, and say so with `send`; what still comes for it is dropped."""
        if self._subscribers.pop(id_, None) is not None and send is not None and self.is_open:
            self.outgoing.request(lambda: send(id_))

    def end(self, reason: str) -> None:
        """End it, once. What waits for an answer gets none."""
        if self.ended.is_set():
            return
        self.reason = self.reason or reason
        self.ended.set()
        self._give_up()
        self.outgoing.close()
        self.client.abort()
        for request in self._requests.values():
            request.done.set()
        for listing in (self.positions, self.open_orders, self.completed_orders, self.time):
            listing.give_up()
        self._owner.session_ended()

    def spoilt(self, name: str, why: str) -> None:
        """An answer is not whole, and the connection is."""
        self._owner.spoilt(name, why)

    # being told: see wire.Receiver

    def heard(self) -> None:
        self._owner.heard()

    def ready_with(self, *, order_id: int = 0, accounts: tuple[str, ...] = ()) -> None:
        self.accounts = accounts or self.accounts
        self._has_ids = self._has_ids or order_id > 0
        if order_id < _NO_ID:
            self._next_id = max(self._next_id, order_id)
        if self.accounts and self._has_ids:
            self._greeted.set()

    def said(self, message: Message) -> None:
        if isinstance(message, OpenOrder | Execution):
            self.saw_id(message.order_id)
        if isinstance(message, Failure):
            self._failed(message)
        elif self._account not in self.accounts:
            return
        self._owner.said(message)

    def unknown_message(self, id_: str) -> None:
        self._owner.unknown_message(id_)

    def answered(self, request_id: int, item: object) -> None:
        request = self._requests.get(request_id)
        if request is not None:
            request.items.append(item)
        elif request_id in self._subscribers:
            self._subscribers[request_id].hear(item)

    def finished(self, request_id: int) -> None:
        request = self._requests.get(request_id)
        if request is not None:
            request.done.set()

    def spoil(self, message: str, why: str) -> bool:
        asking = [request for request in self._requests.values() if request.message == message]
        for request in asking:
            request.is_spoilt = True
            self.spoilt("executions", why)
        return bool(asking)

    def _failed(self, failure: Failure) -> None:
        kind = kind_of(failure.code)
        if not self._greeted.is_set() and kind is Kind.CLIENT_ID_TAKEN:
            self.end(str(failure))
        request = self._requests.get(failure.id)
        if request is not None and kind not in ENDS_NO_REQUEST:
            request.failure = failure
            request.done.set()
        elif failure.id in self._subscribers:
            self._subscribers[failure.id].failed(failure)


def _nothing() -> None:
    """Nobody waits for it."""
