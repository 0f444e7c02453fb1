"""Which code runs: a hash over every source file of the package, taken at start and compared with the disk."""

import hashlib
from importlib.resources import files
from pathlib import Path

_SUFFIXES = {".py", ".sql", ".json"}


def code_fingerprint() -> str:
    """Sixteen hex digits over the path and content of every file that makes up the program."""
    root = Path(str(files("trader")))
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if path.suffix in _SUFFIXES and "__pycache__" not in path.parts:
            digest.update(path.relative_to(root).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]
