"""The run lock: one holder, named to the others; a lock file that somebody removes does not let a second one in."""

import json
import os
from pathlib import Path

import pytest

from trader.adapters import run_lock
from trader.adapters.run_lock import Holder, RunLock, lock_path, running_daemon
from trader.domain.errors import AlreadyRunning, BookUnwritable

FIRST = Holder(4711, "0.1.0", "aaaa", "monday")
SECOND = Holder(4712, "0.2.0", "bbbb", "tuesday")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return lock_path(tmp_path / "book.db", "paper")


def test_one_lock_for_each_account_beside_the_book_itself(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link.db").symlink_to(tmp_path / "there" / "book.db")
    assert lock_path(tmp_path / "link.db", "paper") == (tmp_path / "there" / "book.db.paper.lock").resolve()


def test_a_second_is_refused_and_the_holder_is_named(path: Path) -> None:
    lock = RunLock.take(path, FIRST)
    with pytest.raises(
        AlreadyRunning, match=r"process 4711, version 0\.1\.0 since monday.*DIFFERENT code.*wait for it"
    ):
        RunLock.take(path, SECOND, "wait for it")
    assert running_daemon(path) == FIRST
    lock.release()
    assert running_daemon(path) is None
    RunLock.take(path, SECOND).release()


def test_a_lock_that_is_there_is_kept(path: Path) -> None:
    lock = RunLock.take(path, FIRST)
    before = path.stat().st_ino
    assert not lock.keep()
    assert path.stat().st_ino == before
    lock.release()


def test_a_lock_that_was_removed_is_made_again_by_its_holder(path: Path) -> None:
    lock = RunLock.take(path, FIRST)
    path.unlink()
    assert lock.keep()
    with pytest.raises(AlreadyRunning, match="process 4711"):
        RunLock.take(path, SECOND)
    assert not lock.keep()
    lock.release()
    assert running_daemon(path) is None


def test_a_lock_file_that_was_replaced_is_taken_again(path: Path) -> None:
    lock = RunLock.take(path, FIRST)
    path.with_name("other").write_text("what somebody put there")
    path.with_name("other").rename(path)
    assert lock.keep()
    assert Holder(**json.loads(path.read_text())) == FIRST
    lock.release()


def test_a_holder_whose_lock_another_has_taken_is_told_so(path: Path) -> None:
    lock = RunLock.take(path, FIRST)
    path.unlink()
    other = RunLock.take(path, SECOND)
    with pytest.raises(AlreadyRunning, match=r"was removed while it was held.*process 4712.*This one stops"):
        lock.keep()
    assert running_daemon(path) == SECOND
    lock.release(remove=True)
    assert running_daemon(path) == SECOND, "what is at the path is not ours to remove"
    other.release()


def test_a_lock_may_be_removed_on_leaving(path: Path) -> None:
    RunLock.take(path, FIRST).release(remove=True)
    assert not path.exists()


def test_a_lock_taken_on_a_file_that_is_no_longer_there_is_none(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between opening the file and locking it, its holder may end and remove it."""
    opened = run_lock._opened
    seen: list[int] = []

    def removed_once(path: Path) -> object:
        handle = opened(path)
        seen.append(os.fstat(handle.fileno()).st_ino)
        if len(seen) == 1:
            path.unlink()
        return handle

    monkeypatch.setattr(run_lock, "_opened", removed_once)
    lock = RunLock.take(path, FIRST)
    assert len(seen) == 2
    assert running_daemon(path) == FIRST
    lock.release()


def test_a_place_that_cannot_be_written_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(BookUnwritable, match="the folder of the book has to be writable"):
        RunLock.take(tmp_path / "none" / "x.lock", FIRST)
