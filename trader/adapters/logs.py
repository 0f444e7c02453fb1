"""The log: one file that reads well under `tail -F` and `grep`, written by a thread of its own.

The line says the host's time, and the market's time where the two differ. Values of variables are never put into
tracebacks: one could be a secret.
"""

import sys
from pathlib import Path

from loguru import logger

from trader.services.ports import Clock

_LINE = "{time:YYYY-MM-DDTHH:mm:ss.SSSZZ} {level: <7} [{extra[market]}] {message}"
_UNPRINTABLE = {code: f"\\x{code:02x}" for code in range(32)} | {127: "\\x7f"}


class LoguruLog:
    """The Log port."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def info(self, message: str) -> None:
        """Say what happened."""
        self._say("INFO", message)

    def warning(self, message: str) -> None:
        """Say what should be looked at."""
        self._say("WARNING", message)

    def error(self, message: str) -> None:
        """Say what is wrong."""
        self._say("ERROR", message)

    def _say(self, level: str, message: str) -> None:
        """One line, whatever it quotes: control characters would forge lines of their own."""
        market = self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        logger.bind(market=market).log(level, "{}", message.translate(_UNPRINTABLE))


def open_log(path: Path, level: str, rotation: str, retention: str, *, on_terminal: bool) -> None:
    """Start writing; the file is the owner's alone."""
    logger.remove()
    logger.configure(extra={"market": "-"})
    path.touch(mode=0o600)
    logger.add(
        path,
        format=_LINE,
        level=level,
        rotation=rotation,
        retention=retention,
        enqueue=True,
        watch=True,
        backtrace=False,
        diagnose=False,
    )
    if on_terminal:
        logger.add(sys.stderr, format=_LINE, level=level, backtrace=False, diagnose=False)


def close_log() -> None:
    """Write what still waits, and end the thread."""
    logger.complete()
    logger.remove()
