"""The control channel of a gateway that runs as a process of its own: a line of JSON asks, a line of JSON answers.

    {"do": "trade", "symbol": "QQQ", "price": "500.10"}       -> {"ok": null}
    {"do": "fault", "kind": "Lose", "on": "execDetails"}      -> {"ok": "Lose(nth=1, ...)"}
    {"do": "truth"}                                           -> {"ok": {"orders": [...], ...}}

Amounts are text, exact. What cannot be done is answered by {"error": "why"}.
"""

import asyncio
import inspect
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation

from gateway import faults
from gateway.fault_script import Fault
from gateway.orders import Execution, Order
from gateway.simulator import Gateway, utc_now
from gateway.wire import text_of

Answer = object
"""Anything that JSON can say."""

_HOST = "127.0.0.1"


class SetClock:
    """The real clock, until it is set; it goes on from there."""

    def __init__(self) -> None:
        self._ahead = timedelta(0)

    def __call__(self) -> datetime:
        """The time it shows."""
        return utc_now() + self._ahead

    def set(self, at: datetime) -> None:
        """Show this time now."""
        self._ahead = at - utc_now()


class Control:
    """One gateway's control channel."""

    def __init__(self, gateway: Gateway, clock: SetClock) -> None:
        self._gateway = gateway
        self._server: asyncio.Server | None = None
        self._holders = 0
        self.has_quit = asyncio.Event()
        """Set by `quit`, and when nobody holds the channel any more: no gateway outlives who has started it."""
        market = gateway.market
        self._commands: Mapping[str, Callable[..., Answer]] = {
            "trade": market.trade,
            "depth": market.depth,
            "bar": self._bar,
            "halt": market.halt,
            "resume": market.resume,
            "list": lambda symbol: market.list(symbol).con_id,
            "stall": gateway.stall,
            "set_clock": lambda at: clock.set(datetime.fromisoformat(at)),
            "now": lambda: gateway.now().isoformat(),
            "truth": self._truth,
            "requests": self._requests,
            "errors": lambda: gateway.errors,
            "clients": lambda: gateway.client_ids,
            "fault": self._fault,
            "fired": lambda: {str(fault): times for fault, times in gateway.faults.fired.items()},
            "clear_faults": gateway.faults.clear,
            "release": gateway.faults.release,
            "lose_servers": gateway.lose_servers,
            "restore_servers": gateway.restore_servers,
            "notify": gateway.notify,
            "market_data_type": gateway.set_market_data_type,
            "place_by_hand": lambda **what: _execution(gateway.place_by_hand(**what)),
            "order_by_hand": lambda **what: _order(gateway.order_by_hand(**what)),
            "change_by_hand": lambda perm_id, **what: gateway.change_by_hand(self._order(perm_id), **what),
            "endow": gateway.endow,
            "fill": lambda perm_id, **what: _execution(gateway.fill(self._order(perm_id), **what)),
            "cancel": lambda perm_id: gateway.cancel(self._order(perm_id)),
            "correct": lambda **what: _execution(gateway.correct(**what)),
            "roll_back_order_ids": gateway.roll_back_order_ids,
            "end_day": gateway.end_day,
            "disconnect": gateway.disconnect,
            "stop": gateway.stop,
            "start": gateway.start,
            "quit": self.has_quit.set,
        }

    async def listen(self, port: int) -> int:
        """Take commands on a port (0: a free one); give the port."""
        self._server = await asyncio.start_server(self._serve, _HOST, port)
        return int(self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        """Take no more commands."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._holders += 1
        while not self.has_quit.is_set() and (line := await reader.readline()):
            writer.write(json.dumps(await self._obey(line)).encode() + b"\n")
        writer.close()
        self._holders -= 1
        if not self._holders:
            self.has_quit.set()

    async def _obey(self, line: bytes) -> Mapping[str, Answer]:
        try:
            order = json.loads(line)
            answer = self._commands[order.pop("do")](**order)
            return {"ok": await answer if inspect.isawaitable(answer) else answer}
        except (KeyError, TypeError, ValueError, AttributeError, InvalidOperation) as wrong:
            return {"error": f"{type(wrong).__name__}: {wrong}"}

    def _bar(self, starts_at: str, **figures: object) -> None:
        self._gateway.market.bar(starts_at=datetime.fromisoformat(starts_at), **figures)  # type: ignore[arg-type]

    def _fault(self, kind: str, **trigger: object) -> str:
        if price := trigger.get("price"):
            trigger["price"] = Decimal(str(price))
        made: Fault = getattr(faults, kind)(**trigger)
        return str(self._gateway.faults.add(made))

    def _order(self, perm_id: int) -> Order:
        for order in self._gateway.truth.orders:
            if order.perm_id == perm_id:
                return order
        raise KeyError(f"No order has the permId {perm_id}.")

    def _requests(self) -> list[dict[str, Answer]]:
        return [
            {"name": request.name, "clientId": request.client_id, "id": request.id, "symbol": request.symbol}
            for request in self._gateway.requests
        ]

    def _truth(self) -> dict[str, Answer]:
        book = self._gateway.truth
        return {
            "orders": [_order(order) for order in book.orders],
            "executions": [_execution(execution) for execution in book.executions],
            "positions": {name: book.positions(name) for name in book.accounts},
            "cash": {name: text_of(book.cash(name)) for name in book.accounts},
        }


def _order(order: Order) -> dict[str, Answer]:
    return {
        "permId": order.perm_id,
        "clientId": order.client_id,
        "orderId": order.order_id,
        "account": order.account,
        "symbol": order.listing.symbol,
        "action": order.action,
        "type": order.terms.order_type,
        "quantity": order.quantity,
        "filled": order.filled,
        "status": order.status.value,
        "orderRef": order.order_ref,
        "parentId": order.parent_id,
        "limit": _text(order.terms.limit),
        "stop": _text(order.terms.stop),
        "tif": order.terms.tif,
    }


def _execution(execution: Execution) -> dict[str, Answer]:
    order = execution.order
    return {
        "execId": execution.exec_id,
        "permId": order.perm_id,
        "orderRef": order.order_ref,
        "account": order.account,
        "symbol": order.listing.symbol,
        "action": order.action,
        "shares": execution.shares,
        "price": text_of(execution.price),
        "commission": text_of(execution.commission_usd),
        "at": execution.at.isoformat(),
    }


def _text(price: Decimal | None) -> str | None:
    return None if price is None else text_of(price)
