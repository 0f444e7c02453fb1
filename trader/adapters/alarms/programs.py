"""A channel is a program: started for a message, given it on its standard input. It has taken it if it ends with 0.

Rule 1: no shell, and nothing of an alarm on a command line: what an alarm quotes cannot become a command.
Rule 2: it has a deadline. What has not ended by then is killed with everything that it started; nobody waits for it.
Rule 3: secrets go by standard input alone, where no list of processes shows them.
"""

import asyncio
import json
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress

from trader.domain.alarm import Severity, plain_text
from trader.services.telling import Message, OpenAlarm

_LONGEST_WORD = 300
_NOT_FOR_IT = ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "TRADER_ALARMS__URLS")
"""Variables by which only the daemon speaks to its service manager, and the secrets of other channels."""


class Program:
    """A command of somebody's, as a channel."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        deadline_s: float,
        least: Severity = Severity.INFO,
        secrets: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.least = least
        self._command = tuple(command)
        self._deadline_s = deadline_s
        self._secrets = secrets or {}

    async def deliver(self, message: Message) -> str:
        """Start it with the message as one line of JSON; give why it has not taken it, or nothing."""
        given = json.dumps({**_as_json(message), **self._secrets}).encode() + b"\n"
        try:
            process = await asyncio.create_subprocess_exec(  # noqa: TID251  (the seam: the host makes the channels)
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                env={name: value for name, value in os.environ.items() if name not in _NOT_FOR_IT},
                start_new_session=True,
            )
        except OSError as error:
            return f"{self._command[0]} cannot be started: {error.strerror}"
        said = None
        try:
            async with asyncio.timeout(self._deadline_s):
                said = await _talk(process, given)
        except TimeoutError:
            return f"it has not ended within {self._deadline_s:g} s"
        finally:
            if said is None:
                await _kill(process)
        return "" if process.returncode == 0 else f"it ended with {process.returncode}{_quoted(said)}"


async def _kill(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


async def _talk(process: asyncio.subprocess.Process, given: bytes) -> bytes:
    """Give it its message, hear it to its end; the last of what it says is kept."""
    assert process.stdin is not None  # noqa: S101  (told to the type checker)
    assert process.stderr is not None  # noqa: S101
    with suppress(ConnectionError):  # one that does not read may still deliver
        process.stdin.write(given)
        await process.stdin.drain()
        process.stdin.close()
    said = b""
    while chunk := await process.stderr.read(4096):
        said = (said + chunk)[-_LONGEST_WORD:]
    await process.wait()
    return said


def _quoted(said: bytes) -> str:
    text = plain_text(said.decode(errors="replace").strip())
    return f": {text}" if text else ""


def _as_json(message: Message) -> dict[str, object]:
    return {
        "account": message.account,
        "severity": message.severity,
        "title": message.title,
        "body": message.body,
        "alarms": [_alarm(one) for one in message.alarms],
    }


def _alarm(one: OpenAlarm) -> dict[str, object]:
    return {
        "id": one.id,
        "type": one.alarm.type,
        "severity": one.alarm.severity,
        "subject": one.alarm.subject,
        "text": one.alarm.text,
        "count": one.occurrences,
        "first_at": one.first_at.isoformat(),
        "last_at": one.alarm.at.isoformat(),
    }
