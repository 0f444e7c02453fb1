"""Connections of a loop without sockets: both ends live on it, and a seed says in which pieces bytes arrive, and when.

Rule 1: what is written to one end arrives at the other in order, and its end after it.
Rule 2: a reset may lose what had not arrived; what was written before any other end does arrive.
Rule 3: who is cut off has died: what it had written arrives, and nobody connects any more.
"""

import asyncio
import errno
import os
from collections.abc import Callable
from random import Random
from socket import SO_LINGER

_USUAL_S = 0.001
_SLOW_S = 0.2
_SLOW = 0.01
"""The share of the pieces that take long."""
_SPLIT = 0.05
"""The share that arrives in two."""

ProtocolFactory = Callable[[], asyncio.BaseProtocol]


class Network:
    """Who listens, and every connection, of one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, random: Random) -> None:
        self.loop = loop
        self.random = random
        self._listening: dict[int, ProtocolFactory] = {}
        self._clients: list[End] = []
        self._is_cut = False

    def listen(self, factory: ProtocolFactory, port: int) -> "Listening":
        """Take connections on a port; 0: a free one."""
        port = port or 4_000 + len(self._listening)
        self._listening[port] = factory
        return Listening(port, lambda: self._listening.pop(port, None))

    async def connect(self, factory: ProtocolFactory, port: int) -> "tuple[End, asyncio.BaseProtocol]":
        """Connect to who listens there. Raises ConnectionRefusedError."""
        await asyncio.sleep(self.transit_s())
        if port not in self._listening or self._is_cut:
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED), f"port {port}")
        here, there = End(self, factory()), End(self, self._listening[port]())
        here.peer, there.peer = there, here
        self._clients.append(here)
        there.protocol.connection_made(there)
        here.protocol.connection_made(here)
        return here, here.protocol

    def cut(self) -> None:
        """Whoever has connected from here is dead."""
        self._is_cut = True
        for client in self._clients:
            client.abort()

    def transit_s(self) -> float:
        """How long something is on its way."""
        longest = _SLOW_S if self.random.random() < _SLOW else _USUAL_S
        return longest * self.random.random()


class Listening:
    """What `create_server` gives."""

    def __init__(self, port: int, close: Callable[[], object]) -> None:
        self.sockets = (Named(port),)
        self._close = close

    def close(self) -> None:
        """Take no connections any more; those that are there stay."""
        self._close()

    async def wait_closed(self) -> None:
        """There is nothing to wait for."""


class Named:
    """What is asked of a socket: its name, and what shall become of it at its end."""

    def __init__(self, port: int) -> None:
        self.lingers = True
        """Not, when it is to end with a reset."""
        self._port = port

    def getsockname(self) -> tuple[str, int]:
        """Host and port."""
        return "127.0.0.1", self._port

    def setsockopt(self, level: int, option: int, value: bytes) -> None:
        """Take in the one option that matters."""
        del level, value
        self.lingers = self.lingers and option != SO_LINGER


class End(asyncio.Transport):
    """One end of a connection."""

    peer: "End"

    def __init__(self, network: Network, protocol: asyncio.BaseProtocol) -> None:
        super().__init__()
        self.protocol = protocol
        self._network = network
        self._socket = Named(0)
        self._is_closing = self._is_lost = self._is_paused = False
        self._arriving = bytearray()
        self._end: BaseException | None = None
        self._has_end = self._is_on_its_way = False

    # what its protocol does

    def get_extra_info(self, name: str, default: object = None) -> object:
        """The socket."""
        return self._socket if name == "socket" else default

    def is_closing(self) -> bool:
        """Whether it has been closed from here, or has ended."""
        return self._is_closing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send."""
        if not self._is_closing:
            self.peer._arrive(bytes(data))  # noqa: SLF001

    def write_eof(self) -> None:
        """Who sends no more does not read any more here: `close` follows."""

    def can_write_eof(self) -> bool:
        """It may be said."""
        return True

    def get_write_buffer_size(self) -> int:
        """Everything is on its way at once."""
        return 0

    def pause_reading(self) -> None:
        """What arrives waits."""
        self._is_paused = True

    def resume_reading(self) -> None:
        """It goes on."""
        self._is_paused = False
        self._send_on()

    def close(self) -> None:
        """End it, after what was written."""
        if not self._is_closing:
            self._leave()
            self.peer._ends(None)  # noqa: SLF001

    def abort(self) -> None:
        """End it at once."""
        if self._socket.lingers or self._is_closing:
            self.close()
            return
        self._leave()
        if self._network.random.random() < 0.5:
            self.peer._arriving.clear()  # noqa: SLF001
        self.peer._ends(ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET)))  # noqa: SLF001

    def _leave(self) -> None:
        self._is_closing = True
        self._arriving.clear()
        self._network.loop.call_soon(self._lose, None)

    # what arrives

    def _arrive(self, data: bytes) -> None:
        if not self._is_closing:
            self._arriving += data
            self._send_on()

    def _ends(self, error: BaseException | None) -> None:
        if not self._has_end:
            self._has_end, self._end = True, error
            self._send_on()

    def _send_on(self) -> None:
        if not self._is_on_its_way and not self._is_paused and (self._arriving or self._has_end):
            self._is_on_its_way = True
            self._network.loop.call_later(self._network.transit_s(), self._deliver)

    def _deliver(self) -> None:
        """One piece, or the end."""
        self._is_on_its_way = False
        if self._is_closing or self._is_paused:
            return
        if self._arriving:
            piece = bytes(self._arriving[: self._length()])
            del self._arriving[: len(piece)]
            assert isinstance(self.protocol, asyncio.Protocol)  # noqa: S101
            self.protocol.data_received(piece)
        elif self._end is not None:
            self._is_closing = True
            self._lose(self._end)
        elif not self._is_lost:
            self._hear_the_end()
            return
        self._send_on()

    def _hear_the_end(self) -> None:
        assert isinstance(self.protocol, asyncio.Protocol)  # noqa: S101
        if not self.protocol.eof_received():
            self.close()

    def _length(self) -> int:
        random, length = self._network.random, len(self._arriving)
        return random.randint(1, length) if random.random() < _SPLIT else length

    def _lose(self, error: BaseException | None) -> None:
        if not self._is_lost:
            self._is_lost = True
            self.protocol.connection_lost(error if isinstance(error, Exception) else None)
