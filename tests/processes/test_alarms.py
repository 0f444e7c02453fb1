"""Alarms arrive: over a network that comes back, past a kill, and when the daemon itself is what is wrong."""

import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from listening import a_server

from processes.daemon import Daemon, Finished, Project

_SLOW = ("--speed", "0.001")
"""The market stands still."""


def hook(project: Project, *lines: str) -> dict[str, str]:
    """The variables of a configuration whose alarms go to a command."""
    path = project.folder / "hook"
    path.write_text("\n".join(("#!/bin/sh", *lines, "")), "utf-8")
    path.chmod(0o700)
    return {"TRADER_ALARMS__COMMAND": json.dumps([str(path)])}


def trader(project: Project, *command: str, variables: Mapping[str, str] | None = None) -> Finished:
    """A command beside the daemon."""
    return project.start("-m", "trader", *command, script=project.python, variables=variables or {}).finished(60)


def untold(project: Project) -> list[tuple[object, ...]]:
    return project.rows("SELECT type FROM alarms WHERE told IS NULL ORDER BY id")


def test_a_dead_network_loses_nothing(project: Project) -> None:
    with a_server() as gone:
        port = gone.server_port
    addresses = project.folder / ".alarms"
    addresses.write_text(f"phone = json://user:hush@127.0.0.1:{port}/\n", "utf-8")
    addresses.chmod(0o600)
    variables = {"TRADER_ALARMS__URLS_FILE": ".alarms", "TRADER_ALARMS__TYPES": '{"started": "on"}'}

    daemon = project.start(*_SLOW, variables=variables)
    daemon.until_log("ALARMS NOT DELIVERED by phone")
    assert untold(project) == [("started",)]
    daemon.killed()
    again = project.start(*_SLOW, variables=variables)
    again.until_log("ALARMS NOT DELIVERED by phone")
    with a_server(port) as server:
        again.until(lambda: len(server.posts) > 0, "the message", 60)
        again.until_log("ALARMS DELIVERED by phone")
    assert [post["title"] for post in server.posts] == ["[INFO] trader paper: STARTED"]
    assert untold(project) == []
    assert again.ended(signal.SIGTERM) == 0
    assert "hush" not in again.log


def test_an_alarm_is_told_although_its_daemon_was_killed_before(project: Project) -> None:
    stuck = hook(project, "touch begun", "sleep 60")
    types = {"TRADER_ALARMS__TYPES": '{"started": "on"}'}
    daemon = project.start(*_SLOW, variables={**stuck, **types})
    daemon.until((project.folder / "begun").exists, "the hook")
    daemon.killed()
    assert untold(project) == [("started",)]

    works = hook(project, "cat >> got")
    again = project.start(*_SLOW, variables={**works, **types})
    again.until(lambda: untold(project) == [], "the delivery")
    assert again.ended(signal.SIGTERM) == 0
    assert [json.loads(line)["title"] for line in (project.folder / "got").read_text("utf-8").splitlines()] == [
        "[INFO] trader paper: STARTED"
    ]


def test_a_channel_that_hangs_holds_up_neither_exits_nor_the_stop(project: Project) -> None:
    variables = {**hook(project, "touch begun", "sleep 600"), "TRADER_ALARMS__TYPES": '{"started": "on"}'}
    daemon = project.start("--speed", "3000", variables=variables)
    daemon.until((project.folder / "begun").exists, "the hook")
    fills = project.fills()
    daemon.until(lambda: project.fills() >= fills + 20, "twenty executions")
    assert daemon.ended(signal.SIGTERM) == 0
    project.check_book()


def test_a_test_goes_the_whole_way(project: Project) -> None:
    variables = hook(project, "cat >> got")
    daemon = project.start(*_SLOW, variables=variables)
    daemon.until_log("READY")
    answer = trader(project, "alerts", "test", variables=variables)
    assert (answer.code, answer.out) == (0, "channel\tanswer\ncommand\tdelivered\n"), answer
    assert project.rows("SELECT type, told FROM alarms WHERE type = 'test'") == [("test", "command")]
    acknowledged = trader(project, "alerts", "ack", "--all")
    assert acknowledged.code == 0, acknowledged
    assert trader(project, "alerts").out.count("\n") == 1
    assert daemon.ended(signal.SIGTERM) == 0


# the service manager

_SABOTAGE = """
import asyncio, os, sys

from trader.adapters.sqlite.store import SqliteStore
from trader.app.cli import main
from trader.services.exit_scanner import ExitScanner

commit, scan = SqliteStore.commit, ExitScanner.scan


async def hanging_commit(self, rows):
    if os.path.exists("hang-commit"):
        await asyncio.Event().wait()
    return await commit(self, rows)


def skipped_scan(self, *of):
    if not os.path.exists("hang-scan"):
        scan(self, *of)


SqliteStore.commit, ExitScanner.scan = hanging_commit, skipped_scan
main()
"""


@contextmanager
def a_manager(folder: Path) -> Iterator[socket.socket]:
    """The service manager's end: a real datagram socket."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
        manager.bind(str(folder / "n"))
        manager.settimeout(20)
        yield manager


def _sabotaged(project: Project, manager: socket.socket) -> Daemon:
    (project.folder / "sabotage.py").write_text(_SABOTAGE, "utf-8")
    variables = {"NOTIFY_SOCKET": manager.getsockname()}
    daemon = project.start("sabotage.py", "run", "--speed", "600", script=project.python, variables=variables)
    assert manager.recv(100) == b"READY=1"
    return daemon


def test_the_watchdog_is_fed_while_the_daemon_works_and_told_of_its_end(project: Project, tmp_path: Path) -> None:
    with a_manager(tmp_path) as manager:
        daemon = _sabotaged(project, manager)
        assert [manager.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        assert daemon.ended(signal.SIGTERM) == 0
        said = [manager.recv(100)]
        while said[-1] == b"WATCHDOG=1":
            said.append(manager.recv(100))
        assert said[-1] == b"STOPPING=1"


def starves(manager: socket.socket) -> bool:
    """Whether there comes a time of five seconds without a word; what was on its way is heard first."""
    manager.settimeout(5)
    try:
        return not [manager.recv(100) for _ in range(20)]
    except TimeoutError:
        return True


@pytest.mark.parametrize("hanging", ["hang-commit", "hang-scan"])
def test_the_watchdog_starves_when_the_work_stops_though_the_loop_goes_on(
    project: Project, tmp_path: Path, hanging: str
) -> None:
    with a_manager(tmp_path) as manager:
        daemon = _sabotaged(project, manager)
        daemon.until(lambda: project.fills() > 0, "an execution")
        assert manager.recv(100) == b"WATCHDOG=1"
        (project.folder / hanging).touch()
        assert starves(manager)
        status = json.loads(trader(project, "status", "--json").out)
        assert status["daemon"]["running"]  # the loop answers, and a timer would tick
        daemon.killed()


# the dead man's watch


def watching(project: Project) -> Daemon:
    variables = hook(project, "cat >> got")
    return project.start(
        "-m", "trader", "watch", "--every", "0.3", "--patience", "1", script=project.python, variables=variables
    )


def paged(project: Project) -> list[tuple[str, str]]:
    """Title and body of each page."""
    path = project.folder / "got"
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return [(page["title"], page["body"]) for page in map(json.loads, lines)]


def holding(project: Project) -> Daemon:
    """A daemon that holds something, on a market that then stands still: it holds it for as long as it is let."""
    fast = project.start("--speed", "3000")
    held = "SELECT 1 FROM positions WHERE quantity > 0"
    fast.until(lambda: project.fills() > 0 and project.rows(held) != [], "a position")
    assert fast.ended(signal.SIGTERM) == 0
    slow = project.start(*_SLOW)
    slow.until_log("READY")
    assert project.rows(held) != []
    return slow


def test_the_watch_pages_when_the_daemon_is_stopped_or_killed_and_when_it_works_again(project: Project) -> None:
    daemon = holding(project)
    watch = watching(project)
    os.kill(daemon.pid, signal.SIGSTOP)
    watch.until(lambda: len(paged(project)) == 1, "a page of the silent daemon")
    os.kill(daemon.pid, signal.SIGCONT)
    watch.until(lambda: any("WORKS AGAIN daemon" in title for title, _ in paged(project)), "the all-clear")
    daemon.killed()
    watch.until(lambda: "no daemon runs" in paged(project)[-1][1], "a page of the dead daemon")
    titles = [title for title, _ in paged(project) if "daemon" in title]
    assert titles[0] == titles[-1] == "[CRITICAL] trader paper: WORK STOPPED daemon"
    assert "the daemon does not answer" in paged(project)[0][1]
    assert " held" in paged(project)[-1][1]
    assert watch.ended(signal.SIGTERM) == 0
    once = trader(project, "watch", "--once")
    assert once.code == 7
    assert "no daemon runs" in once.out


def test_the_watch_pages_when_the_work_stops_in_a_daemon_that_answers(project: Project, tmp_path: Path) -> None:
    with a_manager(tmp_path) as manager:
        daemon = _sabotaged(project, manager)
        watch = watching(project)
        (project.folder / "hang-scan").touch()
        watch.until(lambda: len(paged(project)) > 0, "a page", 60)
        assert paged(project)[0][0] == "[CRITICAL] trader paper: WORK STOPPED scan"
        daemon.killed()


def test_the_watch_needs_somebody_to_page(project: Project) -> None:
    trader(project, "watch").refused(2, "nobody would be told")


def test_the_units_of_systemd_are_right(project: Project, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed here")
    for unit in (project.folder / "config" / "systemd").glob("*.service"):
        here = unit.read_text("utf-8").replace("%h/trader/.venv/bin/python", "/bin/true")
        here = here.replace("%h/trader", str(project.folder))
        (tmp_path / unit.name).write_text(here, "utf-8")
    units = sorted(str(path) for path in tmp_path.glob("*.service"))
    answer = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert len(units) == 2
    assert (answer.returncode, answer.stderr) == (0, "")
