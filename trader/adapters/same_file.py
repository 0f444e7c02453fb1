"""Whether a path still names a file that is open: somebody may have removed or replaced it since."""

import os
from pathlib import Path


def is_at(descriptor: int, path: Path) -> bool:
    """The same file, and it can be looked at."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False
