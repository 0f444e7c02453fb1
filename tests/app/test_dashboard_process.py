"""The dashboard as the daemon's child: it comes, is begun anew, gives up what cannot be, and goes with its parent."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
from replayed_book import ReplayedBook, a_replayed_book

from trader.app.dashboard_process import DashboardProcess
from trader.app.settings import load_settings

_PATIENCE_S = 60.0


class Heard:
    """A log that is kept."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, *messages: str) -> None:
        """Keep them."""
        self.lines += messages

    warning = error = info


def a_free_port() -> int:
    """One that nobody listens on at the moment."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> ReplayedBook:
    """The whole day."""
    return a_replayed_book(tmp_path_factory.mktemp("day"))


def child_of(book: ReplayedBook, port: int, log: Heard) -> DashboardProcess:
    """As a daemon of that book has it."""
    dashboard = {"enabled": True, "port": port}
    return DashboardProcess(load_settings(book.config, book={"db": book.db}, dashboard=dashboard), log)


async def until_served(port: int) -> None:
    """Wait until somebody listens."""
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.05)


async def until(condition: Callable[[], bool]) -> None:
    """Look again and again until a condition holds."""
    async with asyncio.timeout(_PATIENCE_S):
        while not condition():  # noqa: ASYNC110  (another process brings it about)
            await asyncio.sleep(0.05)


def children() -> list[psutil.Process]:
    """The dashboards that this process has started."""
    return [child for child in psutil.Process().children() if "dashboard" in child.cmdline()]


async def test_a_dashboard_that_is_killed_is_begun_anew(book: ReplayedBook, tmp_path: Path) -> None:
    log, port = Heard(), a_free_port()
    keeping = asyncio.create_task(child_of(book.copy_to(tmp_path / "own"), port, log).keep())
    try:
        await until_served(port)
        [first] = children()
        os.kill(first.pid, signal.SIGKILL)
        await until(lambda: any("begun anew" in line for line in log.lines))
        await until_served(port)
        assert [child.pid for child in children()] != [first.pid]
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping
    assert not any(word in line for line in log.lines for word in ("login#", "token"))


async def test_the_daemon_goes_first(book: ReplayedBook, tmp_path: Path) -> None:
    port = a_free_port()
    keeping = asyncio.create_task(child_of(book.copy_to(tmp_path / "own"), port, Heard()).keep())
    try:
        await until_served(port)
        [child] = children()
        await until(lambda: child.nice() == psutil.Process().nice() + 10)
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping


async def test_a_taken_port_is_said_once_and_waited_for(book: ReplayedBook, tmp_path: Path) -> None:
    log = Heard()
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        keeping = asyncio.create_task(child_of(book.copy_to(tmp_path / "own"), port, log).keep())
        await until(lambda: any("NO DASHBOARD" in line and "trading goes on" in line for line in log.lines))
        assert not keeping.done()
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping


async def test_a_dashboard_that_cannot_be_started_leaves_the_daemon_alone(
    book: ReplayedBook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Heard()
    monkeypatch.setattr("sys.executable", str(tmp_path / "gone"))
    keeping = asyncio.create_task(child_of(book, a_free_port(), log).keep())
    await until(lambda: any("could not be started" in line for line in log.lines))
    assert not keeping.done()
    keeping.cancel()
    with suppress(asyncio.CancelledError):
        await keeping


async def test_a_dashboard_ends_with_its_daemon(book: ReplayedBook, tmp_path: Path) -> None:
    port = a_free_port()
    keeping = asyncio.create_task(child_of(book.copy_to(tmp_path / "own"), port, Heard()).keep())
    await until_served(port)
    [child] = children()
    keeping.cancel()
    with suppress(asyncio.CancelledError):
        await keeping
    await until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


async def test_a_dashboard_that_is_not_wanted_is_not_started(book: ReplayedBook) -> None:
    settings = load_settings(book.config, book={"db": book.db})
    assert not settings.dashboard.enabled
    await DashboardProcess(settings, Heard()).keep()
    assert children() == []
