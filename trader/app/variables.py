"""Settings as variables, of the environment and of the file `.env`: which are ours, and where each was set."""

import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from pydantic_settings import BaseSettings, DotEnvSettingsSource

from trader.domain.errors import ConfigurationError
from trader.domain.spelling import nearest

PREFIX = "TRADER_"
DOT_ENV = ".env"
_ACCOUNT_NAME = "ACCOUNT_NAME"

_NOT_SETTINGS = frozenset({"TRADER_MARKET_DATA", "TRADER_VENV", "TRADER_PYTHON", "TRADER_TEST_PROCESSES"})
"""Variables with our prefix that are no configuration: the scripts' own, and where the tests find real bars."""


_LINE = re.compile(r"\s*(?:export\s+)?'?(?P<name>[^=#\s']+)")


class Variable(NamedTuple):
    """A variable of ours, as it was written, and where."""

    name: str
    line: int | None
    """Of `.env`; None in the environment."""

    @property
    def place(self) -> str:
        """Its source and name, to begin a sentence with."""
        if self.line is None:
            return f"environment variable {self.name}"
        return f"{DOT_ENV} line {self.line}: {self.name}"


def variable_of(key: str) -> str:
    """The variable that sets a dotted key."""
    return PREFIX + key.replace(".", "__").upper()


def read_variables() -> list[Variable]:
    """Every variable with our prefix, the strongest first; what else is in `.env` belongs to others.

    Raises ConfigurationError when there is a `.env` that cannot be read.
    """
    of_environment = [Variable(name, None) for name in sorted(os.environ)]
    return [variable for variable in (*of_environment, *_of_dot_env()) if variable.name.upper().startswith(PREFIX)]


def _of_dot_env() -> list[Variable]:
    path = Path(DOT_ENV)
    if not path.is_file():
        return []
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise ConfigurationError(f"cannot read {path.absolute()}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path.absolute()} is not text in UTF-8; write it anew") from error
    found = [Variable(match["name"], number) for number, line in enumerate(lines, 1) if (match := _LINE.match(line))]
    return found[::-1]  # of two lines with one name the last one counts


def account_name() -> str:
    """Which account is meant, by ACCOUNT_NAME of the environment, else of `.env`; empty where neither says."""
    in_file = DotEnvSettingsSource(BaseSettings, env_file=DOT_ENV).env_vars
    return os.environ.get(_ACCOUNT_NAME) or in_file.get(_ACCOUNT_NAME.lower()) or ""


def check_names(variables: Collection[Variable], keys: Collection[str]) -> None:
    """A misspelt variable would be ignored in silence: find it, and name the nearest. Raises ConfigurationError."""
    known = {variable_of(key) for key in keys}
    sections = {variable_of(key.partition(".")[0]) for key in keys}
    for variable in variables:
        name = variable.name.upper()
        if name in {*known, *sections, *_NOT_SETTINGS} or any(name.startswith(f"{key}__") for key in known):
            continue
        near = nearest(name.removeprefix(PREFIX), (of_setting.removeprefix(PREFIX) for of_setting in known))
        meant = f"; did you mean {PREFIX}{near}?" if near is not None else ""
        raise ConfigurationError(f"{variable.place} is not a setting{meant}")
