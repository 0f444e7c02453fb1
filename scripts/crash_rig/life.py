"""One life of the daemon: forked from a process that has imported everything, watched, and killed."""

import os
import signal
import time
from collections.abc import Callable
from enum import StrEnum
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import NamedTuple

from crash_rig.daemon_process import Armed, Died, Plan, Ready, be_the_daemon
from trader.app.settings import Settings

_READY_S = 20.0
_LONGEST_S = 0.7
"""How long a life may go on that should end at a point, and does not come to it."""
_STOPS_S = 20.0


class End(StrEnum):
    """How a life ended."""

    AT_POINT = "at a failpoint, running"
    IN_RECOVERY = "at a failpoint, starting"
    AT_A_TIME = "at a random time"
    POINT_NOT_REACHED = "at its time, its failpoint not reached"
    IN_ORDER = "stopped in order"
    BY_ITSELF = "ended by itself"

    @property
    def is_crash(self) -> bool:
        """Whether it was killed."""
        return self not in (End.IN_ORDER, End.BY_ITSELF)


class Lived(NamedTuple):
    """What is known of a life that is over."""

    end: End
    names: tuple[str, ...] = ()
    """Every name of the failpoint at which it ended."""
    ready_after_s: float | None = None
    """From the start to the open gate, where it came that far."""
    faults: tuple[str, ...] = ()


class Life:
    """A daemon's process, seen by the rig."""

    def __init__(
        self,
        settings: Settings,
        address: Path,
        plan: Plan,
        plant: Callable[[], None],
        judge: Callable[[Ready], list[str]],
    ) -> None:
        """Start it. `judge` compares book and broker at the moment when it has recovered, while everything stands."""
        self._plan = plan
        self._judge = judge
        self._rig, theirs = Pipe()
        self._started = time.monotonic()
        self._ready_after_s: float | None = None
        self._died: Died | None = None
        self._is_ready = False
        self._faults: list[str] = []
        self._pid = os.fork()
        if self._pid == 0:
            self._rig.close()
            be_the_daemon(settings, address, plan, plant, theirs)
        theirs.close()

    def watch(self) -> Lived:
        """See it to the end that was planned for it."""
        ended = self._listen(self._plan.after_s or _READY_S, until_ready=not self._plan.after_s)
        if not ended and self._is_ready and not self._plan.start_step and not self._plan.after_s:
            ended = self._listen(_LONGEST_S)
        if not ended:
            return self._ended(signal.SIGKILL)
        return self._ended(None)

    def until_ready(self) -> bool:
        """Wait for the end of its recovery. False when it has ended before."""
        return not self._listen(_READY_S, until_ready=True) and self._is_ready

    def stopped(self) -> Lived:
        """Stop it in order."""
        os.kill(self._pid, signal.SIGTERM)
        if not self._listen(_STOPS_S):
            self._faults.append(f"did not stop within {_STOPS_S:g} s")
            return self._ended(signal.SIGKILL)
        return self._ended(None)

    def _listen(self, seconds: float, *, until_ready: bool = False) -> bool:
        """Hear what it says for some time. True when it has ended."""
        deadline = time.monotonic() + seconds
        while self._rig.poll(max(0.0, deadline - time.monotonic())):
            try:
                self._hear(self._rig)
            except (EOFError, ConnectionResetError):
                return True
            if until_ready and self._is_ready:
                return False
        return False

    def _hear(self, rig: Connection) -> None:
        said: Ready | Armed | Died = rig.recv()
        if isinstance(said, Ready):
            self._is_ready = True
            if said.is_open:
                self._ready_after_s = time.monotonic() - self._started
            self._faults += self._judge(said)
            rig.send(None)
        elif isinstance(said, Armed):
            self._faults += [f"{symbol} is held and its exits are not watched: {why}" for symbol, why in said.unarmed]
        else:
            self._died = said

    def _ended(self, by: signal.Signals | None) -> Lived:
        if by is not None:
            os.kill(self._pid, by)
            self._listen(_READY_S)
        _, status = os.waitpid(self._pid, 0)
        self._rig.close()
        return Lived(
            self._how(status), self._died.names if self._died else (), self._ready_after_s, tuple(self._faults)
        )

    def _how(self, status: int) -> End:
        if self._died is not None:
            return End.AT_POINT if self._is_ready else End.IN_RECOVERY
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            return End.AT_A_TIME if self._plan.after_s else End.POINT_NOT_REACHED
        return End.IN_ORDER if status == 0 else End.BY_ITSELF
