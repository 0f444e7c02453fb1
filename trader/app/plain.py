"""Values as JSON knows them: what a program reads of a page, and of a report."""

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date


def plain(value: object) -> object:
    """Named tuples and dataclasses as objects, times as ISO-8601, everything else as JSON has it or as its text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    names = getattr(value, "_fields", None)
    if names is not None:
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, Iterable):
        return [plain(part) for part in value]
    return str(value)
