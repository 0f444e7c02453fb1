"""The broker's process: one socket for whichever daemon lives, one pipe for the rig.

Rule 1: what the daemon has sent counts, also what it sent in the moment before it died.
Rule 2: a report goes to the daemon that is connected. With none, or when it dies before the report has come, nobody
hears of it: only the next answer tells.
"""

import os
import signal
import socket
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from random import Random
from typing import NamedTuple

from crash_rig.messages import Answer, Ask, Cancel, Match, Matched, Mischief, Place, Report, Snapshot
from crash_rig.truth import Truth
from trader.domain.events import BrokerEvent, OrderAccepted
from trader.domain.rules import Costs

_GONE = (EOFError, ConnectionResetError, BrokenPipeError)


class _Held(NamedTuple):
    """A report that the daemon will hear some bars later."""

    bars: int
    event: BrokerEvent


class BrokerProcess:
    """The rig's side of it."""

    def __init__(self, address: Path, costs: Costs, account: str) -> None:
        """Fork it; it listens when this returns."""
        self.address = address
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(address))
        listener.listen()
        self._rig, theirs = Pipe()
        self._pid = os.fork()
        if self._pid == 0:
            self._rig.close()
            _serve(listener, theirs, costs, account)
        listener.close()
        theirs.close()

    def behave(self, mischief: Mischief) -> None:
        """Tell it how to be during the next life."""
        self._rig.send(mischief)

    def snapshot(self) -> Snapshot:
        """Everything it knows. When the daemon is dead: after all that the daemon had sent."""
        self._rig.send(None)
        known: Snapshot = self._rig.recv()
        return known

    def end(self) -> None:
        """End it, and with it a daemon that still lives."""
        os.kill(self._pid, signal.SIGKILL)
        self._rig.close()
        os.waitpid(self._pid, 0)


def _serve(listener: socket.socket, rig: Connection, costs: Costs, account: str) -> None:
    """The whole life of the process."""
    code = 1
    try:
        _Desk(listener, rig, costs, account).serve()
        code = 0
    except BaseException:  # noqa: BLE001  (the process's edge; the rig sees that the broker has gone)
        traceback.print_exc()
    finally:
        os._exit(code)


class _Desk:
    """Serves one daemon after another."""

    def __init__(self, listener: socket.socket, rig: Connection, costs: Costs, account: str) -> None:
        self._listener = listener
        self._rig = rig
        self._daemon: Connection | None = None
        self._truth = Truth(costs, account, self._say)
        self._held: list[_Held] = []
        self._random = Random("")
        self._is_slow = False

    def serve(self) -> None:
        """Until the rig is gone."""
        while True:
            ready = wait([self._listener, *([self._daemon] if self._daemon else []), self._rig])
            if self._daemon in ready:
                self._listen()
            elif self._listener in ready:
                self._daemon = Connection(self._listener.accept()[0].detach())
                self._truth.begin_life()
            elif not self._obey():
                return

    def _obey(self) -> bool:
        """What the rig wants, when nothing of the daemon's waits any more. False when the rig is gone."""
        try:
            asked: Mischief | None = self._rig.recv()
        except EOFError:
            return False
        if asked is None:
            self._rig.send(self._truth.snapshot())
            return True
        self._is_slow = asked.is_slow
        self._random = Random(asked.seed)
        self._truth.behave(asked)
        return True

    def _listen(self) -> None:
        assert self._daemon is not None  # noqa: S101  (told to the type checker)
        try:
            said: Place | Cancel | Match | Ask = self._daemon.recv()
        except _GONE:
            self._daemon.close()
            self._daemon = None
            self._held.clear()
            return
        if isinstance(said, Place):
            self._truth.place(said.order)
        elif isinstance(said, Cancel):
            self._truth.cancel(said.order_ref)
        elif isinstance(said, Match):
            self._match(said)
        else:
            self._send(Answer(said.number, self._truth.evidence(said.order_refs)))

    def _match(self, said: Match) -> None:
        held, self._held = self._held, []
        for report in held:
            if report.bars:
                self._held.append(report._replace(bars=report.bars - 1))
            else:
                self._send(Report(report.event))
        self._truth.match(said.bar_time)
        self._send(Matched())

    def _say(self, event: BrokerEvent) -> None:
        """A report on its way: at once; or, being slow, later, twice, or, of an acknowledgement, never."""
        luck = self._random.random() if self._is_slow else 1.0
        if luck < 0.1 and isinstance(event, OrderAccepted):
            return
        if luck < 0.3:
            self._held.append(_Held(self._random.randrange(4), event))
        if luck < 0.2 or luck >= 0.3:
            self._send(Report(event))

    def _send(self, message: Report | Matched | Answer) -> None:
        if self._daemon is not None:
            with suppress(*_GONE):
                self._daemon.send(message)
