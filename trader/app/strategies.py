"""Loading a strategy by its name, `module:Class`."""

import importlib
import inspect
from collections.abc import Mapping
from typing import cast

from trader.domain.errors import ConfigurationError
from trader.services.ports import Strategy


def load_strategy(entry: str, params: Mapping[str, object]) -> Strategy:
    """Import a class and make a strategy of it. Raises ConfigurationError, saying which part is wrong."""
    module_name, _, class_name = entry.partition(":")
    if not module_name or not class_name:
        raise ConfigurationError(f"strategy {entry!r}: name it as package.module:Class")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise ConfigurationError(
            f"strategy {entry!r}: cannot import {module_name}: {type(error).__name__}: {error}"
        ) from error
    factory: object = getattr(module, class_name, None)
    if not inspect.isclass(factory):
        raise ConfigurationError(f"strategy {entry!r}: {module_name} has no class {class_name}")
    if not callable(getattr(factory, "on_bar", None)):
        raise ConfigurationError(f"strategy {entry!r}: the class has no method on_bar(bar)")
    try:
        return cast("Strategy", factory(**params))
    except Exception as error:
        raise ConfigurationError(
            f"strategy {entry!r} cannot be made with params {sorted(params)}: {type(error).__name__}: {error}"
        ) from error
