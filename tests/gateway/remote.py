"""A gateway in a process of its own, and the hand that drives it from here."""

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_HOST = "127.0.0.1"
_TESTS = Path(__file__).resolve().parents[1]


class RemoteGateway:
    """A gateway process; it lives inside `async with`. `port` is for clients, `do` for what happens at the broker."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self._turn = asyncio.Lock()
        self.port = 0

    async def __aenter__(self) -> Self:
        path = os.pathsep.join([str(_TESTS), os.environ.get("PYTHONPATH", "")])
        command = (sys.executable, "-m", "gateway", *self._arguments)
        env = {**os.environ, "PYTHONPATH": path}
        self._process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=env)
        assert self._process.stdout is not None
        ports = json.loads(await self._process.stdout.readline())
        self.port = ports["port"]
        self._reader, self._writer = await asyncio.open_connection(_HOST, ports["control"], limit=2**26)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        errors: Sequence[str] = await self.do("errors")
        await self.do("quit")
        self._writer.close()
        await self._process.wait()
        if errors and raised is None:
            raise AssertionError("\n".join(errors))

    async def do(self, command: str, **arguments: object) -> Any:
        """One command of `gateway.control`; its answer, or AssertionError with the reason why not."""
        answer = json.loads(await asyncio.shield(self._exchange({"do": command, **arguments})))
        if "error" in answer:
            raise AssertionError(f"{command}: {answer['error']}")
        return answer["ok"]

    async def _exchange(self, order: dict[str, object]) -> bytes:
        """One line there and one back, whatever becomes of who asked: the next answer must be the next one's."""
        async with self._turn:
            self._writer.write(json.dumps(order).encode() + b"\n")
            return await self._reader.readline()
