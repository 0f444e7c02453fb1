"""A client that knows the layouts and nothing else: what it sends and hears is the wire itself."""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from gateway import Gateway
from gateway.layouts import ANSWERS_BY_NUMBER, NEWEST, REQUESTS
from gateway.messages import Message
from gateway.wire import Cell, fields_of, frame, read_body

_WAIT_S = 2.0
_NOTICES = frozenset({2104, 2106, 2158})

_QQQ: dict[str, Cell] = {
    "conId": 0,
    "symbol": "QQQ",
    "secType": "STK",
    "exchange": "SMART",
    "currency": "USD",
}


class RawClient:
    """One connection to a gateway; connected and started inside `async with`."""

    def __init__(self, gateway: Gateway, client_id: int = 1) -> None:
        self._gateway = gateway
        self._client_id = client_id
        self.version = 0
        self.greeted: list[Message] = []
        """What the gateway has said at the start."""

    async def __aenter__(self) -> Self:
        await self.connect()
        self.ask("startApi", version=2, clientId=self._client_id)
        self.greeted = await self.hear()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    async def connect(self, versions: str = f"v100..{NEWEST}") -> None:
        """Shake hands."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._gateway.port)
        body = versions.encode()
        self._writer.write(b"API\0" + len(body).to_bytes(4, "big") + body)
        version, _ = fields_of(await asyncio.wait_for(read_body(self._reader), _WAIT_S))
        self.version = int(version)

    def ask(self, name: str, **values: Cell) -> None:
        """Send a request; what is not named is empty."""
        layout = REQUESTS[name]
        blank = {field.name: "" for line in layout.lines for field in line.fields}
        self._writer.write(frame(layout.write({**blank, **values}, self.version)))

    def send(self, data: bytes) -> None:
        """Send what no layout would."""
        self._writer.write(data)

    async def hear(self) -> list[Message]:
        """All that has been said up to now, notices of farms left out; less when the connection ends."""
        self.ask("reqCurrentTime", version=1)
        heard: list[Message] = []
        while (message := await self.next()) and message.name != "currentTime":
            heard.append(message)
        return [message for message in heard if message.values.get("code") not in _NOTICES]

    async def next(self) -> Message | None:
        """The next message; None when the connection has ended."""
        try:
            fields = fields_of(await asyncio.wait_for(read_body(self._reader), _WAIT_S))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        layout = ANSWERS_BY_NUMBER[int(fields[0])]
        return Message(layout.name, layout.read(fields, self.version))

    async def is_closed(self) -> bool:
        """Whether the gateway has ended the connection in good order."""
        return await asyncio.wait_for(self._reader.read(1), _WAIT_S) == b""

    def place(self, order_id: int, action: str, shares: int, order_type: str = "MKT", **more: Cell) -> None:
        """Place an order for shares of QQQ, for the day."""
        terms: dict[str, Cell] = {"action": action, "totalQuantity": shares, "orderType": order_type, "tif": "DAY"}
        self.ask("placeOrder", **{**_QQQ, **terms, "orderId": order_id, "transmit": True, **more})

    def cancel(self, order_id: int) -> None:
        """Cancel an order."""
        self.ask("cancelOrder", version=1, orderId=order_id)


def outline(messages: Sequence[Message]) -> list[str]:
    """Messages in short: their names, and the state or the code that they carry."""
    return [
        " ".join([message.name, *(str(message.values[key]) for key in ("status", "code") if key in message.values)])
        for message in messages
    ]
