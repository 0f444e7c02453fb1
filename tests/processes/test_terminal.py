"""`trader top` and `trader status --watch` beside a daemon that trades, on a terminal of their own and in a pipe."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from processes.daemon import Daemon, Project, wait_for

_ROWS, _COLUMNS = 60, 160
_END_S = 20.0
_SCREEN_BEGINS, _SCREEN_ENDS = "\x1b[?1049h", "\x1b[?1049l"


class OnTerminal:
    """A command on a terminal of its own, and everything that it has written there."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self.process = process
        self._master = master
        self._written = b""

    def shows(self, words: str) -> bool:
        """Whether it has written these words so far."""
        while select.select([self._master], [], [], 0)[0]:
            try:
                self._written += os.read(self._master, 65_536)
            except OSError:  # its end has been closed
                break
        return words in self._written.decode("utf-8", "replace")

    def types(self, keys: str) -> None:
        """As a person does."""
        os.write(self._master, keys.encode())

    def ended(self) -> int:
        """Its exit code."""
        return self.process.wait(_END_S)


@contextmanager
def on_terminal(project: Project, *command: str) -> Iterator[OnTerminal]:
    """`trader COMMAND`, on a terminal of 160 by 60, in the environment of the tests: it has textual."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "trader", *command],
        cwd=project.folder,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(slave, termios.TIOCSCTTY, 0),  # noqa: PLW1509  (Ctrl-C comes by the terminal)
        env={**os.environ, "TERM": "xterm-256color"},
    )
    os.close(slave)
    try:
        yield OnTerminal(process, master)
    finally:
        process.kill()
        process.wait(_END_S)
        os.close(master)


@pytest.fixture
def daemon(project: Project) -> Daemon:
    """It trades, slowly enough to be looked at."""
    started = project.start("--speed", "60")
    started.until(lambda: "Created position" in started.own_log(), "a position", seconds=120)
    return started


def test_status_is_shown_in_its_place_until_ctrl_c(project: Project, daemon: Daemon) -> None:
    with on_terminal(project, "status", "--watch", "--every", "0.3") as seen:
        wait_for(lambda: seen.shows(_SCREEN_BEGINS) and seen.shows("TRADING"), "the status")
        seen.types("\x03")
        assert seen.ended() == 0
        assert seen.shows(_SCREEN_ENDS)
        assert not seen.shows("Traceback")
    assert daemon.runs


def test_status_goes_on_in_a_pipe(project: Project, daemon: Daemon) -> None:
    watching = project.start("-m", "trader", "status", "--short", "--watch", "--every", "0.3", script=project.python)
    wait_for(lambda: watching.out.count("TRADING paper simulated") >= 3, "three lines")
    assert watching.ended(signal.SIGINT) == 0
    assert "\x1b" not in watching.out
    assert watching.err == ""
    daemon.ended(signal.SIGTERM)


def test_status_says_that_the_daemon_ends_while_it_is_watched(project: Project, daemon: Daemon) -> None:
    watching = project.start("-m", "trader", "status", "--short", "--watch", "--every", "0.3", script=project.python)
    wait_for(lambda: "TRADING" in watching.out, "that it trades")
    daemon.ended(signal.SIGKILL)
    wait_for(lambda: "STOPPED paper" in watching.out, "that it does not run")
    assert watching.ended(signal.SIGINT) == 0


def test_top_shows_a_trading_daemon_and_halts_it(project: Project, daemon: Daemon) -> None:
    with on_terminal(project, "top") as seen:
        wait_for(lambda: seen.shows("TRADING") and seen.shows("armed"), "its positions", seconds=60)
        seen.types("h")
        wait_for(lambda: seen.shows("Stop entries"), "the question")
        seen.types("CPI\r")
        wait_for(lambda: project.rows("SELECT reason FROM book_halts WHERE cleared_us IS NULL") == [("CPI",)], "a halt")
        wait_for(lambda: seen.shows("HALTED"), "that it is halted")
        seen.types("q")
        assert seen.ended() == 0
        assert not seen.shows("Traceback")
    assert daemon.runs
