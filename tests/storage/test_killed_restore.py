"""A restore that is killed at any moment leaves the book that was there, or the restored one, whole.

A child process restores and kills itself at its Nth step: a file opened, renamed or removed by Python, or a write, sync
or removal by SQLite; for N = 1, 2, ... until it comes to its end. What is there then is opened as a start does.
"""

import os
import shutil
import signal
import sys
from contextlib import closing
from pathlib import Path

import pytest
from builders import a_machine
from failing import ERRORS, FailingDisk
from needs import needs_seen_disk
from recorded_day import content
from simulation.seen_disk import Operation, listening

from trader.adapters.sqlite.backup import backup
from trader.adapters.sqlite.database import connect
from trader.adapters.sqlite.restoring import restore
from trader.domain.errors import BookError

pytestmark = needs_seen_disk

_STEPS = frozenset({"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "sqlite3.connect"})


def holds(path: Path) -> str:
    """What the book of a start holds."""
    with closing(connect(path)) as book:
        return content(book)


def restore_killed_at(number: int, book: Path, copy: Path) -> bool:
    """Restore in a child that kills itself at step N; whether it came so far."""
    child = os.fork()
    if child == 0:
        _die_at(number)
        with listening(_a_step):
            restore(book, copy, "operator")
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in (0, -signal.SIGKILL), "the restore failed"
    return os.WIFSIGNALED(status)


_left = [0]


def _die_at(number: int) -> None:
    _left[0] = number
    sys.addaudithook(lambda event, _: _step() if event in _STEPS else None)


def _a_step(_: Operation) -> int:
    _step()
    return 0


def _step() -> None:
    _left[0] -= 1
    if _left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
async def day(tmp_path: Path) -> Path:
    """A folder with a backup and the book as it was later, its last commits still in the log beside it."""
    folder = tmp_path / "day"
    folder.mkdir()
    async with a_machine(tmp_path) as market:
        await market.bars(2, {"AAPL": 0.8})
        backup(market.path, folder, market.now, kept=1).rename(folder / "backup")
        await market.bars(2, {"MSFT": 0.8})
        for suffix in ("", "-wal"):
            shutil.copy(f"{market.path}{suffix}", folder)
    return folder


def test_a_killed_restore_leaves_the_one_book_or_the_other(day: Path, tmp_path: Path) -> None:
    one, other = (shutil.copytree(day, tmp_path / name) / "trading_data.db" for name in ("one", "other"))
    restore(other, day / "backup", "operator")
    before, after = holds(one), holds(other)
    found: list[str] = []
    killed = True
    while killed:
        folder = shutil.copytree(day, tmp_path / f"killed-{len(found)}")
        book = folder / "trading_data.db"
        killed = restore_killed_at(len(found) + 1, book, folder / "backup")
        found.append(holds(book))
    restored = found.index(after)
    assert found == [before] * restored + [after] * (len(found) - restored)
    assert min(restored, len(found) - restored) > 3, "killed before and after the rename"
    assert len(found) > 50


def test_a_restore_after_a_killed_one_succeeds_and_clears_its_remains_away(day: Path) -> None:
    book = day / "trading_data.db"
    assert restore_killed_at(60, book, day / "backup")
    assert any(path.name.startswith(".") for path in day.iterdir())
    restore(book, day / "backup", "operator")
    assert not any(path.name.startswith(".") for path in day.iterdir())


@pytest.mark.parametrize("error", ERRORS)
def test_a_restore_on_a_failing_disk_is_done_whole_or_refused(day: Path, tmp_path: Path, error: str) -> None:
    one, other = (shutil.copytree(day, tmp_path / name) / "trading_data.db" for name in ("one", "other"))
    restore(other, day / "backup", "operator")
    before, after = holds(one), holds(other)
    number = refused = 0
    fired = True
    while fired:
        number += 1
        book = shutil.copytree(day, tmp_path / f"failing-{number}") / "trading_data.db"
        disk = FailingDisk(error, number, lasts=True)
        disk.works = False
        expected = after
        with listening(disk):
            try:
                restore(book, day / "backup", "operator")
            except BookError:
                expected = before
        fired = disk.fired
        refused += expected == before
        assert holds(book) == expected, f"operation {number}"
        assert not any(path.name.startswith(".") for path in book.parent.iterdir())
    assert refused > 3
