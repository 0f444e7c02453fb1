"""Loading a strategy by its name, `module:Class`."""

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import TypeVar, cast

from trader.domain.errors import ConfigurationError
from trader.services.ports import Strategy

_Made = TypeVar("_Made")


def load_strategy(entry: str, params: Mapping[str, object]) -> Strategy:
    """Import a class and make a strategy of it. Raises ConfigurationError, saying which part is wrong."""
    module_name, _, class_name = entry.partition(":")
    if not module_name or not class_name:
        raise ConfigurationError(f"strategy {entry!r}: name it as package.module:Class")
    module = _of_a_stranger(
        lambda: importlib.import_module(module_name), f"strategy {entry!r}: cannot import {module_name}"
    )
    factory: object = getattr(module, class_name, None)
    if not inspect.isclass(factory):
        raise ConfigurationError(f"strategy {entry!r}: {module_name} has no class {class_name}")
    made: Callable[..., object] = factory
    if not callable(getattr(factory, "on_bar", None)):
        raise ConfigurationError(f"strategy {entry!r}: the class has no method on_bar(bar)")
    strategy = _of_a_stranger(lambda: made(**params), f"strategy {entry!r} cannot be made with params {sorted(params)}")
    return cast("Strategy", strategy)


def _of_a_stranger(make: Callable[[], _Made], what_failed: str) -> _Made:
    """Run code that is not ours. It may raise anything, also what would end this program; only Ctrl-C may do that."""
    try:
        return make()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise ConfigurationError(f"{what_failed}: {type(error).__name__}: {_said(error)}") from error


def _said(error: BaseException) -> str:
    try:
        return str(error)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001  (an exception whose own text raises)
        return "without a text"
