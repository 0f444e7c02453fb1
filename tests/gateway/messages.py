"""What the server says of orders and executions: values for the layouts, from the truth."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from gateway.contracts import ZONE
from gateway.layout import Values
from gateway.orders import Execution, Order
from gateway.wire import Cell

LIVE = -1
"""The request id of an execution that nobody asked for."""


class Message(NamedTuple):
    """One message, by its layout's name. `symbol` is what faults that are about one symbol look at."""

    name: str
    values: Values
    symbol: str = ""


def time_text(at: datetime) -> str:
    """An instant in the instrument's zone, as the server writes it."""
    return f"{at.astimezone(ZoneInfo(ZONE)):%Y%m%d %H:%M:%S} {ZONE}"


def error(about: int, code: int, text: str, at: datetime, reject_json: str = "") -> Message:
    """An error or a notice about a request, an order, or (-1) the connection."""
    time_ms = int(at.timestamp() * 1000)
    values: Values = {"id": about, "code": code, "text": text, "advancedOrderRejectJson": reject_json}
    return Message("error", {**values, "time_ms": time_ms})


def _terms(order: Order) -> dict[str, Cell]:
    return {
        "right": "?",
        **order.listing.named(order.exchange),
        "action": order.action,
        "orderType": order.terms.order_type,
        "lmtPrice": order.terms.limit if order.terms.limit is not None else Decimal(0),
        "auxPrice": order.terms.stop if order.terms.stop is not None else Decimal(0),
        "tif": order.terms.tif,
        "ocaGroup": order.oca_group,
        "account": order.account,
        "orderRef": order.order_ref,
        "permId": order.perm_id,
        "outsideRth": order.outside_rth,
        "ocaType": order.oca_type,
    }


def open_order(order: Order, *, with_commission: bool = False) -> Message:
    """An order with its terms; `with_commission` once it has filled."""
    values: dict[str, Cell] = {
        **_terms(order),
        "orderId": order.order_id,
        "totalQuantity": order.quantity,
        "clientId": order.client_id,
        "sharesAllocation": f"{order.perm_id}.0/{order.account}/100",
        "parentId": order.parent_id,
        "whatIf": False,
        "status": order.status.value,
    }
    if with_commission:
        values |= {"commission": order.commission_usd, "commissionCurrency": "USD"}
    return Message("openOrder", values, order.listing.symbol)


def preview(order: Order, margins: Mapping[str, Cell]) -> Message:
    """What an order would do to the account's margins."""
    values = {**open_order(order).values, **margins, "whatIf": True, "status": "PreSubmitted"}
    return Message("openOrder", values, order.listing.symbol)


def order_status(order: Order) -> Message:
    """How far an order has come."""
    return Message(
        "orderStatus",
        {
            "orderId": order.order_id,
            "status": order.status.value,
            "filled": order.filled,
            "remaining": order.remaining,
            "avgFillPrice": order.average_price,
            "permId": order.perm_id,
            "parentId": order.parent_id,
            "lastFillPrice": order.last_price,
            "clientId": order.client_id,
            "whyHeld": order.why_held,
        },
        order.listing.symbol,
    )


def completed_order(order: Order) -> Message:
    """An order that is done, as it is told afterwards: without its ids, its shares in `filledQuantity`."""
    completed_at = time_text(order.completed_at) if order.completed_at else ""
    return Message(
        "completedOrder",
        {
            **_terms(order),
            "totalQuantity": 0,
            "status": order.status.value,
            "filledQuantity": order.filled,
            "parentPermId": None,
            "completedTime": completed_at,
            "completedStatus": order.completed_status,
        },
        order.listing.symbol,
    )


def exec_details(execution: Execution, request_id: int = LIVE) -> Message:
    """One execution."""
    order = execution.order
    return Message(
        "execDetails",
        {
            "reqId": request_id,
            "orderId": order.order_id,
            **order.listing.named(order.exchange),
            "execId": execution.exec_id,
            "time": time_text(execution.at),
            "account": order.account,
            "exchange": order.listing.home,
            "side": "BOT" if order.is_buy else "SLD",
            "shares": execution.shares,
            "price": execution.price,
            "permId": order.perm_id,
            "clientId": order.client_id,
            "cumQty": execution.cumulative,
            "avgPrice": execution.average_price,
            "orderRef": order.order_ref,
        },
        order.listing.symbol,
    )


def commission_report(execution: Execution) -> Message:
    """What one execution has cost, and what it has realised."""
    return Message(
        "commissionReport",
        {
            "execId": execution.exec_id,
            "commission": execution.commission_usd,
            "currency": "USD",
            "realizedPNL": execution.realized_usd,
        },
        execution.order.listing.symbol,
    )
