"""The other end of `ibkr.py`, in a process of its own: the tests' TWS, behind a relay that notes when bytes pass.

The relay keeps the gateway's own work out of the figures: an order is noted when its bytes come in, an execution when
its bytes go out, together with all that the gateway has to say of that fill.

    first line out   the port
    a line in        fill whatever works; a line out says when its order came in, and when its execution left

Times are nanoseconds of CLOCK_MONOTONIC, which is one clock for all processes of a host.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "tests")]

from gateway import Gateway  # noqa: E402  (found by the line above)

_GREETING = b"API\0"
_PLACE_ORDER, _EXECUTION = b"3", b"11"
_LENGTH_BYTES = 4
_PRICE = 100
_CASH = 1_000_000_000
_PATIENCE_S = 5.0
_SETTLED_S = 0.02
"""So long after a fill nothing is said on the pipe: it would disturb who is measured."""


class OneWay(asyncio.Protocol):
    """What comes in at one end goes out at the other; messages of one kind are noted."""

    def __init__(self, kind: bytes, note: Callable[[int], None]) -> None:
        self._kind = kind
        self._note = note
        self._rest = b""
        self._out: asyncio.WriteTransport | None = None
        self._early: list[bytes] = []
        self.came_in: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way in: it is the other direction's way out."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  (told to the type checker)
        self.came_in = transport

    def goes_to(self, out: asyncio.WriteTransport) -> None:
        """The other end is there."""
        self._out = out
        out.writelines(self._early)

    def data_received(self, data: bytes) -> None:
        """Take the time first, hand on second, look last."""
        now_ns = time.monotonic_ns()
        if self._out is None:
            self._early.append(data)
        else:
            self._out.write(data)
        if self._kind in set(self._kinds(data)):
            self._note(now_ns)

    def connection_lost(self, _: Exception | None) -> None:
        """One end has gone, so the other goes."""
        if self._out is not None:
            self._out.close()

    def _kinds(self, data: bytes) -> Iterator[bytes]:
        self._rest = (self._rest + data).removeprefix(_GREETING)
        while len(self._rest) >= _LENGTH_BYTES:
            end = _LENGTH_BYTES + int.from_bytes(self._rest[:_LENGTH_BYTES], "big")
            if len(self._rest) < end:
                return
            message, self._rest = self._rest[_LENGTH_BYTES:end], self._rest[end:]
            yield message.partition(b"\0")[0]


class Relay:
    """Listens for clients, and speaks with the gateway for each of them."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._tasks: set[asyncio.Task[None]] = set()
        self._order_ns = self._execution_ns = 0

    async def start(self) -> int:
        """Listen; give the port."""
        server = await asyncio.get_running_loop().create_server(self._client, "127.0.0.1", 0)
        port: int = server.sockets[0].getsockname()[1]
        return port

    def take(self) -> tuple[int, int]:
        """When the last order came in and the last execution left; then both are forgotten."""
        taken = (self._order_ns, self._execution_ns)
        self._order_ns = self._execution_ns = 0
        return taken

    def _client(self) -> OneWay:
        of_client = OneWay(_PLACE_ORDER, self._note_order)
        task = asyncio.get_running_loop().create_task(self._reach_gateway(of_client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return of_client

    async def _reach_gateway(self, of_client: OneWay) -> None:
        out, of_gateway = await asyncio.get_running_loop().create_connection(
            lambda: OneWay(_EXECUTION, self._note_execution), "127.0.0.1", self._gateway.port
        )
        of_gateway.goes_to(of_client.came_in)
        of_client.goes_to(out)

    def _note_order(self, at_ns: int) -> None:
        self._order_ns = at_ns

    def _note_execution(self, at_ns: int) -> None:
        self._execution_ns = at_ns


async def serve(accounts: list[str], symbols: list[str], now: datetime) -> None:
    """Serve until the pipe is closed."""
    loop = asyncio.get_running_loop()
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    async with Gateway(accounts=accounts, cash=_CASH, clock=lambda: now) as gateway:
        for symbol in symbols:
            gateway.market.list(symbol)
        relay = Relay(gateway)
        print(await relay.start(), flush=True)
        while await commands.readline():
            async with asyncio.timeout(_PATIENCE_S):
                await gateway.until(lambda: any(gateway.truth.live()))
            for order in gateway.truth.live():
                gateway.fill(order, price=_PRICE)
            await asyncio.sleep(_SETTLED_S)
            print(json.dumps(relay.take()), flush=True)


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    asyncio.run(serve(asked["accounts"], asked["symbols"], datetime.fromisoformat(asked["now"])))
