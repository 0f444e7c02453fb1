"""One client's connection: handshake, requests in, messages out.

A session knows nothing of orders or markets. It reads requests strictly, hands them on, and writes messages by their
layouts; on both ways the fault script may step in.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from gateway.fault_script import Faults
from gateway.faults import (
    Ignore,
    LoseConnection,
    MessageFault,
    Mute,
    NoGreeting,
    Note,
    Refuse,
    RequestFault,
)
from gateway.layouts import ANSWERS
from gateway.messages import Message, error
from gateway.outlet import SocketOutlet
from gateway.request import Request, read_request
from gateway.wire import Malformed, fields_of, frame, read_body

_GREETING = b"API\0"
_NEVER = b"\xff\xff\xff\xff"
"""What no client says."""
NOBODY = -1
"""The client id before the client has given one."""


@dataclass(slots=True)
class Watching:
    """What a client has subscribed to; requests by their numbers."""

    positions: bool = False
    accounts: set[str] = field(default_factory=set)
    summaries: dict[int, str] = field(default_factory=dict)
    profits: dict[int, str] = field(default_factory=dict)
    profits_of_one: dict[int, tuple[str, str]] = field(default_factory=dict)
    bars: dict[int, str] = field(default_factory=dict)
    ticks: dict[int, str] = field(default_factory=dict)
    histories: dict[int, Request] = field(default_factory=dict)
    market_data_type: int = 1

    def forget_market_data(self) -> None:
        """What the market says is not subscribed to any more."""
        self.bars.clear()
        self.ticks.clear()
        self.histories.clear()


class Session:
    """One connection."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        version: int,
        faults: Faults,
        clock: Callable[[], datetime],
    ) -> None:
        self._reader = reader
        self.outlet = SocketOutlet(writer)
        self._version = version
        self._faults = faults
        self._clock = clock
        self._is_muted = False
        self.client_id = NOBODY
        self.watching = Watching()
        faults.on_release(self.outlet.release)

    async def greet(self) -> None:
        """The handshake: the client says which versions it speaks, the server which one it will be."""
        greeting = await self._reader.readexactly(len(_GREETING))
        if greeting != _GREETING:
            raise Malformed(f"A client greets with {greeting!r}, not with {_GREETING!r}.")
        versions = (await read_body(self._reader)).decode()
        if self._faults.take(NoGreeting, "handshake"):
            await self._reader.readuntil(_NEVER)
        oldest, _, newest = versions.partition(" ")[0].removeprefix("v").partition("..")
        self._version = min(self._version, int(newest or oldest))
        if int(oldest) > self._version:
            raise Malformed(f"A client that speaks {versions} cannot speak {self._version}.")
        connected_at = f"{self._clock():%Y%m%d %H:%M:%S} Greenwich Mean Time"
        self.outlet.write(frame([str(self._version), connected_at]))

    async def next_request(self) -> Request:
        """The next request; IncompleteReadError when the client has gone, ConnectionError when it was sent away."""
        await self.outlet.flows.wait()
        body = await read_body(self._reader)
        await self.outlet.flows.wait()
        if self.outlet.is_closed:  # what came before the end, and was not read by then, is lost
            raise ConnectionAbortedError
        return read_request(fields_of(body), self.client_id, self._version)

    def send(self, *messages: Message) -> None:
        """Tell this client."""
        for message in messages:
            if not self._is_muted:
                self._send(message)

    def refuse(self, request: Request, code: int, text: str) -> None:
        """Answer a request by an error."""
        self.send(error(request.id, code, text, self._clock()))

    def carry_out(self, request: Request, answer: Callable[[Request], None]) -> None:
        """Answer a request, unless the fault script has something else in mind for it."""
        match self._faults.take(RequestFault, request.name, request.symbol, request.client_id):
            case Ignore():
                return
            case LoseConnection():
                self.outlet.reset()
            case Refuse(code=code, text=text):
                self.refuse(request, code, text)
            case Note(code=code, text=text):
                self.refuse(request, code, text)
                answer(request)
            case Mute():
                self._is_muted = True
                answer(request)
                self._is_muted = False
            case _:
                answer(request)

    def _send(self, message: Message) -> None:
        fault = self._faults.take(MessageFault, message.name, message.symbol, self.client_id)
        values = fault.changed(message.values) if fault else message.values
        data = frame(ANSWERS[message.name].write(values, self._version))
        if fault:
            fault.send(self.outlet, data)
        else:
            self.outlet.write(data)

    @property
    def version(self) -> int:
        """The server version of this connection."""
        return self._version
