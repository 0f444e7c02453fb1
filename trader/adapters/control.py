"""The daemon's door for commands: a Unix socket beside the book, for its owner alone. One JSON line each way.

It works when the book is locked or the disk is full: the command goes to the engine's inbox, not through a table.
"""

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from trader.domain.errors import BookUnwritable, TraderError

Request = Mapping[str, object]
Answer = dict[str, object]
Handler = Callable[[Request], Awaitable[Answer]]

_LONGEST_PATH = 100  # a socket's path has to fit into 108 bytes
_LONGEST_LINE = 65_536
_UNHEARD = "look into its log: a command may have been carried out all the same"


class DaemonDown(TraderError):
    """No daemon listens."""


class NoAnswer(TraderError):
    """The daemon did not answer in time."""


def socket_path(db: Path, account: str) -> Path:
    """Where the daemon of a book and account listens: beside the book."""
    book = db.resolve()
    return book.with_name(f"{book.name}.{account}.sock")


@contextmanager
def _address(path: Path) -> Iterator[str]:
    """The path as the kernel takes it: 108 bytes at most, so that a long one goes by its folder's descriptor."""
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


class ControlServer:
    """Answers one request a connection."""

    def __init__(self, path: Path, handler: Handler) -> None:
        self._path = path
        self._handler = handler
        self._server: asyncio.Server | None = None
        self._held = ExitStack()
        self._made: os.stat_result | None = None

    async def start(self) -> None:
        """Listen; the run lock guarantees that a socket file that is there is a dead one. Raises BookUnwritable."""
        mask = os.umask(0o177)
        try:
            self._path.unlink(missing_ok=True)
            address = self._held.enter_context(_address(self._path))
            self._server = await asyncio.start_unix_server(self._serve, address, limit=_LONGEST_LINE)
            self._made = self._path.lstat()
        except OSError as error:
            raise BookUnwritable(
                f"cannot listen for commands at {self._path}: {error.strerror or error}; the book has to lie in a "
                "folder of a local disk"
            ) from error
        finally:
            os.umask(mask)

    async def keep(self) -> bool:
        """Listen anew when the socket file was removed or replaced. True when it had to be. Raises BookUnwritable."""
        if self._is_there():
            return False
        await self.stop()
        await self.start()
        return True

    async def stop(self) -> None:
        """Stop listening. What lies in the place of our socket file by now is left alone."""
        if self._server is not None:
            self._server.close()
            if self._is_there():
                self._path.unlink(missing_ok=True)
        self._held.close()

    def _is_there(self) -> bool:
        try:
            return self._made is not None and os.path.samestat(self._path.lstat(), self._made)
        except OSError:
            return False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(await self._written_answer(await asyncio.wait_for(_line(reader), timeout=5)))
            await writer.drain()
        except (OSError, TimeoutError):
            return  # the caller has gone; there is nobody to tell
        finally:
            writer.close()

    async def _written_answer(self, line: bytes | None) -> bytes:
        """One line, whatever was asked: what cannot be done harms nobody."""
        try:
            return json.dumps(await self._answer(line)).encode() + b"\n"
        except Exception as error:  # noqa: BLE001  (the door's edge)
            said = f"this cannot be done as it was asked ({type(error).__name__}: {error})"
            return json.dumps({"ok": False, "error": said}).encode() + b"\n"

    async def _answer(self, line: bytes | None) -> Answer:
        if line is None:
            return {"ok": False, "error": f"longer than {_LONGEST_LINE} bytes"}
        try:
            request = json.loads(line)
        except ValueError:
            return {"ok": False, "error": "not a JSON line"}
        except RecursionError:
            return {"ok": False, "error": "not a JSON line of ours: nested too deeply"}
        if not isinstance(request, dict):
            return {"ok": False, "error": "not a JSON object"}
        try:
            return {"ok": True, **await self._handler(request)}
        except (TraderError, ValueError) as error:
            return {"ok": False, "error": str(error)}


async def _line(reader: asyncio.StreamReader) -> bytes | None:
    try:
        return await reader.readline()
    except ValueError:  # longer than the limit
        return None


def ask(path: Path, request: Request, timeout_s: float = 10.0) -> Answer:
    """Send one request and wait for its answer. Raises DaemonDown or NoAnswer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        try:
            with _address(path) as address:
                connection.connect(address)
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise DaemonDown(f"no daemon listens at {path}; start it with ./START_TRADER.sh") from error
        except OSError as error:
            raise DaemonDown(f"cannot reach {path}: {error.strerror or error}; the daemon answers its owner") from error
        try:
            received = _exchange(connection, json.dumps(dict(request)).encode() + b"\n")
        except TimeoutError as error:
            raise NoAnswer(f"the daemon did not answer within {timeout_s:g} s; {_UNHEARD}") from error
        except OSError as error:
            raise NoAnswer(f"the daemon ended the connection ({error.strerror}); {_UNHEARD}") from error
    if not received.endswith(b"\n"):
        raise NoAnswer(f"the daemon closed the connection without an answer; {_UNHEARD}")
    answer: Answer = json.loads(received)
    return answer


def _exchange(connection: socket.socket, line: bytes) -> bytes:
    connection.sendall(line)
    received = b""
    while not received.endswith(b"\n"):
        chunk = connection.recv(_LONGEST_LINE)
        if not chunk:
            break
        received += chunk
    return received
