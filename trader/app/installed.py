"""What is installed: fingerprints of it at the start of a run, and whether the disk still says the same."""

import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from trader.adapters.fingerprint import WatchedFiles, code_files, code_fingerprint, fingerprint
from trader.adapters.sqlite.database import read_only
from trader.adapters.sqlite.soundness import schema_fingerprint
from trader.app.settings import Settings
from trader.app.variables import DOT_ENV
from trader.domain.build import Build
from trader.domain.errors import BookError, ConfigurationError

_NAMED = 3


class Running(NamedTuple):
    """What runs, on a book that is open."""

    build: Build
    differs: Callable[[], str]
    """What is another on the disk by now, in words; or nothing. Takes its time."""


class Installed:
    """On this machine. Made before anything else, so that what is changed meanwhile is seen."""

    def __init__(self, settings: Settings) -> None:
        self._db = settings.book.db
        others = [path.absolute() for path in (settings.toml_file, *_named_by(settings), Path(DOT_ENV))]
        self._files = WatchedFiles(lambda: [*code_files(), *others])
        self._code = code_fingerprint()
        self._configuration = configuration_fingerprint(settings)

    def on(self, schema: str) -> Running:
        """What runs on a book with this schema."""
        build = Build(self._code, self._configuration, schema)
        return Running(build, lambda: self._differs_from(build))

    def _differs_from(self, build: Build) -> str:
        changed = [str(path) for path in self._files.differing()]
        more = f" and {len(changed) - _NAMED} more" if len(changed) > _NAMED else ""
        files = f"{', '.join(changed[:_NAMED])}{more} changed" if changed else ""
        return "; ".join(filter(None, (files, self._schema_differs_from(build))))

    def _schema_differs_from(self, build: Build) -> str:
        try:
            with closing(read_only(self._db)) as book:
                return "" if schema_fingerprint(book) == build.schema else f"the schema of {self._db} changed"
        except (BookError, sqlite3.Error) as error:
            return f"the schema of {self._db} cannot be compared: {error}"


class NothingChanges:
    """What is installed where nobody touches it: in a simulation, in which every run has to be the same."""

    def on(self, schema: str) -> Running:
        """The same in every run."""
        return Running(Build("simulated", "simulated", schema), lambda: "")


def configuration_fingerprint(settings: Settings) -> str:
    """Of every setting in force, wherever it is set, and of the files that they name. Raises ConfigurationError."""
    try:
        named = [path.read_bytes() for path in _named_by(settings)]
    except OSError as error:
        raise ConfigurationError(
            f"cannot read {error.filename}, which the configuration names: {error.strerror}"
        ) from error
    return fingerprint((settings.model_dump_json().encode(), *named))


def _named_by(settings: Settings) -> Iterator[Path]:
    """The families, and the file of the strategy where that is found without running anything of it."""
    yield settings.toml_file.parent / settings.families.file
    module = settings.strategy.entry.partition(":")[0].replace(".", "/")
    for folder in sys.path:
        for name in (f"{module}.py", f"{module}/__init__.py"):
            if (path := Path(folder) / name).is_file():
                yield path
                return
