"""Requests about orders: to place, change and cancel them, and what has become of them."""

from zoneinfo import ZoneInfo

from gateway.contracts import ZONE
from gateway.messages import Message, commission_report, completed_order, exec_details, open_order, order_status
from gateway.orders import Execution, Order, Status
from gateway.request import Request
from gateway.session import Session
from gateway.venue import Venue

_SIDES = {"": ("BUY", "SELL"), "BUY": ("BUY",), "SELL": ("SELL",), "BOT": ("BUY",), "SLD": ("SELL",)}


def place_order(venue: Venue, _: Session, request: Request) -> None:
    """A new order, a change of one, or a question what one would cost."""
    venue.desk.place(request)


def cancel_order(venue: Venue, _: Session, request: Request) -> None:
    """Cancel one order."""
    venue.desk.cancel(request)


def cancel_all(venue: Venue, _: Session, __: Request) -> None:
    """Cancel everything, of all clients."""
    venue.desk.cancel_all()


def next_id(venue: Venue, session: Session, _: Request) -> None:
    """The lowest order id that this client may use."""
    session.send(Message("nextValidId", {"orderId": venue.book.highest_id(session.client_id) + 1}))


def own_open_orders(venue: Venue, session: Session, _: Request) -> None:
    """What works of this client; of client 0 also what was made by hand."""
    _list(session, [order for order in venue.book.live() if order.client_id == session.client_id])


def all_open_orders(venue: Venue, session: Session, _: Request) -> None:
    """What works of anybody, as it is at this moment."""
    _list(session, list(venue.book.live()))


def completed_orders(venue: Venue, session: Session, request: Request) -> None:
    """What is done; only what clients have placed, if so asked."""
    for order in venue.book.orders:
        if order.is_done and (order.order_id or not request.flag("apiOnly")):
            session.send(completed_order(order))
    session.send(Message("completedOrdersEnd", {}))


def executions(venue: Venue, session: Session, request: Request) -> None:
    """Today's executions that the filter lets through, and what each has cost."""
    for execution in venue.book.executions:
        if _is_wanted(execution, request) and _is_of_today(venue, execution):
            session.send(exec_details(execution, request.id), commission_report(execution))
    session.send(Message("execDetailsEnd", {"reqId": request.id}))


def _list(session: Session, orders: list[Order]) -> None:
    for order in orders:
        if order.status is not Status.PENDING_SUBMIT:
            session.send(open_order(order), order_status(order))
    session.send(Message("openOrderEnd", {}))


def _is_wanted(execution: Execution, request: Request) -> bool:
    order = execution.order
    return (
        request.whole("clientId") in (0, order.client_id)
        and request.text("account") in ("", order.account)
        and request.symbol in ("", order.listing.symbol)
        and order.action in _SIDES[request.text("side")]
    )


def _is_of_today(venue: Venue, execution: Execution) -> bool:
    zone = ZoneInfo(ZONE)
    return execution.at.astimezone(zone).date() == venue.clock().astimezone(zone).date()
