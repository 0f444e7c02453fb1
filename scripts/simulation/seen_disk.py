"""The disk under SQLite, seen: every write, truncation, sync, creation and removal passes a listener first.

It is a SQLite VFS that sits on the default one. It is registered through the very library that Python's `sqlite3` is
linked against, as the default, so that the product opens its book as it always does. The default's own file objects
are kept; only four of their methods and two of the VFS are led through here, everything else (locks, shared memory,
reads) does not notice. A Python whose library does not say where it begins cannot do this; the tests are skipped then.
"""

import _sqlite3
import ctypes
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_int64, c_void_p
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple


class Kind(StrEnum):
    """What is done to a file."""

    WRITE = "write"
    TRUNCATE = "truncate"
    SYNC = "sync"
    CREATE = "create"
    DELETE = "delete"


class Operation(NamedTuple):
    """One thing done to a file of a book: the book itself, its log of writes (-wal) or its journal."""

    kind: Kind
    path: Path
    offset: int = 0
    """Of a write: where. Of a truncation: the new length."""
    data: bytes = b""
    folder_too: bool = False
    """Of a sync or a removal: whether the folder is synced with it."""


Listener = Callable[[Operation], int]
"""Gives 0 to let the operation be done, or the SQLite code that it fails with."""

FULL = sqlite3.SQLITE_FULL
"""Of a write that fails with it half is done, as on a disk that becomes full."""

_OPEN_CREATE, _OPEN_FILES, _OPEN_SYNCED_FOLDER = 0x4, 0x80900, 0x80800
"""Flags of xOpen: it may be made; it is a book, journal or WAL; its first sync is one of its folder."""

_Close = CFUNCTYPE(c_int, c_void_p)
_Write = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_Truncate = CFUNCTYPE(c_int, c_void_p, c_int64)
_Sync = CFUNCTYPE(c_int, c_void_p, c_int)
_Open = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)
_Delete = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int)


class _Methods(ctypes.Structure):
    """sqlite3_io_methods, version 3."""

    _fields_ = (
        ("version", c_int),
        ("close", c_void_p),
        ("read", c_void_p),
        ("write", c_void_p),
        ("truncate", c_void_p),
        ("sync", c_void_p),
        ("others", c_void_p * 13),
    )


class _File(ctypes.Structure):
    _fields_ = (("methods", POINTER(_Methods)),)


class _Vfs(ctypes.Structure):
    """sqlite3_vfs, version 3."""

    _fields_ = (
        ("version", c_int),
        ("file_bytes", c_int),
        ("longest_path", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("data", c_void_p),
        ("open", c_void_p),
        ("delete", c_void_p),
        ("others", c_void_p * 13),
    )


class _OpenFile(NamedTuple):
    path: Path
    original: _Methods


class SeenDisk:
    """The VFS. Its structures live as long as the process: SQLite keeps pointers into them."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        library.sqlite3_vfs_find.restype = POINTER(_Vfs)
        library.sqlite3_vfs_register.argtypes = [POINTER(_Vfs), c_int]
        self._default = library.sqlite3_vfs_find(None)
        self._listener: Listener | None = None
        self._open_files: dict[int, _OpenFile] = {}
        self._syncs_folder: set[int] = set()
        self._seen_methods: dict[int, _Methods] = {}
        self._ours = {
            "close": _Close(self._close),
            "write": _Write(self._write),
            "truncate": _Truncate(self._truncate),
            "sync": _Sync(self._sync),
            "open": _Open(self._open),
            "delete": _Delete(self._delete),
        }
        self._original_open = _Open(self._default.contents.open)
        self._original_delete = _Delete(self._default.contents.delete)
        self._vfs = _Vfs.from_buffer_copy(self._default.contents)
        self._vfs.next, self._vfs.name = None, b"seen"
        for name in ("open", "delete"):
            setattr(self._vfs, name, ctypes.cast(self._ours[name], c_void_p))

    @contextmanager
    def listening(self, listener: Listener) -> Iterator[None]:
        """Meanwhile every book that is opened is seen, and goes on to be seen by this listener until it is closed."""
        self._listener = listener
        self._library.sqlite3_vfs_register(ctypes.byref(self._vfs), 1)
        try:
            yield
        finally:
            self._library.sqlite3_vfs_register(self._default, 1)
            self._listener = None

    def _says(self, operation: Operation) -> int:
        return self._listener(operation) if self._listener is not None else 0

    def _open(self, _: int, name: int | None, file: int, flags: int, out_flags: int) -> int:
        """The name stays a pointer: SQLite goes on to read beyond its end, and keeps it."""
        watched = name is not None and flags & _OPEN_FILES
        path = Path(os.fsdecode(ctypes.string_at(name))) if name is not None else Path()
        if watched and flags & _OPEN_CREATE and not path.exists():
            code = self._says(Operation(Kind.CREATE, path))
            if code:
                return code
        code = int(self._original_open(ctypes.cast(self._default, c_void_p), name, file, flags, out_flags))
        if code == 0 and watched:
            self._lead_through(file, path)
            if flags & _OPEN_CREATE and flags & _OPEN_SYNCED_FOLDER:
                self._syncs_folder.add(file)
        return code

    def _lead_through(self, file: int, path: Path) -> None:
        """Give an open file a copy of its methods, four of which are ours."""
        handle = _File.from_address(file)
        original = handle.methods.contents
        address = ctypes.addressof(original)
        if address not in self._seen_methods:
            seen = _Methods.from_buffer_copy(original)
            for name in ("close", "write", "truncate", "sync"):
                setattr(seen, name, ctypes.cast(self._ours[name], c_void_p))
            self._seen_methods[address] = seen
        handle.methods = ctypes.pointer(self._seen_methods[address])
        self._open_files[file] = _OpenFile(path, original)

    def _close(self, file: int) -> int:
        self._syncs_folder.discard(file)
        return int(_Close(self._open_files.pop(file).original.close)(file))

    def _write(self, file: int, data: int, length: int, offset: int) -> int:
        path, original = self._open_files[file]
        code = self._says(Operation(Kind.WRITE, path, offset, ctypes.string_at(data, length)))
        if code and code != FULL:
            return code
        done = int(_Write(original.write)(file, data, length // 2 if code else length, offset))
        return code or done

    def _truncate(self, file: int, length: int) -> int:
        path, original = self._open_files[file]
        code = self._says(Operation(Kind.TRUNCATE, path, length))
        return code or int(_Truncate(original.truncate)(file, length))

    def _sync(self, file: int, flags: int) -> int:
        path, original = self._open_files[file]
        code = self._says(Operation(Kind.SYNC, path, folder_too=file in self._syncs_folder))
        if code:
            return code
        self._syncs_folder.discard(file)
        return int(_Sync(original.sync)(file, flags))

    def _delete(self, _: int, name: bytes, syncs_folder: int) -> int:
        path = Path(os.fsdecode(name))
        code = self._says(Operation(Kind.DELETE, path, folder_too=bool(syncs_folder))) if path.exists() else 0
        return code or int(self._original_delete(ctypes.cast(self._default, c_void_p), name, syncs_folder))


def _of_this_python() -> SeenDisk | None:
    """Through the module itself: what it is linked against, or has within it, is found by way of it."""
    library: Any = ctypes.CDLL(_sqlite3.__file__) if hasattr(_sqlite3, "__file__") else None
    if library is None or not hasattr(library, "sqlite3_vfs_register"):
        return None
    library.sqlite3_libversion.restype = c_char_p
    same = library.sqlite3_libversion().decode() == sqlite3.sqlite_version
    return SeenDisk(library) if same else None


DISK = _of_this_python()
"""None where this Python's sqlite3 hides the library that it is linked with."""


def listening(listener: Listener) -> Any:
    """See `SeenDisk.listening`."""
    assert DISK is not None  # noqa: S101  (the caller has looked)
    return DISK.listening(listener)
