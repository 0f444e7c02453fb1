"""The listening socket and the connections of all clients."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from gateway.fault_script import Faults
from gateway.request import Request
from gateway.session import NOBODY, Session

_HOST = "127.0.0.1"


class Connections:
    """Who is there. What is heard goes to `on_request`, who has gone to `on_end`; both are set by the front."""

    def __init__(self, version: int, faults: Faults, clock: Callable[[], datetime]) -> None:
        self._version = version
        self._faults = faults
        self._clock = clock
        self._server: asyncio.Server | None = None
        self._sessions: list[Session] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._happened = asyncio.Event()
        self.on_request: Callable[[Session, Request], None] = lambda _, __: None
        self.on_end: Callable[[Session], None] = lambda _: None
        self.errors: list[str] = []
        """What has broken the protocol, or the gateway itself."""

    @property
    def present(self) -> list[Session]:
        """Clients that have given their id."""
        return [session for session in self._sessions if session.client_id != NOBODY]

    async def start(self, port: int) -> int:
        """Listen on a port (0: a free one); give the port."""
        self._server = await asyncio.start_server(self._serve, _HOST, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and close every connection."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        self.close_all()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if server is not None:
            await server.wait_closed()

    def close_all(self) -> None:
        """Close every connection, and go on listening."""
        for session in list(self._sessions):
            session.outlet.flows.set()
            session.outlet.close()

    async def until(self, is_so: Callable[[], object]) -> None:
        """Wait until something is so; looked at after every request and every end of a connection."""
        while not is_so():
            self._happened.clear()
            await self._happened.wait()

    def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session(reader, writer, self._version, self._faults, self._clock)
        task = asyncio.get_running_loop().create_task(self._converse(session))
        self._tasks.add(task)
        task.add_done_callback(self._note_end)

    def _note_end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()):
            self.errors.append(f"{type(failure).__name__}: {failure}")

    async def _converse(self, session: Session) -> None:
        self._sessions.append(session)
        try:
            await session.greet()
            while True:
                self.on_request(session, await session.next_request())
                self._happened.set()
        except (asyncio.IncompleteReadError, ConnectionError):
            """The client has gone."""
        finally:
            self._sessions.remove(session)
            session.outlet.close()
            self.on_end(session)
            self._happened.set()
