"""Every breaker with its formula, limit and inputs: as the daemon measures it now, or as the book has it."""

import sqlite3
from collections.abc import Mapping

from trader.adapters.sqlite.queries import QUERIES
from trader.adapters.sqlite.rows import read_latch
from trader.app.settings import Settings
from trader.domain.breaker import way_out_of
from trader.domain.breaker_standing import Standing, standings

COLUMNS = ("breaker", "scope", "target", "state", "measured", "limit", "formula", "inputs", "action", "since", "cause")
"""Of a row, for a table; `--json` has the same keys."""

BreakerRow = Mapping[str, object]


def read_breakers(book: sqlite3.Connection, settings: Settings, told: object) -> list[BreakerRow]:
    """A row for each breaker, and for each target that it has tripped of. `told`: the daemon's own list, if any."""
    if isinstance(told, list):
        return [{name: row.get(name) for name in COLUMNS} for row in told if isinstance(row, dict)]
    latches = [read_latch(tuple(row)) for row in book.execute(QUERIES["latches"], (settings.account.name,))]
    return [row_of(standing) for standing in standings(settings.rules().breaker_rules, latches, {})]


def row_of(standing: Standing) -> dict[str, object]:
    """Its row, in plain values."""
    return {
        "breaker": standing.breaker.value,
        "scope": standing.scope.value,
        "target": standing.target,
        "state": standing.state,
        "measured": standing.measured,
        "limit": standing.limit,
        "formula": standing.formula,
        "inputs": dict(standing.inputs),
        "action": "flatten" if standing.flattens else "stop_entries",
        "since": standing.since.isoformat(timespec="seconds") if standing.since is not None else "",
        "cause": standing.cause,
    }


def inputs_in_words(inputs: object) -> str:
    """`equity 96,000.00, opening_equity 100,000.00`."""
    if not isinstance(inputs, Mapping):
        return ""
    return ", ".join(
        f"{name} {value:,}" if isinstance(value, int | float) else f"{name} {value}" for name, value in inputs.items()
    )


def way_out(row: BreakerRow) -> str:
    """The command that clears it."""
    return f"{way_out_of(str(row['breaker']), str(row['scope']), str(row['target']))} --reason ..."
