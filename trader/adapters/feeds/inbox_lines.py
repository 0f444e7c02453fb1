"""One line of an inbox file -> Signal. Nothing is believed of it; a fault is a ValueError that says what is wrong."""

import json
import math
from datetime import datetime

from trader.domain.decision import UNSTAMPED, Signal

_KEYS = frozenset({"id", "symbol", "probability", "timestamp"})
_LONGEST_LINE = 10_000
_LONGEST_ID = 64


def read_line(raw: bytes, length: int, *, dated: bool) -> Signal:
    """One line of `length` bytes as a signal, which has to carry its time if `dated`. Of a long one a part is enough.

    Raises ValueError saying what is wrong with it.
    """
    if length > _LONGEST_LINE:
        raise ValueError(f"longer than {_LONGEST_LINE} bytes")
    item = _object(raw)
    unknown = sorted(set(item) - _KEYS)
    if unknown:
        raise ValueError(f"unknown key {ascii(unknown[0])[:40]}")
    symbol, identity, timestamp = item.get("symbol"), item.get("id", ""), item.get("timestamp")
    if not isinstance(symbol, str):
        raise ValueError("symbol is missing or not a text")
    probability = _number(item.get("probability"))
    if (
        not isinstance(identity, str)
        or not identity.isascii()
        or not identity.isprintable()
        or len(identity) > _LONGEST_ID
    ):
        raise ValueError(f"id is not a printable text of at most {_LONGEST_ID} characters")
    if dated and timestamp is None:
        raise ValueError("no timestamp, and written while nobody was reading")
    return Signal(symbol, probability, _timestamp(timestamp), identity)


def _object(raw: bytes) -> dict[str, object]:
    try:
        item = json.loads(raw.decode("utf-8"))
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from error
    except RecursionError as error:
        raise ValueError("not JSON of ours: nested too deeply") from error
    if not isinstance(item, dict):
        raise ValueError("not a JSON object")
    return item


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("probability is missing or not a number")
    try:
        number = float(value)
    except OverflowError as error:
        raise ValueError("probability is too large for a number") from error
    if not math.isfinite(number):
        raise ValueError("probability is missing or not a number")
    return number


def _timestamp(value: object) -> datetime:
    if value is None:
        return UNSTAMPED
    if not isinstance(value, str):
        raise ValueError("timestamp is not a text")
    at = datetime.fromisoformat(value)
    if at.tzinfo is None:
        raise ValueError("timestamp has no time zone")
    return at
