"""One daemon per book and account: a second is refused, unless it is asked to take over."""

import os
import re
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from processes.daemon import Project, obeying_modes, wait_for
from trader.adapters.control import ask, socket_path

_NONSENSE = (
    b"",
    b"\n",
    b"{",
    b"[]\n",
    b'{"ask": "dance"}\n',
    b'{"ask": 7}\n',
    b'{"ask": "signal", "symbol": "AAPL", "probability": NaN}\n',
    b'{"ask": "adjust", "operator": "me", "reason": "none", "fill": {"side": "HOLD"}}\n',
    b"x" * 200_000 + b"\n",
    b"\xff\xfe\n",
)


def _publish(project: Project, version: str) -> None:
    """Put another version on the disk while the old one runs."""
    path = project.folder / "trader" / "__init__.py"
    text = path.read_text("utf-8")
    path.write_text(text.replace(text[text.index("__version__ = ") :].strip(), f'__version__ = "{version}"'), "utf-8")


def test_a_second_daemon_is_refused_and_both_versions_are_named(project: Project) -> None:
    _publish(project, "7.0.0")
    first = project.start("--speed", "3000")
    first.until_log("READY")
    _publish(project, "8.0.10")

    second = project.run()

    second.refused(6, f"process {first.pid}", "version 7.0.0", "8.0.10", "DIFFERENT code", "--restart")
    assert first.runs
    assert first.ended(signal.SIGTERM) == 0
    project.check_book()


def test_an_unchanged_program_is_called_the_same_code(project: Project) -> None:
    first = project.start()
    first.until_log("READY")

    project.run().refused(6, "the same code")


def test_another_account_of_the_same_book_may_run_beside_it(project: Project) -> None:
    first = project.start("--speed", "3000")
    first.until_log("READY")

    second = project.start("--speed", "3000", variables={"TRADER_ACCOUNT__NAME": "other", "TRADER_LOG__FILE": "o.log"})
    second.until(lambda: len(project.accounts()) == 2, "executions of both accounts")

    assert second.ended(signal.SIGTERM) == 0
    assert first.ended(signal.SIGTERM) == 0
    project.check_book()


def test_restart_takes_over_in_order(project: Project) -> None:
    first = project.start("--speed", "3000")
    first.until(lambda: project.fills() >= 5, "five executions")
    fills = project.fills()

    second = project.start("--restart", "--speed", "3000")

    assert first.ended() == 0
    assert re.search(r"STOP asked by \S+: restart account=paper\n.* STOPPED", first.log)
    second.until_log("READY")
    second.until(lambda: project.fills() > fills + 5, "more executions")
    assert f"stopping process {first.pid}" in second.err
    assert second.ended(signal.SIGTERM) == 0
    assert project.rows("SELECT count(*) FROM events WHERE type = 'account_opened'") == [(1,)]
    project.check_book()


def test_restart_without_a_running_daemon_just_starts(project: Project) -> None:
    daemon = project.start("--restart", "--speed", "3000")

    daemon.until_log("FILL BUY")


def test_restart_with_a_wrong_configuration_leaves_the_running_one_alone(project: Project) -> None:
    first = project.start("--speed", "3000")
    first.until_log("READY")

    project.run("--restart", "--strategy", "no.such:Strategy").refused(2, "no.such")

    assert first.runs
    assert first.ended(signal.SIGTERM) == 0


def test_restart_ends_a_daemon_whose_socket_is_gone(project: Project) -> None:
    """A cleaner of temporary files may take the socket; the daemon itself is well."""
    first = project.start("--speed", "3000")
    first.until(lambda: project.fills() >= 1, "an execution")
    socket_path(project.db, "paper").unlink()

    second = project.start("--restart", "--speed", "3000")

    assert first.ended() == 0
    second.until_log("READY")


def test_two_accounts_may_make_a_new_book_at_the_same_moment(project: Project) -> None:
    accounts = ("first", "second", "third")
    together = [
        project.start("--speed", "3000", variables={"TRADER_ACCOUNT__NAME": name, "TRADER_LOG__FILE": f"{name}.log"})
        for name in accounts
    ]
    for daemon in together:
        daemon.until(lambda: len(project.accounts()) == len(accounts), "executions of every account")

    assert [daemon.ended(signal.SIGTERM) for daemon in together] == [0, 0, 0]
    project.check_book()


def test_two_starts_at_the_same_moment_leave_one(project: Project) -> None:
    together = [project.start("--speed", "3000") for _ in range(4)]
    wait_for(lambda: sum(daemon.runs for daemon in together) == 1, "that three have ended")
    winner = next(daemon for daemon in together if daemon.runs)

    for daemon in together:
        if daemon is not winner:
            daemon.finished().refused(6, f"process {winner.pid}")
    winner.until_log("FILL BUY")


def test_a_book_reached_by_a_symlink_is_the_same_book(project: Project, tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(project.db)
    first = project.start("--speed", "3000")
    first.until_log("READY")

    second = project.start("--db", str(link), "--log", "second.log")
    second_log = project.folder / "second.log"
    wait_for(lambda: not second.runs or (second_log.exists() and "READY" in second_log.read_text("utf-8")), "a start")

    assert not second.runs
    second.finished().refused(6, f"process {first.pid}")


def test_a_deep_folder_has_its_socket_beside_the_book(project: Project, tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    project.db = deep / "book.db"
    daemon = project.start("--db", str(project.db), "--speed", "3000")
    daemon.until(socket_path(project.db, "paper").exists, "the socket")

    assert socket_path(project.db, "paper").parent == deep
    assert ask(socket_path(project.db, "paper"), {"ask": "status"})["pid"] == daemon.pid
    assert daemon.ended(signal.SIGTERM) == 0
    assert not socket_path(project.db, "paper").exists()


def test_books_of_like_names_have_doors_of_their_own(project: Project) -> None:
    for name in ("book.db", "book.sqlite"):
        daemon = project.start("--db", name, "--log", f"{name}.log")
        daemon.until(socket_path(project.folder / name, "paper").exists, "the socket")

        assert ask(socket_path(project.folder / name, "paper"), {"ask": "status"})["pid"] == daemon.pid


def test_nonsense_at_the_door_harms_nobody(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    daemon = project.start("--speed", "3000")
    door = socket_path(project.db, "paper")
    daemon.until(door.exists, "the socket")
    monkeypatch.chdir(door.parent)  # its whole path is too long for an address

    for line in _NONSENSE:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(door.name)
            with suppress(OSError):  # it may hang up on the longest one
                connection.sendall(line)
                connection.shutdown(socket.SHUT_WR)
                connection.recv(1000)

    assert ask(door, {"ask": "status"})["pid"] == daemon.pid
    assert daemon.err == ""


def test_a_restart_of_another_users_daemon_is_refused_in_words(project: Project) -> None:
    lock = project.folder / "trading_data.db.paper.lock"
    lock.touch()
    lock.chmod(0)

    finished = project.start("--restart", before=obeying_modes()).finished()

    finished.refused(2, lock.name, "owner")


def test_a_user_without_a_name_may_restart(project: Project) -> None:
    """In a container the user's number may be in no passwd file."""
    before = ["env", "-u", "LOGNAME", "-u", "USER", "-u", "LNAME", "-u", "USERNAME"]
    if os.geteuid() == 0:
        before += ["unshare", "--user", "--map-user=54321", "--map-group=54321"]
        if subprocess.run([*before, "true"], capture_output=True, check=False).returncode != 0:
            pytest.skip("cannot become a user without a name here")
    first = project.start("--speed", "3000")
    first.until_log("READY")

    second = project.start("--restart", "--speed", "3000", before=before)

    assert first.ended() == 0
    second.until_log("READY")
