"""The exchange's calendar: a table shipped with the program, corrected by the operator's overrides.

`xnys.json` is written by `scripts/make_calendar.py`. Reading it takes about a millisecond.
"""

import json
from collections.abc import Mapping
from datetime import date, time
from pathlib import Path
from typing import TypedDict

from trader.domain.errors import ConfigurationError
from trader.domain.session import Calendar, Cutoffs

_TABLE = Path(__file__).with_name("xnys.json")
_OPEN, _CLOSE = time(9, 30), time(16)
_DEFAULT_CUTOFFS = Cutoffs()


class _Table(TypedDict):
    first: str
    last: str
    closures: list[str]
    early_closes: dict[str, str]


def load_calendar(cutoffs: Cutoffs = _DEFAULT_CUTOFFS, overrides: Mapping[date, time | None] | None = None) -> Calendar:
    """Read the New York Stock Exchange's sessions.

    An override is the exchange's word of a date, newer than the table: None means closed, a time is the close in New
    York. It may turn a holiday into a session. Raises ConfigurationError for one that cannot be.
    """
    table: _Table = json.loads(_TABLE.read_text(encoding="utf-8"))
    first, last = date.fromisoformat(table["first"]), date.fromisoformat(table["last"])
    closures = {date.fromisoformat(day) for day in table["closures"]}
    early = {date.fromisoformat(day): time.fromisoformat(close) for day, close in table["early_closes"].items()}
    for day, close in (overrides or {}).items():
        _check_override(day, close, first, last)
        closures.discard(day)
        early.pop(day, None)
        if close is None:
            closures.add(day)
        elif close != _CLOSE:
            early[day] = close
    return Calendar(first=first, last=last, closures=frozenset(closures), early_closes=early, cutoffs=cutoffs)


def _check_override(day: date, close: time | None, first: date, last: date) -> None:
    if not first <= day <= last:
        raise ConfigurationError(f"calendar override {day}: the calendar knows {first} to {last}; remove the override")
    if close is None:
        return
    if day.weekday() >= 5:
        raise ConfigurationError(f"calendar override {day}: that is a {day:%A}; only weekdays have a session")
    if close.tzinfo is not None or not _OPEN < close <= _CLOSE:
        raise ConfigurationError(
            f"calendar override {day}: close {close} must be a New York time without a zone, after 09:30, at most 16:00"
        )
