"""What `trader doctor` looks at on the host: Python, packages, configuration, calendar, folders, clock.

Each check says what is so and, where that is not good, what to do. A check that cannot be made fails; it never passes.
"""

import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from trader.domain.session import Calendar, new_york_date

LOCK = Path(__file__).parents[2] / "requirements.lock"
"""Beside the program, where it runs from its own folder."""

_OLDEST, _TOO_NEW = (3, 11), (3, 14)
_OLDEST_SQLITE = (3, 37)
_OLDEST_CLOCK = 2025
_ENOUGH_BYTES = 1_000_000_000
_PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)\s*(?:;\s*(?P<marker>[^\\]*))?")
_OTHER_PLATFORM = re.compile(r"sys_platform\s*==\s*'(?P<platform>\w+)'\s*")
_NAMED = 5


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


class Check(NamedTuple):
    """One line."""

    verdict: Verdict
    what: str
    said: str
    todo: str = ""


def ok(what: str, said: str) -> Check:
    """It is as it should be."""
    return Check(Verdict.OK, what, said)


def warn(what: str, said: str, todo: str) -> Check:
    """It can be lived with."""
    return Check(Verdict.WARN, what, said, todo)


def fail(what: str, said: str, todo: str) -> Check:
    """Nothing should be started like this."""
    return Check(Verdict.FAIL, what, said, todo)


def check_python(running: tuple[int, ...]) -> Check:
    """The versions that the tests run on."""
    said = ".".join(str(number) for number in running)
    if _OLDEST <= running[:2] < _TOO_NEW:
        return ok("python", said)
    return fail("python", said, "use Python 3.11, 3.12 or 3.13; scripts/environment finds one")


def check_sqlite(running: tuple[int, ...]) -> Check:
    """STRICT tables came with 3.37."""
    said = ".".join(str(number) for number in running)
    if running[:2] >= _OLDEST_SQLITE:
        return ok("sqlite", said)
    return fail("sqlite", said, "SQLite 3.37 or newer is needed; use a newer Python")


def check_dependencies(lock: Path) -> Check:
    """What is installed has to be what was tested, to the version."""
    if not lock.is_file():
        return ok("dependencies", f"not compared: there is no {lock.name} beside the program")
    pins = _pins(lock.read_text("utf-8"))
    wrong = [f"{name} {_installed(name) or 'missing'} (want {pin})" for name, pin in pins if _installed(name) != pin]
    if not wrong:
        return ok("dependencies", f"{len(pins)} packages as in {lock.name}")
    more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
    return fail("dependencies", ", ".join(wrong[:_NAMED]) + more, f"scripts/environment {lock.name}")


def _pins(text: str) -> list[tuple[str, str]]:
    """Name and version of every package that the lock file wants on this platform."""
    pins = []
    for line in text.splitlines():
        match = _PIN.match(line)
        if match is None:
            continue
        other = _OTHER_PLATFORM.fullmatch(match["marker"] or "")
        if other is None or other["platform"] == sys.platform:
            pins.append((match["name"], match["version"]))
    return pins


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def check_environment(environment: Mapping[str, str]) -> Check:
    """Which variables have a say. Their values may be secrets and are not shown."""
    names = sorted(name for name in environment if name.startswith("TRADER_"))
    return ok("environment", f"set: {', '.join(names)}" if names else "no TRADER_ variable is set")


def check_calendar(calendar: Calendar, now: datetime) -> Check:
    """A date beyond the calendar cannot be traded, and a year is soon over."""
    today = new_york_date(now)
    said = f"{calendar.first} to {calendar.last}"
    todo = "run scripts/make_calendar.py with a newer exchange_calendars, or install a newer version"
    if not calendar.first <= today <= calendar.last:
        return fail("calendar", f"{said}, today is {today}", todo)
    if calendar.last < today + timedelta(days=365):
        return warn("calendar", f"{said}, less than a year ahead", todo)
    return ok("calendar", said)


def check_clock(now: datetime) -> Check:
    """A host that has lost its clock begins in 1970."""
    said = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    if now.year >= _OLDEST_CLOCK:
        return ok("clock", said)
    return fail("clock", said, "set the host's clock; timedatectl set-ntp true")


def check_folder(what: str, folder: Path) -> Check:
    """Whether a file can be made in a folder, by making one without a name."""
    if not folder.is_dir():
        return fail(what, f"there is no folder {folder.absolute()}", "make it, or name another one")
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ok(what, f"{folder.resolve()} can be written")
    except OSError as error:
        todo = f"make the folder, or see whose it is: ls -ld {folder}"
        return fail(what, f"{folder} cannot be written: {error.strerror}", todo)


def check_space(folder: Path, needed_bytes: int = _ENOUGH_BYTES) -> Check:
    """A full disk stops entries."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return fail("disk space", f"could not check {folder}: {error.strerror}", "make the folder")
    if free < needed_bytes:
        return warn("disk space", f"{free / 1e9:.1f} GB free", "free some: a full disk stops entries")
    return ok("disk space", f"{free / 1e9:.1f} GB free")
