"""A file that is another than at the start is found, whatever it looks like; one that is the same is not read again."""

import os
from pathlib import Path

import pytest

from trader.adapters import fingerprint as module
from trader.adapters.fingerprint import WatchedFiles, fingerprint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text(f"# {name}")
    return tmp_path


def watch(folder: Path, *others: Path) -> WatchedFiles:
    return WatchedFiles(lambda: [*folder.glob("*.py"), *others])


def test_nothing_differs_while_nobody_touches_anything(folder: Path) -> None:
    assert watch(folder).differing() == []


def test_a_change_is_found_also_with_size_and_time_as_before(folder: Path) -> None:
    watched, path = watch(folder), folder / "a.py"
    before = path.stat()
    path.write_text("# A.py")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert watched.differing() == [path]


def test_a_change_stays_found_until_it_is_taken_back(folder: Path) -> None:
    watched, path = watch(folder), folder / "a.py"
    path.write_text("# another")
    assert [watched.differing() for _ in range(3)] == [[path]] * 3
    path.write_text("# a.py")
    assert watched.differing() == []


def test_a_file_that_was_only_touched_or_copied_anew_is_the_same(folder: Path) -> None:
    watched, path = watch(folder), folder / "a.py"
    path.unlink()
    path.write_text("# a.py")
    assert watched.differing() == []


def test_new_files_and_such_as_have_gone_differ(folder: Path) -> None:
    later = folder / ".env"
    watched = watch(folder, later)
    (folder / "b.py").unlink()
    (folder / "c.py").write_text("")
    later.write_text("A=1")
    assert watched.differing() == [later, folder / "b.py", folder / "c.py"]


def test_what_looks_the_same_is_not_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = watch(folder)
    monkeypatch.delattr(module, "_digest")
    assert watched.differing() == []


def test_texts_are_told_apart_from_one_another() -> None:
    assert fingerprint([b"ab", b"c"]) != fingerprint([b"a", b"bc"])
