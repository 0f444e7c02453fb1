"""The files that a configuration names: made absolute once, and seen to be different ones.

A strategy may change the process's folder, so nothing is looked up by a relative path later. And a log written into
the book, or an inbox that is the log, would destroy the one or trade on the other.
"""

import glob
import os
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from trader.adapters.control import socket_path
from trader.adapters.run_lock import lock_path
from trader.adapters.spill_file import spill_path
from trader.app.settings import Settings
from trader.app.variables import DOT_ENV
from trader.domain.errors import ConfigurationError


class NamedFile(NamedTuple):
    """A file, and what it is for."""

    what: str
    path: Path


def with_absolute_paths(settings: Settings) -> Settings:
    """The same settings, whatever the current folder will be. Raises ConfigurationError for a path that is none."""
    book, log, feed, alarms = settings.book, settings.log, settings.feed, settings.alarms
    try:
        inbox = settings.inbox_path()
        update = {
            "book": book.model_copy(update={"db": book.db.absolute(), "backups": book.backups.absolute()}),
            "log": log.model_copy(update={"file": log.file.absolute()}),
            "feed": feed.model_copy(update={"inbox": str(inbox) if inbox is not None else ""}),
            "alarms": alarms.model_copy(update={"urls_file": str(alarms.urls_path() or "")}),
        }
    except (OSError, ValueError, RuntimeError) as error:  # a null in it, or links that go round in a circle
        raise ConfigurationError(f"{settings.toml_file}: a path cannot be looked up: {error}") from error
    return settings.model_copy(update=update)


def check_paths(settings: Settings) -> None:
    """Raise ConfigurationError when the log or the inbox is a file that has another purpose, by whatever name."""
    log, inbox = settings.log.file, settings.inbox_path()
    others = list(_files(settings))
    for other in others:
        if _is_same(log, other.path):
            raise ConfigurationError(f"log.file {log} is {other.what}; give the log a file of its own")
    if inbox is not None:
        for other in (*others, NamedFile("the log", log)):
            if _is_same(inbox, other.path):
                raise ConfigurationError(f"feed.inbox {inbox} is {other.what}; give the inbox a file of its own")
        others.append(NamedFile("the inbox", inbox))
    for other in others:
        if _is_an_old_log(log, other.path):
            raise ConfigurationError(
                f"log.file {log} has a name by which old logs are cleared away, and {other.what} {other.path.name} "
                "with them; end the name of the log in .log"
            )


def _files(settings: Settings) -> Iterator[NamedFile]:
    """Everything that is read or written beside log and inbox."""
    db, account = settings.book.db, settings.account.name
    yield NamedFile("the book", db)
    real = db.resolve()
    for suffix in ("-wal", "-shm", "-journal"):
        yield NamedFile("a part of the book", real.with_name(f"{real.name}{suffix}"))
    yield NamedFile("the book's run lock", lock_path(db, account))
    yield NamedFile("the socket of the daemon", socket_path(db, account))
    yield NamedFile("the file of exits that the book could not take", spill_path(db, account))
    for halt_file in settings.halt_files:
        yield NamedFile("the file that halts entries", halt_file)
    yield NamedFile("the folder of the backups", settings.book.backups)
    yield NamedFile("the configuration", settings.toml_file)
    yield NamedFile("the families file", settings.toml_file.parent / settings.families.file)
    yield NamedFile("the file of variables", Path(DOT_ENV))
    addresses = settings.alarms.urls_path()
    if addresses is not None:
        yield NamedFile("the file of the alarms' addresses", addresses)


def _is_same(one: Path, other: Path) -> bool:
    """Whether two paths are one file: by name, by a symbolic link or by a hard link."""
    if os.path.realpath(one) == os.path.realpath(other):
        return True
    try:
        return one.samefile(other)
    except OSError:
        return False


def _is_an_old_log(log: Path, other: Path) -> bool:
    """Whether clearing away old logs would take a file: the log's name, then a dot, then anything, then its ending."""
    if os.path.realpath(log.parent) != os.path.realpath(other.parent):
        return False
    stem, ending = glob.escape(log.stem), glob.escape(log.suffix)
    name = glob.escape(log.name)
    patterns = [name + ".*", *((f"{stem}.*{ending}", f"{stem}.*{ending}.*") if ending else ())]
    return any(fnmatch(other.name, pattern) for pattern in patterns)
