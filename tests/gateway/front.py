"""The front: hears what clients ask, and tells them what has become of their orders."""

from collections.abc import Callable, Sequence
from functools import partial

from gateway.about_account import managed_accounts, push_holdings
from gateway.about_market import push_bar, push_quote
from gateway.about_orders import next_id
from gateway.answering import AT_THE_SERVERS, HANDLERS
from gateway.connections import Connections
from gateway.faults import ClientIdTaken, FillWhileDown
from gateway.link import Link
from gateway.market import Bar, Step
from gateway.messages import Message, error
from gateway.request import Request
from gateway.session import Session
from gateway.venue import Venue

CONNECTION = -1
"""What an error is about that is about no request."""
_ID_IS_TAKEN = (326, "Unable to connect as the client id is already in use. Retry with a unique client id.")
_READY = (
    (2104, "Market data farm connection is OK:usfarm"),
    (2106, "HMDS data farm connection is OK:ushmds"),
    (2158, "Sec-def data farm connection is OK:secdefil"),
)


class Front:
    """Between the connections and the venue. Its reports wait while the link to IB is down."""

    def __init__(self, venue: Venue, connections: Connections) -> None:
        self.link = Link()
        self.requests: list[Request] = []
        self.on_change: Callable[[], None] = lambda: None
        self._has_changed = False
        self._venue = venue
        self._connections = connections
        connections.on_request = self._hear
        connections.on_end = self._fill_what_was_left
        venue.reports.on_messages = self._tell
        venue.reports.on_holdings = self._tell_of_holdings
        venue.market.on_step = self._step
        venue.market.on_quote = self._push_quote
        venue.market.on_bar = self._push_bar

    def tell_all(self, *messages: Message) -> None:
        """Every client, by the gateway itself: also while the link is down."""
        for session in self._connections.present:
            session.send(*messages)

    def tell_market_data_type(self, market_data_type: int) -> None:
        """Every client, for each of its subscriptions to bars."""
        for session in self._connections.present:
            for id_ in session.watching.bars:
                session.send(Message("marketDataType", {"reqId": id_, "marketDataType": market_data_type}))

    def _step(self, step: Step) -> None:
        self._venue.matching.step(step)
        self._look()

    def _look(self) -> None:
        """Something is over, with all that it leads to: have it looked at, if orders or executions are others now."""
        if self._has_changed:
            self._has_changed = False
            self.on_change()

    def _tell(self, client_id: int, messages: Sequence[Message]) -> None:
        self._has_changed = True
        for session in self._connections.present:
            if session.client_id == client_id:
                self.link.carry_report(partial(session.send, *messages))

    def _tell_of_holdings(self, account: str, symbol: str) -> None:
        for session in self._connections.present:
            self.link.carry_report(partial(push_holdings, self._venue, session, account, symbol))

    def _hear(self, session: Session, request: Request) -> None:
        if request.name == "startApi":
            request = request._replace(client_id=request.whole("clientId"))
        self.requests.append(request)
        session.carry_out(request, partial(self._answer, session))
        self._look()

    def _answer(self, session: Session, request: Request) -> None:
        if request.name == "startApi":
            self._start_api(session, request)
            return
        answer = partial(HANDLERS[request.name], self._venue, session, request)
        if request.name in AT_THE_SERVERS:
            self.link.carry_request(answer)
        else:
            answer()

    def _start_api(self, session: Session, request: Request) -> None:
        """Accounts, the first order id, and that the farms are well; or 326 and the end."""
        lingers = self._venue.faults.take(ClientIdTaken, request.name, "", request.client_id)
        if lingers or request.client_id in (other.client_id for other in self._connections.present):
            session.refuse(request, *_ID_IS_TAKEN)
            session.outlet.close()
            return
        session.client_id = request.client_id
        managed_accounts(self._venue, session, request)
        next_id(self._venue, session, request)
        for code, text in _READY:
            session.send(error(CONNECTION, code, text, self._venue.clock()))

    def _fill_what_was_left(self, session: Session) -> None:
        for order in self._venue.book.live():
            about = (order.listing.symbol, session.client_id)
            if order.client_id == session.client_id and self._venue.faults.take(FillWhileDown, "disconnect", *about):
                price = order.terms.limit or order.terms.stop or self._venue.market.last(order.listing.symbol)
                self._venue.matching.execute(order, order.remaining, price)
        self._look()

    def _push_quote(self, symbol: str) -> None:
        if self.link.is_up:
            for session in self._connections.present:
                push_quote(self._venue, session, symbol)

    def _push_bar(self, symbol: str, bar: Bar) -> None:
        if self.link.is_up:
            for session in self._connections.present:
                push_bar(self._venue, session, symbol, bar)
