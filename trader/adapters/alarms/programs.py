"""A channel is a program: started for a message, given it on its standard input. It has taken it if it ends with 0.

Rule 1: no shell, and nothing of an alarm on a command line: what an alarm quotes cannot become a command.
Rule 2: it has a deadline. What has not ended by then is killed with everything that it started; nobody waits for it.
Rule 3: secrets go by standard input alone, where no list of processes shows them.
"""

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress

from trader.adapters.started_process import StartedProcess
from trader.domain.alarm import Severity, plain_text
from trader.services.telling import Message, OpenAlarm

_LONGEST_WORD = 300
_LAST_WORDS_S = 0.2
_NOT_FOR_IT = ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "TRADER_ALARMS")
"""How variables begin by which only the daemon speaks to its service manager, and those with the secrets of other
channels: the case of a setting's name does not count."""


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
        environment = {name: value for name, value in os.environ.items() if not name.upper().startswith(_NOT_FOR_IT)}
        try:
            process = await StartedProcess.start(self._command, env=environment)
        except OSError as error:
            return f"{self._command[0]} cannot be started: {error.strerror}"
        code, words = None, _Words()
        try:
            async with asyncio.timeout(self._deadline_s):
                code = await _talk(process, given, words)
        except TimeoutError:
            return f"it has not ended within {self._deadline_s:g} s"
        finally:
            if code is None:
                await process.kill()
            process.close()
        return "" if code == 0 else f"it ended with {code}{_quoted(words.last)}"


class _Words:
    """What a program says; the last of it is kept."""

    def __init__(self) -> None:
        self.last = b""

    async def hear(self, said: asyncio.StreamReader) -> None:
        while chunk := await said.read(4096):
            self.last = (self.last + chunk)[-_LONGEST_WORD:]


async def _talk(process: StartedProcess, given: bytes, words: _Words) -> int:
    """Give it its message, hear it to its end, and give its exit code. What it leaves running is not waited for."""
    async with asyncio.TaskGroup() as group:
        talk = [group.create_task(_give(process, given)), group.create_task(words.hear(process.stderr))]
        code = await process.ended()
        await asyncio.wait(talk, timeout=_LAST_WORDS_S)
        for task in talk:
            task.cancel()
    return code


async def _give(process: StartedProcess, given: bytes) -> None:
    with suppress(ConnectionError):  # one that does not read may still deliver
        process.stdin.write(given)
        await process.stdin.drain()
        process.stdin.close()


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
