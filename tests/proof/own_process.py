"""A daemon as a process of its own, killed by SIGKILL while the gateway lives on in the test's process."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from proof.clock import LoopClock
from proof.daemon_process import UNREACHABLE
from proof.in_process import START_AGAIN_S, STARTS
from proof.rig import NAME, Given
from trader.adapters.control import Answer, DaemonDown, NoAnswer, Request, ask, socket_path

_ROOT = Path(__file__).resolve().parents[2]
_READY_S = 400.0
_LOOK_S = 1.0
_ENDS_S = 20.0
"""Real seconds."""


class ProcessDaemon:
    """See `proof.rig.Daemon`."""

    def __init__(self, folder: Path) -> None:
        self.dead = 0
        self.command: Sequence[str] = ("proof.daemon_process",)
        """A module and its first arguments: the daemon as it is, or one with something in its way."""
        self.ended: list[str] = []
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._is_ready = False
        self._origin = ""

    def by(self, clock: LoopClock) -> None:
        """Its wall's time."""
        self._origin = clock.origin.isoformat()

    @property
    def log(self) -> list[str]:
        """What all lives have said."""
        path = self._folder / "trader.log"
        return path.read_text("utf-8").splitlines() if path.exists() else []

    @property
    def is_alive(self) -> bool:
        """Whether it runs, recovered."""
        return self._is_ready and self._process is not None and self._process.poll() is None

    async def start(self, given: Given) -> None:
        """Start it; where the gateway cannot be reached, again and again."""
        for _ in range(STARTS):
            code = await self._ended_starting(given)
            if code is None:
                self._is_ready = True
                return
            if code == -signal.SIGKILL:
                self.dead += 1
                return
            assert code == UNREACHABLE, f"the daemon has ended with {code}"
            await asyncio.sleep(START_AGAIN_S)
        raise AssertionError(f"the daemon did not start, {STARTS} times")

    async def _ended_starting(self, given: Given) -> int | None:
        """Begin; the exit code of one that has ended before it could answer."""
        process = self._process = self._begin(given)
        for _ in range(int(_READY_S / _LOOK_S)):
            if process.poll() is not None or await self.ask({"ask": "status"}) is not None:
                break
            await asyncio.sleep(_LOOK_S)
        return process.poll()

    async def stop(self) -> None:
        """Stop it in order."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            await self._end(self._process)

    def kill(self) -> None:
        """SIGKILL, unless it has died of one already where it was told to."""
        if self._process is not None and self._process.poll() in (None, -signal.SIGKILL):
            self._process.kill()
            self.dead += 1
            self._is_ready = False

    def suspend(self, seconds: float) -> None:
        """SIGSTOP, and SIGCONT so much later; the gateway and its market go on meanwhile."""
        process = self._process
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGSTOP)
            asyncio.get_running_loop().call_later(seconds, process.send_signal, signal.SIGCONT)

    async def is_buried(self) -> None:
        """Wait for its end."""
        if self._process is not None and not self._is_ready:
            await self._end(self._process)

    async def ask(self, request: Request) -> Answer | None:
        """By its socket."""
        path = socket_path(self._folder / "book.db", NAME)
        try:
            answer = await asyncio.get_running_loop().run_in_executor(None, ask, path, request)
        except (DaemonDown, NoAnswer):
            return None
        return answer if answer["ok"] else None

    def _begin(self, given: Given) -> subprocess.Popen[bytes]:
        if self._is_ready and self._process is not None:
            self.ended.append(f"with {self._process.wait()}")
        self._is_ready = False
        with (self._folder / "errors").open("ab") as errors:
            return subprocess.Popen(
                [sys.executable, "-m", *self.command, json.dumps(given), self._origin],
                cwd=_ROOT,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(map(str, (_ROOT, _ROOT / "tests", _ROOT / "scripts"))),
                },
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
            )

    async def _end(self, process: subprocess.Popen[bytes]) -> None:
        self._is_ready = False
        await asyncio.get_running_loop().run_in_executor(None, process.wait, _ENDS_S)
