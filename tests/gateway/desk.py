"""The desk: takes orders from clients, changes them and cancels them, or says why not."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from gateway.book import Book
from gateway.contracts import TICK_USD
from gateway.fault_script import Faults
from gateway.faults import FillAfterCancel, HoldForLocate, Reject, TwoPermIds
from gateway.market import Market
from gateway.matching import Matching, commission_usd
from gateway.messages import error, open_order, order_status, preview
from gateway.orders import REDUCE, Order, Status, Terms
from gateway.reports import Reports
from gateway.request import Request
from gateway.wire import Cell

_TYPES_WITH_LIMIT = frozenset({"LMT", "STP LMT"})
_TYPES_WITH_STOP = frozenset({"STP", "STP LMT"})
_TYPES = _TYPES_WITH_LIMIT | _TYPES_WITH_STOP | {"MKT"}
_TIFS = frozenset({"DAY", "GTC", "IOC"})
_MARGIN_PPM = 500_000
"""The part of a position's value that must be the account's own money."""


class Refused(Exception):
    """The desk says no, by the code and the text of an error message."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class Desk:
    """Where orders arrive."""

    def __init__(
        self,
        accounts: Sequence[str],
        book: Book,
        market: Market,
        matching: Matching,
        faults: Faults,
        reports: Reports,
        clock: Callable[[], datetime],
    ) -> None:
        self._accounts = accounts
        self._book = book
        self._market = market
        self._matching = matching
        self._faults = faults
        self._reports = reports
        self._clock = clock

    def place(self, request: Request) -> None:
        """Take a new order, a change of one, or a question what one would cost."""
        try:
            order = self._draft(request)
            working = self._book.find(order.client_id, order.order_id)
            if request.flag("whatIf"):
                self._reports.tell(order.client_id, preview(order, self._margins(order)))
            elif working is not None:
                self._modify(working, order)
            else:
                self._accept(order)
        except Refused as no:
            self._say(request, no)

    def cancel(self, request: Request) -> None:
        """Cancel an order of this client or, when it has none of that number, of another one."""
        try:
            order = self._book.find(request.client_id, request.id) or self._book.find_anywhere(request.id)
            if order is None:
                raise Refused(10147, f"OrderId {request.id} that needs to be cancelled is not found.")
            if order.is_done and order.status is not Status.INACTIVE:
                state = order.status.value
                raise Refused(
                    10148, f"OrderId {request.id} that needs to be cancelled cannot be cancelled, state: {state}."
                )
            self._cancel(order)
        except Refused as no:
            self._say(request, no)

    def cancel_all(self) -> None:
        """Cancel whatever works, whoever placed it."""
        for order in self._book.live():
            if not order.is_done:
                self._cancel(order)

    def take_by_hand(self, order: Order) -> None:
        """Take an order that comes from no client."""
        self._book.add(order)
        self._matching.start(order)

    def _draft(self, request: Request) -> Order:
        """The order a request asks for; Refused when there can be no such order."""
        listing = self._market.listings.find(
            request.whole("conId"),
            request.symbol,
            request.text("secType"),
            request.text("currency"),
            request.text("localSymbol"),
        )
        if listing is None:
            raise Refused(200, "No security definition has been found for the request")
        return Order(
            perm_id=self._book.new_perm_id(),
            client_id=request.client_id,
            order_id=request.id,
            account=self._account(request),
            listing=listing,
            exchange=request.text("exchange") or "SMART",
            action=_action(request),
            terms=_terms(request),
            order_ref=request.text("orderRef"),
            parent_id=request.whole("parentId"),
            oca_group=request.text("ocaGroup"),
            oca_type=request.whole("ocaType") or REDUCE,
            outside_rth=request.flag("outsideRth"),
            transmit=request.flag("transmit"),
        )

    def _account(self, request: Request) -> str:
        """The account an order is for; it must be named when there are several."""
        account = request.text("account") or (self._accounts[0] if len(self._accounts) == 1 else "")
        if account not in self._accounts:
            raise Refused(435, "You must specify an account.")
        return account

    def _accept(self, order: Order) -> None:
        if order.order_id <= self._book.highest_id(order.client_id):
            raise Refused(103, "Duplicate order id")
        parent = self._book.parent(order)
        if order.parent_id and (parent is None or (parent.is_done and not parent.filled)):
            raise Refused(201, f"Order rejected - reason:The parent order {order.parent_id} is not there.")
        if parent is not None:
            order.oca_group = order.oca_group or str(parent.perm_id)
        self._book.add(order)
        if not order.terms.tif:
            self._default_tif(order)
        self._turn_away_if_scripted(order)
        self._turn_away_if_too_late(order)
        self._turn_away_if_poor(order)
        if order.transmit:
            self._transmit(order)

    def _transmit(self, order: Order) -> None:
        """Send an order to the market, and those of its bracket that have waited for it."""
        parent = self._book.parent(order)
        family = [parent, *self._book.children(parent)] if parent else [order]
        for member in family:
            if member.status is Status.PENDING_SUBMIT and not member.is_done:
                self._release(member)

    def _release(self, order: Order) -> None:
        order.transmit = True
        if self._faults.take(TwoPermIds, "placeOrder", order.listing.symbol, order.client_id):
            twin = replace(order, perm_id=self._book.new_perm_id())
            self._book.add(twin)
            self._start(twin)
        self._start(order)

    def _start(self, order: Order) -> None:
        self._matching.start(order)
        if order.terms.tif == "IOC" and not order.is_done:
            self._matching.cancel(order)

    def _modify(self, order: Order, asked: Order) -> None:
        if order.status is Status.FILLED:
            raise Refused(104, "Cannot modify a filled order.")
        if order.is_done:
            raise Refused(103, "Duplicate order id")
        if (order.listing, order.action, order.account) != (asked.listing, asked.action, asked.account):
            raise Refused(105, "Order being modified does not match original order")
        if asked.terms.quantity < order.filled:
            raise Refused(201, "Order rejected - reason:The quantity is less than what has been filled.")
        if order.status is Status.PENDING_SUBMIT:
            order.terms = asked.terms
            if asked.transmit:
                self._transmit(order)
        elif self._faults.take(TwoPermIds, "placeOrder", order.listing.symbol, order.client_id):
            self._book.add(asked)
            self._matching.start(asked)
        else:
            self._matching.change(order, asked.terms._replace(tif=asked.terms.tif or order.terms.tif))

    def _cancel(self, order: Order) -> None:
        price = order.terms.limit or self._market.quote(order.listing.symbol).last
        late = self._faults.take(FillAfterCancel, "cancelOrder", order.listing.symbol, order.client_id)
        self._matching.cancel(order)
        if late and price:
            self._matching.execute(order, min(late.shares, order.remaining), price)

    def _turn_away_if_scripted(self, order: Order) -> None:
        about = (order.listing.symbol, order.client_id)
        if rejection := self._faults.take(Reject, "placeOrder", *about):
            self._turn_away(order, Status(rejection.status) if rejection.status else None)
            raise Refused(rejection.code, rejection.text)
        if self._faults.take(HoldForLocate, "placeOrder", *about):
            order.status, order.why_held = Status.INACTIVE, "locate"
            self._reports.tell(order.client_id, open_order(order), order_status(order))
            raise Refused(404, "Order held while securities are located.")

    def _turn_away_if_too_late(self, order: Order) -> None:
        if any(other.status is Status.FILLED for other in self._book.members(order)):
            self._turn_away(order, Status.INACTIVE)
            raise Refused(201, "Order rejected - reason:OCA group is already filled.")

    def _turn_away_if_poor(self, order: Order) -> None:
        if order.is_buy and self._value(order) * _MARGIN_PPM > self._equity(order.account) * 1_000_000:
            self._turn_away(order, Status.INACTIVE)
            raise Refused(201, "Order rejected - reason:YOUR ORDER IS NOT ACCEPTED. INSUFFICIENT FUNDS.")

    def _turn_away(self, order: Order, status: Status | None) -> None:
        self._matching.end(order, status or Status.INACTIVE)
        if status is not None:
            self._reports.tell(order.client_id, open_order(order), order_status(order))

    def _default_tif(self, order: Order) -> None:
        order.terms = order.terms._replace(tif="DAY")
        text = "Order TIF was set to DAY based on order preset."
        self._reports.tell(order.client_id, error(order.order_id, 10349, text, self._clock()))

    def _say(self, request: Request, no: Refused) -> None:
        self._reports.tell(request.client_id, error(request.id, no.code, no.text, self._clock()))

    def _value(self, order: Order) -> Decimal:
        price = order.terms.limit or self._market.quote(order.listing.symbol).last or order.terms.stop or Decimal(0)
        return order.remaining * price * order.listing.multiplier

    def _equity(self, account: str) -> Decimal:
        return self._book.equity(account, self._market)

    def _margins(self, order: Order) -> Mapping[str, Cell]:
        """What a margin account would have to put up for the order, in dollars."""
        equity, value = self._equity(order.account), self._value(order)
        held = self._book.gross_value(order.account, self._market)
        sign = 1 if order.is_buy else -1
        commission = commission_usd(order.listing, order.quantity, value)
        before, change = held / 2, sign * value / 2
        return {
            "initMarginBefore": before,
            "maintMarginBefore": before / 2,
            "equityWithLoanBefore": equity,
            "initMarginChange": change,
            "maintMarginChange": change / 2,
            "equityWithLoanChange": -commission,
            "initMarginAfter": before + change,
            "maintMarginAfter": (before + change) / 2,
            "equityWithLoanAfter": equity - commission,
            "commission": None,
            "minCommission": commission,
            "maxCommission": commission,
            "commissionCurrency": "USD",
        }


def _action(request: Request) -> str:
    action = request.text("action")
    if action not in ("BUY", "SELL"):
        raise Refused(321, f"Error validating request.-'bX' : cause - Invalid side: {action}")
    return action


def _terms(request: Request) -> Terms:
    """The terms of an order; Refused when they make no sense."""
    order_type, tif = request.text("orderType"), request.text("tif")
    quantity = request.number("totalQuantity") or Decimal(0)
    if order_type not in _TYPES:
        raise Refused(387, "Unsupported order type for this exchange and security type.")
    if tif not in _TIFS | {""}:
        raise Refused(321, f"Error validating request.-'bX' : cause - Invalid time in force: {tif}")
    if quantity <= 0:
        raise Refused(434, "The order size cannot be zero")
    if quantity != quantity.to_integral_value():
        raise Refused(10243, "Fractional-sized order cannot be placed via API.")
    limit = request.number("lmtPrice") if order_type in _TYPES_WITH_LIMIT else None
    stop = request.number("auxPrice") if order_type in _TYPES_WITH_STOP else None
    if (limit is None and order_type in _TYPES_WITH_LIMIT) or (stop is None and order_type in _TYPES_WITH_STOP):
        raise Refused(321, f"Error validating request.-'bX' : cause - {order_type} needs a price.")
    for price in filter(None, (limit, stop)):
        if price % TICK_USD:
            raise Refused(110, "The price does not conform to the minimum price variation for this contract.")
    return Terms(int(quantity), order_type, limit, stop, tif)
