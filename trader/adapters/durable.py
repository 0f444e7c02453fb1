"""What has to be on the disk before the next step: a file, and its name, which is its folder's."""

import os
from pathlib import Path


def sync_file(path: Path) -> None:
    """Wait until a file's content is on the disk. Raises OSError."""
    _sync(path, os.O_RDONLY)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk; a file may be lost with its name. Raises OSError."""
    _sync(folder, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, how: int) -> None:
    descriptor = os.open(path, how)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
