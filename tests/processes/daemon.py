"""Starting, watching and ending real daemons. Everything waits with a deadline, and says what it saw when it passes.

daemon = project.start("--speed", "3000")
daemon.until_log("Created position")
assert daemon.ended(signal.SIGTERM) == 0
"""

import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import pytest

_START_S = 30.0
_STOP_S = 20.0
_LOOK_S = 0.05

LOG = "robo_trader.log"
DB = "trading_data.db"


def wait_for(condition: Callable[[], bool], what: str, seconds: float = _START_S) -> None:
    """Look again and again until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(_LOOK_S)


class Finished(NamedTuple):
    """A process that has ended."""

    code: int
    out: str
    err: str

    def refused(self, code: int, *said: str) -> None:
        """Assert an orderly refusal: its exit code, what its message says, and no traceback."""
        assert "Traceback" not in self.err, self.err
        assert self.code == code, self
        for words in said:
            assert words in self.err, self.err


class Daemon:
    """A started START_TRADER.sh: the shell first, then, with the same pid, the daemon."""

    def __init__(self, command: Sequence[str], folder: Path, cwd: Path, environment: dict[str, str], tag: str) -> None:
        self.folder = folder
        self.log_file = folder / LOG
        self._out, self._err = folder.with_name(f"out-{tag}"), folder.with_name(f"err-{tag}")
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(
                command,
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        self.pid = self._process.pid

    @property
    def log(self) -> str:
        """The log so far."""
        return self.log_file.read_text("utf-8") if self.log_file.exists() else ""

    @property
    def err(self) -> str:
        """What was said on standard error so far."""
        return self._err.read_text("utf-8")

    @property
    def out(self) -> str:
        """What was said on standard output so far."""
        return self._out.read_text("utf-8")

    @property
    def runs(self) -> bool:
        """Whether the process lives."""
        return self._process.poll() is None

    def until(self, condition: Callable[[], bool], what: str, seconds: float = _START_S) -> None:
        """Wait for a condition; fails at once when the process ends before it holds."""
        wait_for(lambda: condition() or not self.runs, f"{what}\n{self.err}\n{self.log[-2000:]}", seconds)
        assert condition(), f"ended with {self._process.returncode} before: {what}\n{self.err}\n{self.log[-2000:]}"

    def until_log(self, words: str, times: int = 1) -> None:
        """Wait until this process has logged these words so many times."""
        self.until(lambda: self.own_log().count(words) >= times, f"{words!r} in the log")

    def own_log(self) -> str:
        """The log from this process's first line on."""
        _, found, after = self.log.partition(f" pid={self.pid} ")
        return after if found else ""

    def ended(self, by: signal.Signals | None = None) -> int:
        """Send a signal, or wait for the end as it comes; give the exit code."""
        if by is not None:
            self._process.send_signal(by)
        return self._process.wait(_STOP_S)

    def killed(self) -> None:
        """End at once, with everything that it started."""
        if self.runs:
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(_STOP_S)

    def finished(self, seconds: float = _START_S) -> Finished:
        """Wait for the end as it comes."""
        code = self._process.wait(seconds)
        return Finished(code, self._out.read_text("utf-8"), self.err)


class Project:
    """A copy of the project folder."""

    def __init__(self, folder: Path, venv: Path | None) -> None:
        self.folder = folder
        self.db = folder / DB
        self.python = (venv or folder / ".venv") / "bin" / "python"
        self._venv = venv
        self._started: list[Daemon] = []

    def start(
        self,
        *flags: str,
        script: Path | None = None,
        cwd: Path | None = None,
        before: Sequence[str] = (),
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> Daemon:
        """Start the script; `before` is a command that is put before it, `variables` go into its environment."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TRADER_")}
        environment["TRADER_DASHBOARD__ENABLED"] = "false"
        if self._venv is not None and script != self.python:
            environment["TRADER_VENV"] = str(self._venv)
        command = [*before, str(script or self.folder / "START_TRADER.sh"), *flags]
        tag = f"{len(self._started)}.txt"
        daemon = Daemon(command, self.folder, cwd or self.folder, {**environment, **variables}, tag)
        self._started.append(daemon)
        return daemon

    def run(self, *flags: str, variables: Mapping[str, str] = MappingProxyType({})) -> Finished:
        """Start the script and wait for its end."""
        return self.start(*flags, variables=variables).finished()

    def run_unexamined(self, *flags: str) -> Finished:
        """Start the daemon without the script, and so without the doctor; wait for its end."""
        return self.start("-m", "trader", "run", *flags, script=self.python).finished()

    def end(self) -> None:
        """Kill what still runs."""
        for daemon in self._started:
            daemon.killed()

    def rows(self, query: str, *values: object) -> list[tuple[object, ...]]:
        """Ask the book, as any reader may at any time."""
        with closing(sqlite3.connect(f"{self.db.as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
            return connection.execute(query, values).fetchall()

    def fills(self) -> int:
        """How many executions are in the book; 0 while there is none."""
        if not self.db.exists():
            return 0
        try:
            return int(str(self.rows("SELECT count(*) FROM trades")[0][0]))
        except sqlite3.OperationalError:  # its tables are being made
            return 0

    def accounts(self) -> list[object]:
        """Which accounts have traded."""
        if self.fills() == 0:
            return []
        return [row[0] for row in self.rows("SELECT DISTINCT account FROM trades")]

    def check_book(self) -> None:
        """Assert that the file is sound, and that positions are the sum of the executions, share for share."""
        assert self.rows("PRAGMA integrity_check") == [("ok",)]
        assert self.rows("PRAGMA foreign_key_check") == []
        wrong = self.rows(
            "SELECT p.account, p.symbol, p.quantity, coalesce(sum(iif(t.side = 'BUY', t.quantity, -t.quantity)), 0) "
            "AS traded FROM positions p LEFT JOIN trades t USING (account, symbol) GROUP BY 1, 2 "
            "HAVING p.quantity <> traded"
        )
        assert wrong == []
        held_twice = self.rows(
            "SELECT symbol FROM trades EXCEPT SELECT symbol FROM positions "
            "UNION ALL SELECT execution_id FROM trades GROUP BY account, execution_id HAVING count(*) > 1"
        )
        assert held_twice == []


def obeying_modes() -> list[str]:
    """A command's beginning that takes away root's right to write everywhere; nothing for an ordinary user."""
    if os.geteuid() != 0:
        return []
    without = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    if shutil.which("setpriv") is None or subprocess.run([*without, "true"], check=False).returncode != 0:
        pytest.skip("root may write anywhere, and setpriv cannot take that away here")
    return without
