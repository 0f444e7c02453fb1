"""The gateway as a test holds it: a server on a real socket, and hands for what happens behind a client's back."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from types import TracebackType
from typing import Self

from gateway.book import OPENING_CASH_USD, Book
from gateway.connections import Connections
from gateway.fault_script import Faults
from gateway.front import CONNECTION, Front
from gateway.layouts import NEWEST, OLDEST
from gateway.market import Market, Price, exact
from gateway.messages import commission_report, error, exec_details
from gateway.orders import Execution, Order, Terms
from gateway.request import Request
from gateway.venue import Venue

_BY_HAND = 0
"""The client id and the order id of what no client has placed."""


class ClientBroke(AssertionError):
    """A client has broken the protocol, or the gateway has failed; every case is named."""


def utc_now() -> datetime:
    """The real clock."""
    return datetime.now(UTC)


class Gateway:
    """A TWS of our own. `seed` makes its numbers; the same seed and the same calls make the same run.

    Inside `async with` it listens on 127.0.0.1, on `port`; at the end it raises ClientBroke when `errors` has any.
    """

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
        self._venue = Venue(accounts, seed, exact(cash), clock)
        self._connections = Connections(server_version, self._venue.faults, clock)
        self._front = Front(self._venue, self._connections)
        self.port = port
        """0 until the first start, when none was asked for."""

    # What a test looks at

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
    def requests(self) -> list[Request]:
        """Every request, in the order in which they were read."""
        return self._front.requests

    @property
    def errors(self) -> list[str]:
        """What has broken the protocol, or the gateway itself."""
        return self._connections.errors

    @property
    def client_ids(self) -> tuple[int, ...]:
        """Who is connected."""
        return tuple(session.client_id for session in self._connections.present)

    def asked(self, name: str) -> list[Request]:
        """The requests of one name."""
        return [request for request in self.requests if request.name == name]

    def now(self) -> datetime:
        """The gateway's clock."""
        return self._venue.clock()

    def on_change(self, look: Callable[[], None]) -> None:
        """Have the truth looked at each time that orders or executions have changed.

        After the request, the price or the end of a connection that has changed them, with all that it led to; what is
        done by hand is looked at with whatever comes next.
        """
        self._front.on_change = look

    async def until(self, is_so: Callable[[], object]) -> None:
        """Wait until something is so; looked at after every request and every end of a connection."""
        await self._connections.until(is_so)

    # Its life

    async def start(self) -> None:
        """Listen; after `stop` on the same port, with everything still known."""
        self.port = await self._connections.start(self.port)

    async def stop(self) -> None:
        """Stop listening and close every connection; what is known stays."""
        await self._connections.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
        if self.errors and raised is None:
            raise ClientBroke("\n".join(self.errors))

    # What happens to the connection

    def disconnect(self) -> None:
        """Close every connection, and go on listening."""
        self._connections.close_all()

    def stall(self) -> None:
        """Neither send nor read any more, while every connection stays; until `faults.release`."""
        for session in self._connections.present:
            session.outlet.stall()

    def notify(self, code: int, text: str, about: int = CONNECTION) -> None:
        """Say something by an error message to every client: 2103, 10197, 1300 ..."""
        self._front.tell_all(error(about, code, text, self.now()))

    def lose_servers(self) -> None:
        """1100: the gateway has lost IB. What needs IB waits, orders go on there, reports wait."""
        self._front.link.go_down()
        self.notify(1100, "Connectivity between IB and Trader Workstation has been lost.")

    def restore_servers(self, *, data_lost: bool) -> None:
        """1101 (what was subscribed is gone, and so are the reports of the meantime) or 1102 (nothing is gone)."""
        text = "Connectivity between IB and Trader Workstation has been restored- data"
        self.notify(*((1101, f"{text} lost.") if data_lost else (1102, f"{text} maintained.")))
        if data_lost:
            for session in self._connections.present:
                session.watching.forget_market_data()
        self._front.link.come_up(data_lost=data_lost)

    def set_market_data_type(self, market_data_type: int) -> None:
        """What the login is entitled to: 1 live, 3 delayed, 0 nothing."""
        self._venue.market_data_type = market_data_type

    def tell_market_data_type(self, market_data_type: int) -> None:
        """Say of every subscription to bars what kind they are from now on: 1 live, 2 frozen, 3 delayed."""
        self._front.tell_market_data_type(market_data_type)

    def roll_back_order_ids(self) -> None:
        """Somebody resets the sequence: order ids begin at 1 again, and come a second time."""
        self.truth.roll_back_ids()

    # What happens at the broker

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
        order = self._by_hand(account, symbol, action, Terms(shares, kind, _exact(limit), _exact(stop), tif))
        self._venue.desk.take_by_hand(order)
        return order

    def change_by_hand(
        self, order: Order, *, limit: Price | None = None, stop: Price | None = None, shares: int | None = None
    ) -> None:
        """Somebody changes an order in TWS itself, whoever has placed it; what is not named stays."""
        before = order.terms
        self._venue.matching.change(
            order,
            before._replace(
                limit=before.limit if limit is None else exact(limit),
                stop=before.stop if stop is None else exact(stop),
                quantity=order.quantity if shares is None else shares,
            ),
        )

    def endow(self, account: str, symbol: str, shares: int, average_cost: Price) -> None:
        """Shares that have been there since before today."""
        self.truth.endow(account, symbol, shares, exact(average_cost))
        self._venue.reports.holdings_changed(account, symbol)

    def announce(self, execution: Execution) -> None:
        """Tell every client of an execution, whoever's it is: also of an account that is not theirs."""
        self._front.tell_all(exec_details(execution), commission_report(execution))

    def fill(self, order: Order, shares: int | None = None, price: Price | None = None) -> Execution:
        """Fill an order whatever the market says; also one that is held, or has ended."""
        left = order.remaining if shares is None else shares
        return self._venue.matching.execute(order, left, self._at(order.listing.symbol, price))

    def cancel(self, order: Order, reason: str = "Order Canceled - reason:") -> None:
        """The broker ends an order."""
        self._venue.matching.cancel(order, reason)

    def correct(self, exec_id: str, shares: int | None = None, price: Price | None = None) -> Execution:
        """The exchange corrects an execution; with no shares left it is bust."""
        return self._venue.matching.correct(exec_id, shares, _exact(price))

    def end_day(self) -> None:
        """The session ends: orders for the day are cancelled."""
        for order in self.truth.live():
            if order.terms.tif == "DAY" and not order.is_done:
                self._venue.matching.cancel(order, "Order Canceled - reason:The session has ended.")

    def _by_hand(self, account: str, symbol: str, action: str, terms: Terms) -> Order:
        return Order(
            perm_id=self.truth.new_perm_id(),
            client_id=_BY_HAND,
            order_id=_BY_HAND,
            account=account,
            listing=self.market.listings[symbol],
            exchange="SMART",
            action=action,
            terms=terms,
        )

    def _at(self, symbol: str, price: Price | None) -> Decimal:
        return self.market.last(symbol) if price is None else exact(price)


def _exact(price: Price | None) -> Decimal | None:
    return None if price is None else exact(price)
