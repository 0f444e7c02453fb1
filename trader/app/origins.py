"""Every setting with its value and where that came from: default, file, .env, environment or flag."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date, time
from pathlib import Path
from typing import NamedTuple

from pydantic import SecretStr
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource, TomlConfigSettingsSource

from trader.app.settings import Settings

_SECRET = re.compile(r"password|secret|token|api_?key|webhook", re.IGNORECASE)
_MASK = "********"


class Setting(NamedTuple):
    """One key."""

    key: str
    value: object
    origin: str

    def as_toml(self) -> str:
        """One line of TOML, with the origin as its comment."""
        return f"{self.key} = {_toml(self.value)}  # {self.origin}"


def settings_with_origins(settings: Settings, flags: Mapping[str, Mapping[str, object]]) -> list[Setting]:
    """Every key there is, in the order of the configuration file. The strongest source that names a key is its origin."""
    kind = type(settings)
    sources: list[tuple[str, Mapping[str, object]]] = [
        ("flag", flags),
        ("environment", EnvSettingsSource(kind)()),
        (".env", DotEnvSettingsSource(kind)()),
        ("file", TomlConfigSettingsSource(kind, settings.toml_file)()),
    ]
    named = [(origin, {key.lower() for key, _ in _leaves(source)}) for origin, source in sources]
    return [
        Setting(
            ".".join(_quoted(part) for part in key),
            _masked(key[-1], value),
            next((origin for origin, keys in named if ".".join(key).lower() in keys), "default"),
        )
        for key, value in []
    ]
