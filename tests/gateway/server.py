"""The gateway: a server on a real socket, with hands of its own for what happens behind a client's back."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from types import TracebackType
from typing import Self

from gateway.about_account import managed_accounts, push_holdings
from gateway.about_market import push_bar, push_quote
from gateway.about_orders import next_id
from gateway.answering import AT_THE_SERVERS, HANDLERS
from gateway.book import OPENING_CASH_USD, Book
from gateway.faults import Faults, FillWhileDown
from gateway.layouts import NEWEST, OLDEST
from gateway.link import Link
from gateway.market import Bar, Market, Price, exact
from gateway.messages import Message, commission_report, error, exec_details
from gateway.orders import Execution, Order, Terms
from gateway.request import Request
from gateway.session import NOBODY, Session
from gateway.venue import Venue

_HOST = "127.0.0.1"
_READY = (
    (2104, "Market data farm connection is OK:usfarm"),
    (2106, "HMDS data farm connection is OK:ushmds"),
    (2158, "Sec-def data farm connection is OK:secdefil"),
)
_CONNECTION = -1
"""What an error is about that is about no request."""
_BY_HAND = 0


class ClientBroke(AssertionError):
    """A client has broken the protocol, or the gateway has failed; every case is named."""


def utc_now() -> datetime:
    """The real clock."""
    return datetime.now(UTC)


class Gateway:
    """A TWS of our own. `seed` makes its numbers; the same seed and the same calls make the same run."""

    def __init__(
        self,
        *,
        accounts: Sequence[str] = ("DU1000001",),
        seed: int = 1,
        server_version: int = OLDEST,
        cash: Price = OPENING_CASH_USD,
        clock: Callable[[], datetime] = utc_now,
        port: int = 0,
    ) -> None:
        if not OLDEST <= server_version <= NEWEST:
            raise ValueError(f"Server version {server_version}: this gateway speaks {OLDEST} to {NEWEST}.")
        self._venue = Venue(accounts, seed, exact(cash), clock, self)
        self._venue.market.on_quote = self._push_quote
        self._venue.market.on_bar = self._push_bar
        self._version = server_version
        self._server: asyncio.Server | None = None
        self._sessions: list[Session] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._link = Link()
        self._happened = asyncio.Event()
        self.port = port
        """0 until the first start, when none was asked for."""
        self.requests: list[Request] = []
        """Every request, in the order in which they were read."""
        self.errors: list[str] = []
        """What has broken the protocol, or the gateway itself."""

    @property
    def market(self) -> Market:
        """Prices go in here."""
        return self._venue.market

    @property
    def truth(self) -> Book:
        """What has really happened."""
        return self._venue.book

    @property
    def faults(self) -> Faults:
        """What shall go wrong."""
        return self._venue.faults

    @property
    def client_ids(self) -> tuple[int, ...]:
        """Who is connected."""
        return tuple(session.client_id for session in self._sessions if session.client_id != NOBODY)

    def asked(self, name: str) -> list[Request]:
        """The requests of one name."""
        return [request for request in self.requests if request.name == name]

    async def until(self, is_so: Callable[[], object]) -> None:
        """Wait until something is so; looked at after every request and every end of a connection."""
        while not is_so():
            self._happened.clear()
            await self._happened.wait()

    async def start(self) -> None:
        """Listen; after `stop` on the same port, with everything still known."""
        self._server = await asyncio.start_server(self._serve, _HOST, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and close every connection; what is known stays."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None
        self.disconnect()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
        if self.errors and raised is None:
            raise ClientBroke("\n".join(self.errors))

    # What happens behind a client's back

    def disconnect(self) -> None:
        """Close every connection, and go on listening."""
        for session in list(self._sessions):
            session.outlet.flows.set()
            session.outlet.close()

    def notify(self, code: int, text: str, about: int = _CONNECTION) -> None:
        """Say something by an error message to every client: 2103, 10197, 1300 ..."""
        for session in self._present():
            session.send(error(about, code, text, self._venue.clock()))

    def set_market_data_type(self, market_data_type: int) -> None:
        """What the login is entitled to: 1 live, 3 delayed, 0 nothing."""
        self._venue.market_data_type = market_data_type

    def lose_servers(self) -> None:
        """1100: the gateway has lost IB. What needs IB waits, orders go on there, reports wait."""
        self._link.go_down()
        self.notify(1100, "Connectivity between IB and Trader Workstation has been lost.")

    def restore_servers(self, *, data_lost: bool) -> None:
        """1101 (what was subscribed is gone, and so are the reports of the meantime) or 1102 (nothing is gone)."""
        text = "Connectivity between IB and Trader Workstation has been restored- data"
        self.notify(*((1101, f"{text} lost.") if data_lost else (1102, f"{text} maintained.")))
        if data_lost:
            for session in self._present():
                session.watching.forget_market_data()
        self._link.come_up(data_lost=data_lost)

    def place_by_hand(
        self, account: str, symbol: str, action: str, shares: int, price: Price | None = None
    ) -> Execution:
        """Somebody trades in TWS itself, at a price or the last one."""
        order = self._by_hand(account, symbol, action, Terms(shares, "MKT", None, None, "DAY"))
        self.truth.add(order)
        return self._venue.matching.execute(order, shares, self._at(symbol, price))

    def order_by_hand(
        self,
        account: str,
        symbol: str,
        action: str,
        shares: int,
        limit: Price | None = None,
        stop: Price | None = None,
        tif: str = "GTC",
    ) -> Order:
        """Somebody places an order in TWS itself: at a limit, at a stop, or at the market."""
        kind = "LMT" if limit is not None else "STP" if stop is not None else "MKT"
        terms = Terms(shares, kind, _exact_if_any(limit), _exact_if_any(stop), tif)
        order = self._by_hand(account, symbol, action, terms)
        self._venue.desk.take_by_hand(order)
        return order

    def endow(self, account: str, symbol: str, shares: int, average_cost: Price) -> None:
        """Shares that have been there since before today."""
        self.truth.endow(account, symbol, shares, exact(average_cost))
        self.holdings_changed(account, symbol)

    def announce(self, execution: Execution) -> None:
        """Tell every client of an execution, whoever's it is: also of an account that is not theirs."""
        for session in self._present():
            session.send(exec_details(execution), commission_report(execution))

    def fill(self, order: Order, shares: int | None = None, price: Price | None = None) -> Execution:
        """Fill an order whatever the market says; also one that is held, or has ended."""
        left = order.remaining if shares is None else shares
        return self._venue.matching.execute(order, left, self._at(order.listing.symbol, price))

    def cancel(self, order: Order, reason: str = "Order Canceled - reason:") -> None:
        """The broker ends an order."""
        self._venue.matching.cancel(order, reason)

    def correct(self, exec_id: str, shares: int | None = None, price: Price | None = None) -> Execution:
        """The exchange corrects an execution; with no shares it is bust."""
        return self._venue.matching.correct(exec_id, shares, _exact_if_any(price))

    def end_day(self) -> None:
        """The session ends: orders for the day are cancelled."""
        for order in self.truth.live():
            if order.terms.tif == "DAY" and not order.is_done:
                self._venue.matching.cancel(order, "Order Canceled - reason:The session has ended.")

    # Reports of the desk

    def tell(self, client_id: int, *messages: Message) -> None:
        """A client of its order."""
        for session in self._present():
            if session.client_id == client_id:
                self._link.carry_report(partial(session.send, *messages))

    def holdings_changed(self, account: str, symbol: str) -> None:
        """Those who watch positions and accounts."""
        for session in self._present():
            self._link.carry_report(partial(push_holdings, self._venue, session, account, symbol))

    # Connections

    def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session(reader, writer, self._version, self.faults, self._venue.clock)
        task = asyncio.get_running_loop().create_task(self._converse(session))
        self._tasks.add(task)
        task.add_done_callback(self._note_end)

    def _note_end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()):
            self.errors.append(f"{type(failure).__name__}: {failure}")

    async def _converse(self, session: Session) -> None:
        self._sessions.append(session)
        try:
            await session.greet()
            while True:
                self._hear(session, await session.next_request())
                self._happened.set()
        except (asyncio.IncompleteReadError, ConnectionError):
            """The client has gone."""
        finally:
            self._sessions.remove(session)
            session.outlet.close()
            self._fill_what_was_left(session.client_id)
            self._happened.set()

    def _hear(self, session: Session, request: Request) -> None:
        if request.name == "startApi":
            self._start_api(session, request)
            return
        self.requests.append(request)
        answer = HANDLERS[request.name]
        if request.name in AT_THE_SERVERS:
            session.carry_out(request, lambda r: self._link.carry_request(lambda: answer(self._venue, session, r)))
        else:
            session.carry_out(request, lambda r: answer(self._venue, session, r))

    def _start_api(self, session: Session, request: Request) -> None:
        client_id = request.whole("clientId")
        self.requests.append(request._replace(client_id=client_id))
        is_taken = client_id in self.client_ids
        session.client_id = client_id
        if is_taken or session.is_refused_its_id():
            session.client_id = NOBODY
            session.refuse(
                request, 326, "Unable to connect as the client id is already in use. Retry with a unique client id."
            )
            session.outlet.close()
            return
        managed_accounts(self._venue, session, request)
        next_id(self._venue, session, request)
        for code, text in _READY:
            session.send(error(_CONNECTION, code, text, self._venue.clock()))

    def _fill_what_was_left(self, client_id: int) -> None:
        for order in self.truth.live():
            about = (order.listing.symbol, client_id)
            if order.client_id == client_id and self.faults.take(FillWhileDown, "disconnect", *about):
                self.fill(order, price=order.terms.limit or order.terms.stop)

    def _present(self) -> list[Session]:
        return [session for session in self._sessions if session.client_id != NOBODY]

    def _push_quote(self, symbol: str) -> None:
        for session in self._present():
            if self._link.is_up:
                push_quote(self._venue, session, symbol)

    def _push_bar(self, symbol: str, bar: Bar) -> None:
        for session in self._present():
            if self._link.is_up:
                push_bar(self._venue, session, symbol, bar)

    def _by_hand(self, account: str, symbol: str, action: str, terms: Terms) -> Order:
        return Order(
            perm_id=self.truth.new_perm_id(),
            client_id=_BY_HAND,
            order_id=0,
            account=account,
            listing=self.market.listings[symbol],
            exchange="SMART",
            action=action,
            terms=terms,
        )

    def _at(self, symbol: str, price: Price | None) -> Decimal:
        if price is not None:
            return exact(price)
        last = self.market.quote(symbol).last
        if last is None:
            raise ValueError(f"{symbol} has no price yet: name one, or let it trade first.")
        return last


def _exact_if_any(price: Price | None) -> Decimal | None:
    return None if price is None else exact(price)
