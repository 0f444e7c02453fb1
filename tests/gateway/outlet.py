"""The way out to one client: bytes, and what a fault may do to them."""

import asyncio
import socket
import struct

_NO_LINGER = struct.pack("ii", 1, 0)


class SocketOutlet:
    """One socket, as `gateway.faults.Outlet` wants it."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._waiting: list[tuple[int, bytes]] = []
        self._held: list[bytes] = []
        self.flows = asyncio.Event()
        """Set while nothing is stalled."""
        self.flows.set()

    def write(self, data: bytes) -> None:
        """Send now, and after it what has waited for this many messages."""
        if not self.flows.is_set():
            self._held.append(data)
            return
        self._send(data)
        self._waiting = [(left - 1, late) for left, late in self._waiting]
        due = [late for left, late in self._waiting if left <= 0]
        self._waiting = [(left, late) for left, late in self._waiting if left > 0]
        for late in due:
            self._send(late)

    def write_later(self, data: bytes, delay_s: float) -> None:
        """Send in so many seconds."""
        asyncio.get_running_loop().call_later(delay_s, self.write, data)

    def write_after(self, data: bytes, messages: int) -> None:
        """Send after so many others."""
        self._waiting.append((messages, data))

    def hold(self, data: bytes) -> None:
        """Keep back."""
        self._held.append(data)

    def stall(self) -> None:
        """Neither send nor read any more; the connection stays."""
        self.flows.clear()

    def release(self) -> None:
        """Go on, with all that was kept back."""
        self.flows.set()
        held, self._held = self._held, []
        for data in held:
            self.write(data)

    @property
    def is_closed(self) -> bool:
        """Whether the connection has been ended from here."""
        return self._writer.is_closing()

    def close(self) -> None:
        """End the connection in good order, after what has been written."""
        self._writer.close()

    def reset(self) -> None:
        """End the connection with a reset."""
        raw: socket.socket = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._writer.transport.abort()

    def _send(self, data: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(data)
