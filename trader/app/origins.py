"""Every setting with its value and where that came from: default, file, account, .env, env or flag."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pydantic import SecretStr
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource, TomlConfigSettingsSource

from trader.app.settings import Settings

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SECRET = re.compile(r"password|secret|token|api_?key|webhook", re.IGNORECASE)
_MASK = "********"

Key = tuple[str, ...]


class Setting(NamedTuple):
    """One key with its value as TOML and JSON know it. A secret is masked."""

    key: str
    value: object
    origin: str

    def as_toml(self) -> str:
        """One line of TOML, with the origin as its comment. What is not set is a comment: TOML has no word for it."""
        if self.value is None:
            return f"# {self.key} is not set"
        return f"{self.key} = {_toml(self.value)}  # {self.origin}"


def settings_with_origins(settings: Settings, flags: Mapping[str, object]) -> list[Setting]:
    """Every key there is. Its origin is the strongest source that names it."""
    kind = type(settings)
    sources: tuple[tuple[str, Mapping[str, object]], ...] = (
        ("flag", flags),
        ("env", EnvSettingsSource(kind)()),
        (".env", DotEnvSettingsSource(kind)()),
        ("account", settings.of_account),
        ("file", TomlConfigSettingsSource(kind, settings.toml_file)()),
    )
    named = [(origin, {_plain(key) for key, _ in _leaves(source)}) for origin, source in sources]
    return [
        Setting(
            ".".join(part if _BARE.fullmatch(part) else json.dumps(part) for part in key),
            _masked(key[-1], value),
            next((origin for origin, keys in named if _plain(key) in keys), "default"),
        )
        for key, value in _leaves(settings.model_dump(exclude={"accounts"}))
    ]


def _leaves(table: Mapping[str, object], above: Key = ()) -> Iterator[tuple[Key, object]]:
    """Every value by its path; an empty table is a value, too."""
    for name, value in table.items():
        path = (*above, str(name))
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, path)
        else:
            yield path, value


def _plain(key: Key) -> Key:
    """Without capitals, which names of variables lose: a symbol's exits are the same in any."""
    return tuple(part.lower() for part in key)


def _masked(name: str, value: object) -> object:
    if isinstance(value, SecretStr) or (_SECRET.search(name) and value):
        return _MASK
    if isinstance(value, tuple):
        return list(value)
    return value if isinstance(value, bool | int | float | Mapping | None) else str(value)


def _toml(value: object) -> str:
    """A value as TOML writes it. Times and paths are texts here, which the configuration reads just as well."""
    if isinstance(value, Mapping):
        return "{}"
    return json.dumps(value)
