"""A process that was started here. It has ended when it has, whoever else still holds its pipes.

asyncio's own `wait` may wait for the pipes as well, and what has left the group of a process keeps them open for as
long as it lives: a connection of ssh that is kept for the next one, a program that has become a daemon.
"""

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process, SubprocessStreamProtocol
from collections.abc import Mapping, Sequence
from contextlib import suppress

_LIMIT = 2**16
"""Bytes that are read ahead, unless it is said otherwise."""


class _Streams(SubprocessStreamProtocol):
    """Its pipes as streams, and its end."""

    def __init__(self, limit: int, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=limit, loop=loop)
        self.ended = loop.create_future()

    def process_exited(self) -> None:
        """It has."""
        super().process_exited()
        self.ended.set_result(None)


class StartedProcess:
    """In a session of its own, apart from whoever presses Ctrl-C here."""

    def __init__(self, transport: asyncio.SubprocessTransport, streams: _Streams, process: Process) -> None:
        self._transport = transport
        self._streams = streams
        assert process.stdin is not None  # noqa: S101  (told to the type checker)
        assert process.stderr is not None  # noqa: S101
        self.pid = process.pid
        self.stdin, self.stdout, self.stderr = process.stdin, process.stdout, process.stderr

    @classmethod
    async def start(
        cls, program: Sequence[str], *, stdout: int = DEVNULL, limit: int = _LIMIT, env: Mapping[str, str] | None = None
    ) -> "StartedProcess":
        """Start it, without a shell. Raises OSError."""
        loop = asyncio.get_running_loop()
        transport, streams = await loop.subprocess_exec(
            lambda: _Streams(limit, loop),
            *program,
            stdin=PIPE,
            stdout=stdout,
            stderr=PIPE,
            env=env,
            start_new_session=True,
        )
        return cls(transport, streams, Process(transport, streams, loop))

    async def ended(self) -> int:
        """Wait for its end; give its exit code, or the signal below zero."""
        await asyncio.shield(self._streams.ended)
        code = self._transport.get_returncode()
        assert code is not None  # noqa: S101  (told to the type checker)
        return code

    async def kill(self) -> int:
        """End it, with everything of its group; give its exit code, or the signal below zero."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        return await self.ended()

    def close(self) -> None:
        """Let go of its pipes."""
        self._transport.close()
