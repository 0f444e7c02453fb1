"""Which files run: hashes of them, taken at start and compared with the disk."""

import hashlib
import os
from collections.abc import Callable, Iterable
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

_SUFFIXES = {".py", ".sql", ".json"}
_DIGITS = 16


def code_files() -> list[Path]:
    """Every file that makes up the program."""
    root = Path(str(files("trader")))
    return sorted(path for path in root.rglob("*") if path.suffix in _SUFFIXES and "__pycache__" not in path.parts)


def code_fingerprint() -> str:
    """Sixteen hex digits over the path and content of every file that makes up the program."""
    root = Path(str(files("trader")))
    return fingerprint(
        part for path in code_files() for part in (path.relative_to(root).as_posix().encode(), path.read_bytes())
    )


def fingerprint(parts: Iterable[bytes]) -> str:
    """Sixteen hex digits over texts, each told apart from the next."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:_DIGITS]


class _Look(NamedTuple):
    """What a file's folder says of it: as long as that stays, its content has stayed."""

    inode: int
    size: int
    modified_ns: int
    changed_ns: int
    """Set by the kernel alone, whatever a copy says of its age."""


class WatchedFiles:
    """Files as they were when they were first looked at. Only one that looks otherwise since is read again."""

    def __init__(self, listed: Callable[[], Iterable[Path]]) -> None:
        """`listed` gives the files of now, also such as are not there (yet)."""
        self._listed = listed
        self._looks = {path: _look(path) for path in listed()}
        self._first = {path: _digest(path) for path in self._looks}
        self._differing: set[Path] = set()

    def differing(self) -> list[Path]:
        """Those whose content is another than at first; also new ones, and such as have gone."""
        for path in {*self._listed(), *self._first}:
            look = _look(path)
            if path in self._looks and look == self._looks[path]:
                continue
            self._looks[path] = look
            if _digest(path) == self._first.get(path, b""):
                self._differing.discard(path)
            else:
                self._differing.add(path)
        return sorted(self._differing)


def _look(path: Path) -> _Look | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return _Look(found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _digest(path: Path) -> bytes:
    """Of its content; nothing where it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return b""
