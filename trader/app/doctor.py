"""All checks, in the order in which they depend on one another."""

import os
import sqlite3
import sys
from collections.abc import Callable, Iterator

from trader.app import checks
from trader.app.alarm_channels import channels_of
from trader.app.book_checks import check_book, check_daemon, check_halt_files
from trader.app.checks import Check, fail, ok, warn
from trader.app.daemon import lock_path
from trader.app.former_book import former_book_check, undeclared_check
from trader.app.paths import check_paths, with_absolute_paths
from trader.app.settings import Settings
from trader.app.trying import try_parts
from trader.app.wiring import Parts
from trader.domain.errors import ConfigurationError
from trader.services.ports import Clock


def examine(
    read_settings: Callable[[], Settings], clock: Clock, *, full: bool, make: Callable[[Settings], Parts] = try_parts
) -> Iterator[Check]:
    """Look at everything. What needs the configuration is left out when that cannot be read.

    `make`: who starts a daemon next leaves its strategy untried; the start tries it.
    """
    now = clock.now()
    yield checks.check_python(sys.version_info[:3])
    yield checks.check_sqlite(sqlite3.sqlite_version_info)
    yield checks.check_dependencies(checks.LOCK)
    yield checks.check_clock(now)
    yield checks.check_environment(os.environ)
    try:
        settings = read_settings()
        parts = make(settings)
    except ConfigurationError as error:
        yield fail("configuration", str(error), "correct it; `trader config show` lists every key and its origin")
        return
    yield _configuration(parts)
    yield _paths(settings)
    if settings.mode == "live":
        yield _alarms(settings)
    yield checks.check_calendar(parts.calendar, now)
    yield from _around_the_book(settings)
    yield from check_book(settings.book.db, settings.mode, full=full)
    if settings.feed.kind == "ibkr":
        from trader.app.ibkr_checks import check_ibkr  # its library takes a third of a second to load

        yield from check_ibkr(settings, clock)


def _configuration(parts: Parts) -> Check:
    settings = parts.settings
    families = len(parts.families.families)
    return ok("configuration", f"{settings.toml_file}, {families} families, strategy {settings.strategy.entry}")


def _alarms(settings: Settings) -> Check:
    names = ", ".join(channel.name for channel in channels_of(settings))
    if names:
        return ok("alarms", f"are told by {names}; `trader alerts test` tries it")
    return warn("alarms", "nobody is told", "set TRADER_ALARMS__URLS, alarms.urls_file or alarms.command")


def _paths(settings: Settings) -> Check:
    try:
        check_paths(with_absolute_paths(settings))
    except ConfigurationError as error:
        return fail("paths", str(error), "give each file a name of its own")
    return ok("paths", "book, log and inbox are files of their own")


def _around_the_book(settings: Settings) -> Iterator[Check]:
    folder = settings.book.db.parent
    yield checks.check_folder("book's folder", folder)
    yield checks.check_space(folder)
    yield checks.check_folder("log's folder", settings.log.file.parent)
    yield former_book_check(settings)
    yield undeclared_check(settings)
    yield check_halt_files(settings.halt_files)
    yield check_daemon(lock_path(settings))
