"""What is said to the service manager that has started this process, as systemd's `Type=notify` asks for it.

`sd_notify(3)` is a datagram to the socket that NOTIFY_SOCKET names; nothing else of systemd is needed.
"""

import os
import socket

READY = "READY=1"
STOPPING = "STOPPING=1"
WORKS = "WATCHDOG=1"
"""Has to be said within WatchdogSec, or the service manager ends the process and starts it anew."""


class ServiceManager:
    """Whoever has started us; without one nothing is said."""

    def __init__(self) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address

    def tell(self, state: str) -> None:
        """Say it. One that does not listen, or has no room, has not heard it: the next word may be."""
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as link:
            try:
                link.sendto(state.encode(), self._address)
            except OSError:
                return
