"""The process in which a strategy runs: bars in, answers out, until the daemon ends.

Its standard input and output are the daemon's; the strategy's own are taken away from it: what it prints goes into the
log, what it reads is nothing.
"""

import ctypes
import io
import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO, cast

from trader.adapters.strategy_frames import Frame, line_of, plain_said, read_bars, read_line
from trader.app.strategies import load_strategy
from trader.domain.errors import ConfigurationError
from trader.services.feeding import Feeding

_PR_SET_PDEATHSIG = 1
_FIRST_TO_GO = "500"
"""For the kernel, where memory runs out: this process before the daemon."""


def program() -> tuple[str, ...]:
    """The command that starts this process, with the same modules to be found."""
    code = f"import sys; sys.path[:] = {sys.path!r}; from trader.app.strategy_child import main; main({os.getpid()})"
    return sys.executable, "-c", code


def main(daemon_pid: int) -> None:
    """Live."""
    _end_with(daemon_pid)
    with suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as adjust:
        adjust.write(_FIRST_TO_GO)
    asked, answers = _standard_streams()
    Child(answers).work(asked)


class Child:
    """Does what it is asked, in order."""

    def __init__(self, answers: BinaryIO) -> None:
        self._answers = answers
        self._feeding: Feeding

    def work(self, asked: Iterator[bytes]) -> None:
        """Answer every line, until there are no more."""
        for line in asked:
            frame = read_line(line)
            try:
                answer = self._do(frame)
            except ConfigurationError as error:
                answer = {"fault": str(error)}
            if answer is not None:
                self._answers.write(line_of({"n": frame["n"], **answer}))
                self._answers.flush()

    def _do(self, frame: Frame) -> Frame | None:
        match frame:
            case {"do": "bars", "bars": list(bars)}:
                return {"said": plain_said(self._feeding.feed(read_bars(bars)))}
            case {"do": "warm up", "bars": list(bars)}:
                self._feeding.feed(read_bars(bars))
                return None
            case {"do": "start", "symbols": list(symbols)}:
                self._feeding.start(symbols)
                return {"started": len(symbols)}
            case {"do": "load"}:
                return {"warmup_bars": self._load(frame)}
        return {}

    def _load(self, frame: Frame) -> int:
        limit_bytes = cast("int", frame["memory_bytes"])
        if limit_bytes:
            resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, limit_bytes))
        strategy = load_strategy(str(frame["entry"]), cast("dict[str, object]", frame["params"]))
        self._feeding = Feeding(strategy, str(frame["name"]), cast("int", frame["at_most"]))
        return self._feeding.warmup_bars()


def _end_with(daemon_pid: int) -> None:
    """The kernel ends this process with the daemon, whatever the strategy is doing then."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != daemon_pid:
        os._exit(0)


def _standard_streams() -> tuple[BinaryIO, BinaryIO]:
    """The daemon's, and in their places some that do no harm."""
    asked, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    cast("io.TextIOWrapper", sys.stdout).reconfigure(line_buffering=True)
    return asked, answers
