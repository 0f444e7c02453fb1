"""The channels of a configuration: one for each address of Apprise's, and one for the command.

Rule 1: an address holds secrets. It comes from the environment or from a file that its owner alone may read; from
anywhere else it is refused, and no message of ours quotes it.
Rule 2: a channel that cannot be made is an error at the start, not at the first alarm.

An address stands on a line of its own, with a name and the least severity that it is for, if it has one:

    mailtos://user:password@example.com
    phone critical = tgram://bot-token/chat-id
"""

import re
import stat
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pydantic_settings import TomlConfigSettingsSource

from trader.adapters.alarms.programs import Program
from trader.app.settings import Settings
from trader.app.variables import DOT_ENV, read_variables, variable_of
from trader.domain.alarm import Severity
from trader.domain.errors import ConfigurationError

_LINE = re.compile(
    r"(?:(?P<name>[a-z][a-z0-9_-]{0,19})(?:\s+(?P<least>\w+))?\s*=\s*)?(?P<url>(?P<scheme>[a-z][a-z0-9+.-]*)://\S+)"
)
SENDER = (sys.executable, "-m", "trader.adapters.alarms.apprise_sender")
_COMMAND = "command"


class _Address(NamedTuple):
    name: str
    least: Severity
    url: str


def channels_of(settings: Settings) -> tuple[Program, ...]:
    """Every channel that is configured. Raises ConfigurationError."""
    alarms = settings.alarms
    found = [
        Program(one.name, SENDER, alarms.deadline_s, one.least, secrets={"url": one.url})
        for one in _addresses(settings)
    ]
    if alarms.command:
        found.append(Program(_COMMAND, alarms.command, alarms.deadline_s))
    twice = [name for name, times in Counter(channel.name for channel in found).items() if times > 1]
    if twice:
        raise ConfigurationError(f"two channels of alarms are called {twice[0]}; give each a name: NAME = URL")
    return tuple(found)


def _addresses(settings: Settings) -> Iterator[_Address]:
    alarms = settings.alarms
    if alarms.urls is not None:
        _check_source(settings)
        yield from _read(alarms.urls.get_secret_value(), variable_of("alarms.urls"))
    path = alarms.urls_path()
    if path is not None:
        yield from _read(_secret_text(path), str(path))


def _check_source(settings: Settings) -> None:
    """Where `alarms.urls` stands. Raises ConfigurationError where others may read it."""
    in_file = TomlConfigSettingsSource(type(settings), settings.toml_file)().get("alarms")
    name = variable_of("alarms.urls")
    if isinstance(in_file, dict) and in_file.get("urls"):
        raise ConfigurationError(
            f"{settings.toml_file}: alarms.urls holds secrets and does not belong there; set {name} in the "
            "environment, or name a file that its owner alone may read: alarms.urls_file"
        )
    if any(variable.name.upper() == name and variable.line is not None for variable in read_variables()):
        _check_private(Path(DOT_ENV).absolute())


def _secret_text(path: Path) -> str:
    try:
        _check_private(path)
        return path.read_text("utf-8")
    except OSError as error:
        raise ConfigurationError(f"cannot read alarms.urls_file {path}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ConfigurationError(f"alarms.urls_file {path} is not text in UTF-8; write it anew") from None


def _check_private(path: Path) -> None:
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise ConfigurationError(f"{path} holds secrets and others may read it: chmod 600 {path}")


def _read(text: str, place: str) -> Iterator[_Address]:
    unnamed: Counter[str] = Counter()
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None or match["least"] not in (None, *Severity):
            raise ConfigurationError(
                f"{place} line {number} is no address; write it as URL, or as NAME = URL, or as NAME critical = URL"
            )
        scheme = match["scheme"]
        unnamed[scheme] += not match["name"]
        name = match["name"] or (scheme if unnamed[scheme] == 1 else f"{scheme}-{unnamed[scheme]}")
        yield _Address(name, Severity(match["least"] or Severity.INFO), match["url"])
