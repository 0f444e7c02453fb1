"""A process that answers lines with lines, and ends with this one. What else it says, on standard error, is logged."""

import asyncio
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress

from trader.adapters.started_process import StartedProcess
from trader.adapters.strategy_frames import LONGEST_LINE, Nonsense

_GRACE_S = 0.05
"""Where this process was late itself, an answer may lie there unread."""

_CHUNK = 8_192
_CHUNKS_EVERY_S = 0.1
_LINES_OF_A_CHUNK = 10
_LONGEST_WORDS = 300


class Ended(Exception):
    """The process has said its last word."""


class ChildProcess:
    """Of one life."""

    def __init__(self, process: StartedProcess) -> None:
        self._process = process
        self._reading = asyncio.timeout(None)
        self._waits = False
        assert process.stdout is not None  # noqa: S101  (told to the type checker)
        self._asked, self._answers, self._words = process.stdin, process.stdout, process.stderr

    @classmethod
    async def spawn(cls, program: Sequence[str]) -> "ChildProcess":
        """Start it, apart from whoever presses Ctrl-C here. Raises OSError."""
        process = await StartedProcess.start(program, stdout=asyncio.subprocess.PIPE, limit=LONGEST_LINE)
        return cls(process)

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def ask(self, line: bytes) -> None:
        """Write a line, as soon as it reads; never waits."""
        if not self._asked.is_closing():
            self._asked.write(line)

    def expect_by(self, due: float) -> None:
        """Somebody waits in `answer`, and there is a time for it now, of the loop's clock."""
        if self._waits:
            self._reading.reschedule(due)

    async def answer(self, due: float | None) -> bytes:
        """Its next line. Raises TimeoutError when it is not there in time, Ended, and Nonsense."""
        try:
            try:
                self._reading, self._waits = asyncio.timeout_at(due), True
                async with self._reading:
                    return await self._answers.readuntil()
            except TimeoutError:
                async with asyncio.timeout(_GRACE_S):
                    return await self._answers.readuntil()
        except asyncio.IncompleteReadError as error:
            raise Ended from error
        except asyncio.LimitOverrunError as error:
            raise Nonsense(f"its answer is longer than {LONGEST_LINE:,} bytes") from error
        finally:
            self._waits = False

    async def listen(self, say: Callable[[str], None]) -> None:
        """Pass on what it prints, as slowly as it can be read, until it ends."""
        while chunk := await self._words.read(_CHUNK):
            _pass_on(chunk, say)
            await asyncio.sleep(_CHUNKS_EVERY_S)

    async def end(self, say: Callable[[str], None]) -> str:
        """Kill it, with everything that it has started, pass on its last words; give in words how it ended."""
        code = await self._process.kill()
        with suppress(TimeoutError):
            async with asyncio.timeout(_GRACE_S):
                _pass_on(await self._words.read(_CHUNK), say)
        self._process.close()
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _pass_on(chunk: bytes, say: Callable[[str], None]) -> None:
    lines = chunk.decode(errors="replace").splitlines()
    if len(lines) > _LINES_OF_A_CHUNK:
        say(f"({len(lines) - _LINES_OF_A_CHUNK} lines)")
    for line in lines[-_LINES_OF_A_CHUNK:]:
        say(ascii(line)[1:-1][:_LONGEST_WORDS])
