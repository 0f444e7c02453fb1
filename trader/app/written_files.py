"""Files that a command writes for its user: whole or not at all, and never over something else."""

from collections.abc import Callable
from pathlib import Path

from trader.domain.errors import ConfigurationError


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Have a file written beside its place and put it there when it is whole. Raises ConfigurationError."""
    if not path.parent.is_dir():
        raise ConfigurationError(f"cannot write {path}: there is no folder {path.parent.absolute()}; make it")
    part = path.with_name(f".{path.name}.part")
    try:
        write(part)
        part.replace(path)
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}; name another place") from error
    finally:
        part.unlink(missing_ok=True)
