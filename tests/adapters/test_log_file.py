"""The log's file when it cannot be written: said once, the lines counted, and said when it can be again."""

import errno
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import NOON

from trader.adapters.clock import SteppedClock
from trader.adapters.log_file import LogFile
from trader.adapters.logs import LoguruLog, close_log, open_log


class FailingFile:
    """A file that fails for as long as it is told to."""

    def __init__(self) -> None:
        self.fails = False
        self.lines: list[str] = []
        self.stopped = 0

    def write(self, message: str) -> None:
        """Keep a line, or fail."""
        if self.fails:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.lines.append(message)

    def stop(self) -> None:
        """Fail as a full disk does: what is in the buffer cannot go anywhere."""
        self.stopped += 1
        if self.fails:
            raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def inner(monkeypatch: pytest.MonkeyPatch) -> FailingFile:
    inner = FailingFile()
    monkeypatch.setattr(LogFile, "_opened", lambda *_, **__: inner)
    return inner


def test_a_log_that_cannot_be_written_is_said_once_and_once_when_it_can(
    tmp_path: Path, inner: FailingFile, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "trader.log"
    file = LogFile(path, "50 MB", "1 day")
    file.write("before\n")
    inner.fails = True
    for number in range(20):
        file.write(f"a {number}\nb {number}\n")
    assert capsys.readouterr().err == (
        f"trader: the log {path} cannot be written: No space left on device; its lines are lost until it can\n"
    )
    inner.fails = False
    file.write("after\n")
    file.write("and on\n")
    assert capsys.readouterr().err == f"trader: the log {path} can be written again; 40 lines are lost\n"
    assert inner.lines == ["before\n", "after\n", "and on\n"]
    file.stop()


def test_a_log_whose_end_is_lost_says_so_when_it_is_closed(tmp_path: Path, inner: FailingFile) -> None:
    file = LogFile(tmp_path / "trader.log", "50 MB", "1 day")
    inner.fails = True
    file.write("lost\n")
    with pytest.raises(OSError, match="No space left on device"):
        file.stop()


def test_nobody_to_tell_is_no_trouble(tmp_path: Path, inner: FailingFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", None)
    inner.fails = True
    LogFile(tmp_path / "trader.log", "50 MB", "1 day").write("lost\n")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of some kilobytes."""
    place = tmp_path / "small disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("cannot mount a small disk here")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_on_a_full_disk_nothing_but_the_lines_is_lost(small_disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = small_disk / "trader.log"
    open_log(path, "paper", "INFO", "50 MB", "1 day", on_terminal=False)
    log = LoguruLog(SteppedClock(NOON))
    for number in range(2_000):
        log.info(f"line {number}")
    log_file_is_full(small_disk)
    told = capsys.readouterr().err
    path.write_text("room\n")
    log.info("there is room")
    close_log()
    assert told.count("\n") == 1
    assert "cannot be written: No space left on device" in told
    again = capsys.readouterr().err
    assert again.count("\n") == 1
    assert "can be written again" in again
    first, last = path.read_text().splitlines()[0], path.read_text().splitlines()[-1]
    assert first == "room"
    assert last.endswith("there is room account=paper")


def log_file_is_full(place: Path) -> None:
    """Wait for the log's thread, and see that it had something to complain of."""
    from loguru import logger

    logger.complete()
    assert shutil.disk_usage(place).free == 0


def test_a_torn_line_does_not_run_into_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "trader.log"
    file = LogFile(path, "50 MB", "1 day")
    with monkeypatch.context() as patch:
        patch.setattr(file, "_file", torn := FailingFile())
        torn.fails = True
        path.write_text("half a li")
        file.write("lost\n")
    file.write(message("whole"))
    file.stop()
    assert path.read_text() == "half a li\nwhole\n"


def message(text: str) -> str:
    """A line for a file that rotates by its size, and asks a line for nothing else."""
    return f"{text}\n"


def test_the_log_is_the_owners_alone_also_when_it_is_made_again(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        path = tmp_path / "trader.log"
        open_log(path, "paper", "INFO", "200 B", "1 day", on_terminal=False)
        for number in range(5):
            LoguruLog(SteppedClock(NOON)).info(f"line {number} {'x' * 100}")
        close_log()
    finally:
        os.umask(before)
    logs = list(tmp_path.iterdir())
    assert len(logs) > 1
    assert {stat.S_IMODE(log.stat().st_mode) for log in logs} == {0o600}


def test_the_log_stays_where_it_is_wherever_the_process_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    open_log(Path("trader.log"), "paper", "INFO", "200 B", "1 day", on_terminal=False)
    monkeypatch.chdir(tmp_path / "elsewhere")
    for number in range(5):
        LoguruLog(SteppedClock(NOON)).info(f"line {number} {'x' * 100}")
    close_log()
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_what_is_no_text_is_written_as_it_can_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "{odd} name.log"
    open_log(path, "paper", "INFO", "50 MB", "1 day", on_terminal=False)
    LoguruLog(SteppedClock(NOON)).info("a \ud800 b")
    close_log()
    assert path.read_text().endswith("a \\ud800 b account=paper\n")
    assert capsys.readouterr().err == ""
