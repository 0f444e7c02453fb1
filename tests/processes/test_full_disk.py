"""A disk that is full, or becomes so: entries stop, nothing is lost, and trading goes on when there is room again."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from processes.daemon import Project

_SIZE = 8_000_000
"""The log of writes alone takes four megabytes before its first checkpoint."""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a few megabytes."""
    place = tmp_path / "small disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE},mode=0700", "tmpfs", str(place)]
    mounted = subprocess.run(command, capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a small disk here: {mounted.stderr.decode().splitlines()[0]}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def _fill(place: Path) -> Path:
    """Leave no byte free."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    assert shutil.disk_usage(place).free == 0
    return filler


def test_a_full_disk_is_refused_at_start(project: Project, small_disk: Path) -> None:
    _fill(small_disk)

    finished = project.run("--db", str(small_disk / "book.db"))

    finished.refused(2, "book.db", "free some space")


def test_a_disk_too_small_for_a_new_book_is_refused(project: Project, small_disk: Path) -> None:
    filler = _fill(small_disk)
    os.truncate(filler, filler.stat().st_size - 3 * 4096)

    finished = project.run("--db", str(small_disk / "book.db"))

    finished.refused(2, "free some space")
    assert [path.name for path in small_disk.iterdir() if path.suffix != ".lock"] == ["filler"]


def test_a_disk_that_fills_up_stops_entries_until_there_is_room(project: Project, small_disk: Path) -> None:
    project.db = small_disk / "book.db"
    daemon = project.start("--db", str(project.db), "--speed", "3000")
    daemon.until(lambda: project.fills() >= 10, "ten executions")
    filler = _fill(small_disk)
    daemon.until(lambda: "BOOK UNWRITABLE, entries stopped" in daemon.log, "that entries are stopped")
    fills = project.fills()

    filler.unlink()

    daemon.until(lambda: project.fills() > fills + 5, "more executions")
    assert daemon.ended(signal.SIGTERM) == 0
    assert "Traceback" not in daemon.err + daemon.log
    project.check_book()


def test_exits_leave_a_full_disk_and_are_booked_by_the_next_life(project: Project, small_disk: Path) -> None:
    project.db = small_disk / "book.db"
    daemon = project.start("--db", str(project.db), "--speed", "3000")
    daemon.until(lambda: project.fills() >= 10, "ten executions")
    filler = _fill(small_disk)
    daemon.until(lambda: "EXIT WITHOUT THE BOOK" in daemon.log, "an exit")
    assert daemon.ended(signal.SIGKILL) == -signal.SIGKILL
    sent = re.findall(r"EXIT WITHOUT THE BOOK .* ref=(\S+): it is in the spill file", daemon.log)
    assert sent
    filler.unlink()

    second = project.start("--db", str(project.db), "--speed", "3000")

    second.until(lambda: all(f"SPILLED EXIT {ref}" in _refs(second.log) for ref in sent), "what becomes of them")
    second.until(lambda: "READY" in second.log, "the start")
    assert second.ended(signal.SIGTERM) == 0
    project.check_book()


def _refs(log: str) -> set[str]:
    """Booked, or refused: the disk may have been full before the fill that an exit sells was booked."""
    said = re.findall(r"SPILLED EXIT .* ref=(\S+) (?:had left|IS NOT BOOKED: the book holds 0)", log)
    return {f"SPILLED EXIT {ref}" for ref in said}


def test_stopping_on_a_full_disk_is_in_order_and_the_next_start_goes_on(project: Project, small_disk: Path) -> None:
    project.db = small_disk / "book.db"
    daemon = project.start("--db", str(project.db), "--speed", "3000")
    daemon.until(lambda: project.fills() >= 10, "ten executions")
    filler = _fill(small_disk)
    daemon.until(lambda: "BOOK UNWRITABLE" in daemon.log, "that the disk is full")

    code = daemon.ended(signal.SIGTERM)

    assert code == 0
    assert "Traceback" not in daemon.err + daemon.log
    assert "STOPPED" in daemon.log
    filler.unlink()
    project.check_book()
    fills = project.fills()
    second = project.start("--db", str(project.db), "--speed", "3000")
    second.until(lambda: project.fills() > fills, "more executions")


def test_a_log_on_a_full_disk_does_not_stop_trading(project: Project) -> None:
    daemon = project.start("--log", "/dev/full", "--speed", "3000")
    daemon.until(lambda: project.fills() >= 10, "ten executions")

    assert daemon.ended(signal.SIGTERM) == 0
    assert "the log /dev/full could not be written to its end" in daemon.err
    project.check_book()


def test_a_log_that_cannot_be_written_is_said_in_few_lines(project: Project) -> None:
    daemon = project.start("--log", "/dev/full", "--speed", "3000")
    daemon.until(lambda: project.fills() >= 10, "ten executions")

    assert daemon.ended(signal.SIGTERM) == 0
    assert "Traceback" not in daemon.err


def test_a_file_that_may_not_grow_stops_entries_and_loses_nothing(project: Project, tmp_path: Path) -> None:
    """A quota: the write fails half-way with an error of its own, for any user."""
    daemon = project.start("--speed", "3000", before=["prlimit", "--fsize=400000"])
    daemon.until(lambda: "BOOK UNWRITABLE" in daemon.log, "a write that fails")

    code = daemon.ended(signal.SIGTERM)

    assert code == 0
    assert "Traceback" not in daemon.err + daemon.log
    project.check_book()
    fills = project.fills()
    second = project.start("--speed", "3000")
    second.until(lambda: project.fills() > fills, "more executions")
