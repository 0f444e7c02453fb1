"""Every breaker with its formula, limit and inputs: as the daemon measures it now, or as the book has it."""

import sqlite3
from collections.abc import Mapping
from datetime import UTC

from trader.adapters.sqlite.queries import QUERIES
from trader.adapters.sqlite.rows import read_latch
from trader.app.settings import Settings
from trader.domain.breaker import KINDS, Breaker, Latch, formula_of

COLUMNS = ("breaker", "scope", "target", "state", "measured", "limit", "formula", "inputs", "action", "since", "cause")
"""Of a row, for a table; `--json` has the same keys."""

BreakerRow = Mapping[str, object]


def read_breakers(book: sqlite3.Connection, settings: Settings, told: object) -> list[BreakerRow]:
    """A row for each breaker, and for each target that it has tripped of. `told`: the daemon's own list, if any."""
    if isinstance(told, list):
        return [{name: row.get(name) for name in COLUMNS} for row in told if isinstance(row, dict)]
    account = settings.account.name
    latches = [read_latch(tuple(row)) for row in book.execute(QUERIES["latches"], (account,))]
    rules = settings.rules().breaker_rules
    rows: list[BreakerRow] = []
    for breaker in Breaker:
        rule, tripped = rules[breaker], [_tripped(latch) for latch in latches if latch.breaker is breaker]
        armed: BreakerRow = {
            "breaker": breaker.value,
            "scope": KINDS[breaker].scope.value,
            "target": "",
            "state": "armed" if rule.enabled else "off",
            "measured": None,
            "limit": rule.limit,
            "formula": formula_of(breaker, rule),
            "inputs": {},
            "action": "flatten" if rule.flattens else "stop_entries",
            "since": "",
            "cause": "",
        }
        rows += tripped or [armed]
    return rows


def _tripped(latch: Latch) -> BreakerRow:
    return {
        "breaker": latch.breaker.value,
        "scope": latch.scope.value,
        "target": latch.target,
        "state": "tripped",
        "measured": latch.measured,
        "limit": latch.limit,
        "formula": latch.formula,
        "inputs": dict(latch.inputs),
        "action": "flatten" if latch.flattens else "stop_entries",
        "since": latch.tripped_at.astimezone(UTC).isoformat(timespec="seconds"),
        "cause": latch.cause,
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
    whose = f" --{row['scope']} {row['target']}" if row["target"] else ""
    return f"trader resume --breaker {row['breaker']}{whose} --reason ..."
