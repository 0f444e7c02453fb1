"""The daemon's files are removed, replaced or put to another use: that is said, and nothing is traded on nothing."""

import os
import signal
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from processes.daemon import Daemon, Finished, Project
from trader.adapters.control import ask, socket_path
from trader.adapters.run_lock import Holder, RunLock, lock_path, running_daemon

_GOOD = '{{"id": "{0}", "symbol": "AAPL", "probability": 0.99}}\n'
_MINUTES = "timestamp,open,high,low,close,volume\n" + "".join(
    f"2025-06-24T14:{minute:02d}:00Z,100,101,99,100,10\n" for minute in range(60)
)


def _with_inbox(project: Project, name: str = "signals.jsonl") -> Path:
    """Follow a file of signals, and have no others."""
    config = project.folder / "config" / "default.toml"
    config.write_text(config.read_text("utf-8").replace('inbox = ""', f'inbox = "{name}"'), "utf-8")
    return project.folder / name


def _strategy(project: Project, text: str) -> str:
    """A strategy of the user's own, in the folder that he starts from."""
    (project.folder / "own.py").write_text(text, "utf-8")
    return "own:Own"


def _trader(project: Project, *arguments: str) -> Finished:
    return project.start("-m", "trader", *arguments, script=project.python).finished()


def _ready(project: Project, *flags: str) -> Daemon:
    daemon = project.start("--speed", "3000", *flags)
    daemon.until(socket_path(project.db, "paper").exists, "the socket")
    return daemon


def _takes_a_signal(daemon: Daemon, project: Project, inbox: Path, identity: str) -> None:
    with inbox.open("a", encoding="utf-8") as lines:
        lines.write(_GOOD.format(identity))
    daemon.until(lambda: project.rows("SELECT 1 FROM signals WHERE id = ?", identity) != [], f"the signal {identity}")


def test_a_line_that_no_float_can_hold_is_refused_and_the_next_is_taken(project: Project) -> None:
    inbox = _with_inbox(project)
    daemon = _ready(project)
    with inbox.open("a", encoding="utf-8") as lines:
        lines.write(f'{{"id": "a", "symbol": "QQQ", "probability": 1{"0" * 400}}}\n')
    daemon.until_log("INBOX LINE 1 REFUSED: probability is too large")

    _takes_a_signal(daemon, project, inbox, "b")

    assert daemon.ended(signal.SIGTERM) == 0
    assert daemon.err == ""


def test_an_inbox_that_is_a_folder_for_a_while_harms_nobody(project: Project) -> None:
    inbox = _with_inbox(project)
    daemon = _ready(project)
    _takes_a_signal(daemon, project, inbox, "a")
    inbox.unlink()
    inbox.mkdir()
    daemon.until_log("is not a regular file")
    inbox.rmdir()

    _takes_a_signal(daemon, project, inbox, "b")

    assert daemon.log.count("is not a regular file") == 1
    assert daemon.ended(signal.SIGTERM) == 0


def test_an_inbox_that_is_a_pipe_does_not_hold_up_the_stop(project: Project) -> None:
    os.mkfifo(_with_inbox(project))
    daemon = _ready(project)
    daemon.until_log("is not a regular file")

    begun = time.monotonic()
    assert daemon.ended(signal.SIGTERM) == 0
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("suffix", ["", "-wal"])
def test_a_book_removed_under_a_daemon_stops_entries_and_is_not_said_to_hold_anything(
    project: Project, suffix: str
) -> None:
    daemon = project.start("--speed", "3000")
    daemon.until(lambda: project.fills() >= 3, "three executions")

    Path(f"{project.db}{suffix}").unlink()

    daemon.until_log("BOOK UNWRITABLE, entries stopped")
    daemon.until_log("was removed or replaced while it was open")
    assert daemon.runs
    assert daemon.ended(signal.SIGTERM) == 0
    *_, last = daemon.log.splitlines()
    assert "STOPPED and THE END IS NOT IN THE BOOK" in last
    assert "their exits are in the book" not in daemon.log
    assert "Traceback" not in daemon.err + daemon.log
    assert daemon.log.count("CHORE record inputs failed") <= 1


def test_a_book_that_is_put_back_is_traded_on(project: Project) -> None:
    daemon = project.start("--speed", "3000")
    daemon.until(lambda: project.fills() >= 3, "three executions")
    fills, aside = project.fills(), project.db.with_name("aside")
    project.db.rename(aside)
    daemon.until_log("BOOK UNWRITABLE, entries stopped")

    aside.rename(project.db)

    daemon.until(lambda: project.fills() > fills, "more executions")
    assert daemon.ended(signal.SIGTERM) == 0
    project.check_book()


def test_a_replay_does_not_take_the_book_of_one_that_runs(project: Project) -> None:
    (project.folder / "QQQ.csv").write_text(_MINUTES)
    book = project.folder / "replay.db"
    assert _trader(project, "replay", "QQQ.csv").code == 0
    before = book.stat().st_ino
    lock = RunLock.take(lock_path(book, "replay"), Holder(os.getpid(), "0.0.1", "x", "now"))

    second = _trader(project, "replay", "QQQ.csv")

    lock.release()
    second.refused(6, f"process {os.getpid()}", "another book with --db")
    assert book.stat().st_ino == before
    assert _trader(project, "replay", "QQQ.csv").code == 0
    assert [path.name for path in project.folder.glob("replay.db*")] == ["replay.db"]


def test_a_daemon_whose_socket_is_removed_is_not_called_down_and_makes_it_again(project: Project) -> None:
    daemon = _ready(project)
    door = socket_path(project.db, "paper")
    os.kill(daemon.pid, signal.SIGSTOP)
    door.unlink()

    silent = _trader(project, "status")

    os.kill(daemon.pid, signal.SIGCONT)
    assert silent.code == 8, silent
    assert f"process {daemon.pid} runs" in silent.out
    assert f"kill {daemon.pid}" in silent.out
    assert "nobody watches" not in silent.out + silent.err
    daemon.until(door.exists, "the socket")
    assert ask(door, {"ask": "status"})["pid"] == daemon.pid
    assert daemon.ended(signal.SIGTERM) == 0
    assert not door.exists()


def test_a_daemon_whose_lock_file_is_removed_still_lets_no_second_one_begin(project: Project) -> None:
    first = _ready(project)
    path = lock_path(project.db, "paper")
    path.unlink()
    first.until(lambda: running_daemon(path) is not None, "the lock")

    project.run("--log", "second.log").refused(6, f"process {first.pid}")

    assert first.ended(signal.SIGTERM) == 0


def test_a_daemon_that_lost_its_lock_to_another_stops_in_order(project: Project) -> None:
    daemon = _ready(project)
    path = lock_path(project.db, "paper")
    os.kill(daemon.pid, signal.SIGSTOP)
    path.unlink()
    other = RunLock.take(path, Holder(os.getpid(), "9.9.9", "x", "now"))

    os.kill(daemon.pid, signal.SIGCONT)

    finished = daemon.finished()
    other.release()
    finished.refused(6, "was removed while it was held", f"process {os.getpid()}, version 9.9.9")
    assert "RUN LOCK LOST" in daemon.log
    assert "STOPPED positions that stay" in daemon.log.splitlines()[-1]
    project.check_book()


def test_a_strategy_that_changes_the_folder_does_not_hide_the_halt_file(project: Project, tmp_path: Path) -> None:
    entry = _strategy(
        project,
        "import os\nclass Own:\n    def on_bar(self, bar):\n        os.chdir('/')\n        return ()\n",
    )
    inbox = _with_inbox(project)
    daemon = _ready(project, "--strategy", entry)
    children = psutil.Process(daemon.pid).children
    daemon.until(lambda: "/" in [child.cwd() for child in children()], "that it is elsewhere")

    (project.folder / "HALT").touch()

    daemon.until_log("entries halted: all")
    _takes_a_signal(daemon, project, inbox, "a")
    assert daemon.ended(signal.SIGTERM) == 0
    project.check_book()


@pytest.mark.parametrize(
    "body",
    [
        "def __init__(self): raise SystemExit(0)",
        "def on_start(self, drivers): raise SystemExit(0)",
        "warmup_bars = 10**12",
        "warmup_bars = float('nan')",
    ],
)
def test_a_strategy_that_cannot_be_started_is_refused_by_name(project: Project, body: str) -> None:
    entry = _strategy(project, f"class Own:\n    {body}\n    def on_bar(self, bar): return ()\n")

    project.run_unexamined("--strategy", entry).refused(2, "Own")


@pytest.mark.parametrize(
    ("log", "what"),
    [
        ("trading_data.db", "is the book"),
        ("trading_data.db-wal", "is a part of the book"),
        ("trading_data.db.paper.lock", "is the book's run lock"),
        ("config/default.toml", "is the configuration"),
        ("config/families.toml", "is the families file"),
        ("HALT", "is the file that halts entries"),
        ("trading_data", "old logs are cleared away"),
        ("soft", "is the book"),
        ("hard", "is the configuration"),
    ],
)
def test_a_log_in_a_file_of_another_purpose_is_refused(project: Project, log: str, what: str) -> None:
    config = project.folder / "config" / "default.toml"
    (project.folder / "soft").symlink_to("trading_data.db")
    (project.folder / "hard").hardlink_to(config)
    before = config.read_bytes()

    project.run_unexamined("--log", log).refused(2, f"log.file {project.folder / log}", what)

    assert config.read_bytes() == before


@pytest.mark.parametrize(
    ("inbox", "what"),
    [("trading_data.db", "is the book"), ("robo_trader.log", "is the log"), ("config/default.toml", "configuration")],
)
def test_an_inbox_in_a_file_of_another_purpose_is_refused(project: Project, inbox: str, what: str) -> None:
    _with_inbox(project, inbox)

    project.run_unexamined().refused(2, f"feed.inbox {project.folder / inbox}", what)


def test_a_number_no_book_has_given_is_not_known(project: Project) -> None:
    (project.folder / "QQQ.csv").write_text(_MINUTES)
    _trader(project, "replay", "QQQ.csv")

    _trader(project, "why", "9" * 30, "--db", "replay.db").refused(5, "9" * 30)
