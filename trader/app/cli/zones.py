"""Stored times are UTC. A terminal shows them in New York with the zone named; pipes and JSON get them as stored."""

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from trader.domain.errors import ConfigurationError
from trader.domain.session import NEW_YORK

TzOption = Annotated[
    str, typer.Option("--tz", help="Show times in this zone: UTC, Europe/Berlin. A terminal's default is New York.")
]

TIMES = frozenset(
    {"timestamp", "opened_at", "closed_at", "created_at", "updated_at", "first_at", "last_at", "reconciled_at"}
)
"""Columns of the views that hold a time."""


def zone(name: str) -> ZoneInfo:
    """The zone of this name. Raises ConfigurationError."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise ConfigurationError(f"--tz {name!r} is no time zone; write it as UTC, America/New_York") from error


def on_terminal(at: datetime, name: str = "") -> str:
    """An instant as a person reads it: `2025-06-23 10:31:00 EDT`."""
    return f"{at.astimezone(zone(name) if name else NEW_YORK):%Y-%m-%d %H:%M:%S %Z}"


def in_zone(
    columns: Sequence[str], rows: Iterable[Sequence[object]], name: str, *, as_json: bool
) -> list[list[object]]:
    """Rows with their stored times, ISO-8601 UTC, in the way that fits the reader: as a time where a table shows it."""
    there = zone(name) if name else None
    to_table = not as_json and sys.stdout.isatty()
    places = [place for place, column in enumerate(columns) if column in TIMES]
    told: list[list[object]] = []
    for row in rows:
        cells = list(row)
        for place in places:
            if cells[place] is not None and (to_table or there is not None):
                at = datetime.fromisoformat(str(cells[place])).astimezone(there or NEW_YORK)
                cells[place] = at if to_table else at.isoformat(timespec="milliseconds")
        told.append(cells)
    return told
