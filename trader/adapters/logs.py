"""The log: one file that reads well under `tail -F` and `grep`, written by a thread of its own.

The line says the host's time, and the market's time where the two differ. Values of variables are never put into
tracebacks: one could be a secret.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from loguru import logger

from trader.adapters.log_file import LogFile
from trader.services.ports import Clock

if TYPE_CHECKING:
    from loguru import Record

_CONTROLS = (*range(32), *range(127, 160))
_TURNS_OR_BREAKS = (0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
"""Separators of lines, and what turns the direction in which they are read."""
_UNPRINTABLE = {code: f"\\x{code:02x}" for code in _CONTROLS} | {code: f"\\u{code:04x}" for code in _TURNS_OR_BREAKS}
_LONGEST = 4_000
"""Characters of a message. What a broker or a file has said may be of any length."""


class LoguruLog:
    """The Log port. What one step has to say is one record: a record costs as much as twenty lines."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def info(self, *messages: str) -> None:
        """Say what happened."""
        self._say("INFO", messages)

    def warning(self, *messages: str) -> None:
        """Say what should be looked at."""
        self._say("WARNING", messages)

    def error(self, *messages: str) -> None:
        """Say what is wrong."""
        self._say("ERROR", messages)

    def _say(self, level: str, messages: tuple[str, ...]) -> None:
        """Each message one line, whatever it quotes: control characters would forge lines of their own."""
        market = self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        lines = [_printable(message[:_LONGEST]) for message in messages]
        logger.bind(market=market, lines=lines).log(level, "")


def _printable(message: str) -> str:
    """Nearly all are as they come: to look at a character in C costs a fiftieth of looking it up."""
    return message if message.isprintable() else message.translate(_UNPRINTABLE)


def _written(record: "Record") -> str:
    """What a record looks like in the file: every line of it with its own head."""
    host = record["time"].isoformat(timespec="milliseconds")
    extra = record["extra"]
    head = f"{host} {record['level'].name: <7} [{extra['market']}] "
    lines = extra.get("lines") or [record["message"]]
    extra["text"] = "\n".join(f"{head}{_named(line, extra['account'])}" for line in lines)
    return "{extra[text]}\n"


def _named(line: str, account: str) -> str:
    """Whose it is stands in every line, also where nobody thought of it: logs of several accounts are read together."""
    return line if line.endswith((f" account={account}", f" account: {account}")) else f"{line} account={account}"


def open_log(path: Path, account: str, level: str, rotation: str, retention: str, *, on_terminal: bool) -> None:
    """Start writing; the file is the owner's alone. It stays where it is, wherever the process may go."""
    path = path.absolute()
    logger.remove()
    logger.configure(extra={"market": "-", "account": account})
    path.touch(mode=0o600)
    file = LogFile(path, rotation, retention)
    logger.add(file, format=_written, level=level, enqueue=True, backtrace=False, diagnose=False)
    if on_terminal:
        logger.add(sys.stderr, format=_written, level=level, backtrace=False, diagnose=False)


def close_log() -> None:
    """Write what still waits, and end the thread."""
    logger.complete()
    logger.remove()
