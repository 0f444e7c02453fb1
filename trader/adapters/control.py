"""The daemon's door for commands: a Unix socket beside the book, for its owner alone. One JSON line each way.

It works when the book is locked or the disk is full: the command goes to the engine's inbox, not through a table.
"""

import asyncio
import hashlib
import json
import os
import socket
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from trader.domain.errors import TraderError

Request = Mapping[str, object]
Answer = dict[str, object]
Handler = Callable[[Request], Awaitable[Answer]]

_LONGEST_PATH = 100  # a socket's path has to fit into 108 bytes
_LONGEST_LINE = 65_536


class DaemonDown(TraderError):
    """No daemon listens."""


class NoAnswer(TraderError):
    """The daemon did not answer in time."""


def socket_path(db: Path, account: str) -> Path:
    """Where the daemon of a book and account listens; a book with a long path gets a short name elsewhere."""
    path = db.resolve().with_suffix(f".{account}.sock")
    if len(str(path).encode()) <= _LONGEST_PATH:
        return path
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"trader-{os.getuid()}-{digest}.sock"


class ControlServer:
    """Answers one request a connection."""

    def __init__(self, path: Path, handler: Handler) -> None:
        self._path = path
        self._handler = handler
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; the run lock guarantees that a socket file that is there is a dead one."""
        self._path.unlink(missing_ok=True)
        mask = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, self._path, limit=_LONGEST_LINE)
        finally:
            os.umask(mask)

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answer = await self._answer(await asyncio.wait_for(reader.readline(), timeout=5))
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        except (OSError, TimeoutError):
            return  # the caller has gone; there is nobody to tell
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> Answer:
        try:
            request = json.loads(line)
        except ValueError:
            return {"ok": False, "error": "not a JSON line"}
        if not isinstance(request, dict):
            return {"ok": False, "error": "not a JSON object"}
        try:
            return {"ok": True, **await self._handler(request)}
        except TraderError as error:
            return {"ok": False, "error": str(error)}


def ask(path: Path, request: Request, timeout_s: float = 10.0) -> Answer:
    """Send one request and wait for its answer. Raises DaemonDown or NoAnswer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        try:
            connection.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise DaemonDown(f"no daemon listens at {path}; start it with ./START_TRADER.sh") from error
        try:
            connection.sendall(json.dumps(dict(request)).encode() + b"\n")
            received = b""
            while not received.endswith(b"\n"):
                chunk = connection.recv(_LONGEST_LINE)
                if not chunk:
                    break
                received += chunk
        except TimeoutError as error:
            raise NoAnswer(f"the daemon did not answer within {timeout_s:g} s; look into its log") from error
    if not received:
        raise NoAnswer("the daemon closed the connection without an answer; look into its log")
    answer: Answer = json.loads(received)
    return answer
