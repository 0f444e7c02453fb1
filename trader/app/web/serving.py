"""Serving the dashboard on this host alone, until it is told to stop."""

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import closing

import uvicorn

from trader.app.settings import Settings
from trader.app.web.application import Dashboard
from trader.app.web.tokens import Tokens
from trader.domain.errors import ConfigurationError

_HOST = "127.0.0.1"
_NICER = 10


class _Server(uvicorn.Server):
    """Lets those go who follow before it waits for them."""

    def __init__(self, config: uvicorn.Config, dashboard: Dashboard) -> None:
        super().__init__(config)
        self._dashboard = dashboard

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._dashboard.end()
        await super().shutdown(sockets)


def serve(
    settings: Settings,
    every: Sequence[Settings],
    tokens: Tokens,
    port: int,
    started: Callable[[int], None],
    *,
    until_told: bool,
) -> None:
    """Serve until SIGTERM or Ctrl-C; as a child also until its parent is gone, which closes what it reads from.

    `started` is told the port. Raises ConfigurationError when that is taken.
    """
    with closing(_listening(port)) as listener:
        taken: int = listener.getsockname()[1]
        dashboard = Dashboard(settings, every, tokens, taken)
        config = uvicorn.Config(
            dashboard.application(),
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            ws="none",
            timeout_graceful_shutdown=3,
        )
        started(taken)
        if until_told:
            os.nice(_NICER)  # the daemon goes first, whoever looks and however many
            threading.Thread(target=_end_with_parent, daemon=True).start()
        asyncio.run(_Server(config, dashboard).serve([listener]))


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


def _listening(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_HOST, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"port {port} of {_HOST} cannot be had: {error.strerror}; name another with --port, 0 for any free one"
        ) from error
    return listener
