"""What is wrong with a configuration, in words: which source, which key or variable, what is wrong, what was meant.

Values are never shown, for one may be a secret; those of the calendar's overrides are dates and times.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, DotEnvSettingsSource, EnvSettingsSource, SettingsError

from trader.app.variables import Variable, variable_of
from trader.domain.spelling import nearest

_IN_WORDS = {
    "ibkr.account": "has to be IB's id of an account: one to three capitals and digits, such as DU1234567",
    "ibkr.host": "has to be 127.0.0.1, localhost or ::1: the protocol is in clear text and stays on this host",
    "account.name": "has to begin with one of a to z; after it a to z, 0 to 9 and -, in all at most 12 characters",
    "strategy.entry": "has to be written as package.module:Class",
}
"""Keys whose rule is a pattern or a choice of one."""

_OVERRIDES = ("session", "overrides")
_ACCOUNTS = "accounts"
_OF_THE_KEY = "[key]"

Key = tuple[str, ...]


def known_keys(settings: type[BaseModel]) -> list[str]:
    """Every setting by its dotted name."""
    keys = []
    for name, field in settings.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            keys += [f"{name}.{key}" for key in section.model_fields]
        else:
            keys.append(name)
    return keys


def in_words(
    error: ValidationError,
    settings: type[BaseSettings],
    config: Path,
    variables: Sequence[Variable],
    flags: Mapping[str, object],
) -> str:
    """One line with every fault, each with the strongest source that names its key."""
    told = []
    for fault in error.errors(include_url=False, include_context=False):
        key = tuple(str(part) for part in fault["loc"] if part != _OF_THE_KEY)
        variable = None if _holds(flags, key) else _setting(key, settings, variables)
        source = f"flags: {'.'.join(key)}" if _holds(flags, key) else f"{config}: {'.'.join(key)}"
        if variable is not None:
            source = f"{variable.place} ({'.'.join(key)})"
        told.append(f"{source} {_said(fault, key, settings)}")
    return "; ".join(told)


def not_json(error: SettingsError, settings: type[BaseSettings], variables: Sequence[Variable]) -> str:
    """A variable that stands for a whole section or table, and is not written as one."""
    whole = {
        variable_of(key)
        for key in (*settings.model_fields, *_tables(settings))
        if f'"{key.partition(".")[0]}"' in str(error)
    }
    named = " or ".join(variable.place for variable in variables if variable.name.upper() in whole)
    return f'{named or error}: a whole section or table is written as JSON, such as {{"open_positions": 4}}'


def _said(fault: ErrorDetails, key: Key, settings: type[BaseModel]) -> str:
    if fault["type"] == "extra_forbidden":
        return f"is not a setting{_meant(key, settings)}"
    if key[:2] == _OVERRIDES and len(key) > len(_OVERRIDES):
        if fault["loc"][-1] == _OF_THE_KEY:
            return "is not a date; write it as 2026-11-24"
        return f'= {json.dumps(str(fault["input"]))} must be "closed" or a New York time such as "13:00"'
    if key[0] == _ACCOUNTS and fault["loc"][-1] == _OF_THE_KEY:
        return _IN_WORDS["account.name"]
    said = fault["msg"].replace("Input should be", "has to be").replace("Value error, ", "cannot be: ")
    return _IN_WORDS.get(".".join(key[-2:])) or said


def _meant(key: Key, settings: type[BaseModel]) -> str:
    """The nearest key: of those that could stand in its place, else of all."""
    beside = {name: ".".join((*key[:-1], name)) for name in _names_beside(key, settings)}
    anywhere = {known.rpartition(".")[2]: known for known in known_keys(settings)}
    for names in (beside, anywhere) if key[-1] not in anywhere else (anywhere,):
        meant = nearest(key[-1], names)
        if meant is not None:
            return f"; did you mean {names[meant]}?"
    return ""


def _names_beside(key: Key, settings: type[BaseModel]) -> list[str]:
    place: object = settings
    for part in key[:-1]:
        if isinstance(place, type) and issubclass(place, BaseModel):
            place = place.model_fields[part].annotation
        else:  # a table by names of the user's own: a symbol's exits
            place = get_args(place)[1]
    return list(place.model_fields) if isinstance(place, type) and issubclass(place, BaseModel) else []


def _setting(key: Key, settings: type[BaseSettings], variables: Sequence[Variable]) -> Variable | None:
    """The variable that a key's value comes from: its own, a part of it, or one that holds the whole section."""
    own = {variable_of(".".join(key[:length])) for length in range(1, len(key) + 1)}
    below = variable_of(".".join(key)) + "__"
    for source in (EnvSettingsSource(settings), DotEnvSettingsSource(settings)):
        if not _holds(source(), key):
            continue
        from_file = isinstance(source, DotEnvSettingsSource)
        fitting = [
            variable
            for variable in variables
            if (variable.line is not None) == from_file
            and (variable.name.upper() in own or variable.name.upper().startswith(below))
        ]
        return max(fitting, key=lambda variable: len(variable.name), default=None)
    return None


def _holds(table: Mapping[str, object], key: Key) -> bool:
    """Whether a table within tables has an entry at this path; names of variables have lost their capitals."""
    value: object = table
    for part in key:
        if not isinstance(value, Mapping):
            return False
        entries = {str(name).lower(): entry for name, entry in value.items()}
        if part.lower() not in entries:
            return False
        value = entries[part.lower()]
    return True


def _tables(settings: type[BaseSettings]) -> list[str]:
    """The keys whose value is a table by names of the user's own."""
    return [
        f"{name}.{key}"
        for name, field in settings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        for key, inner in field.annotation.model_fields.items()
        if get_origin(inner.annotation) is dict
    ]
