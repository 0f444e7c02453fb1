"""`trader ledger`: each position with its exits, whether they are armed, and what book and broker do not agree on."""

import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from trader.adapters.sqlite.queries import QUERIES
from trader.adapters.sqlite.rows import read_drift
from trader.app.cli.context import ConfigOption, DbOption, JsonOption, account_of, settings_for
from trader.app.cli.output import Exit, complain, is_terminal, say, show_facts, show_rows
from trader.domain.consistency import Consistency
from trader.domain.portfolio import Drift

if TYPE_CHECKING:  # the standing needs the settings, which are slow to import
    from trader.app.armed_exits import ArmedExits

_POSITIONS = ("symbol", "quantity", "armed", "entry", "initial_stop", "stop_loss", "take_profit", "state")
_DRIFT = ("symbol", "book", "broker", "since", "what", "way_out")


def ledger_command(config: ConfigOption = None, db: DbOption = None, as_json: JsonOption = False) -> None:
    """Positions and their exits, held against what the daemon armed in its last scan, and against the broker."""
    from trader.app.armed_exits import read_armed_exits
    from trader.app.standing import ask_daemon

    settings = settings_for(config, db)

    with account_of(settings) as (book, account, _):
        exits = _twice(lambda: read_armed_exits(book, account, ask_daemon(settings)))
        positions = _positions(book, account, exits)
        drift = [read_drift(tuple(row)) for row in book.execute(QUERIES["drift"], (account,))]
    if as_json:
        show_facts(_as_json(exits, positions, drift), as_json=True)
    else:
        _show(exits, positions, drift)
    if drift or exits.consistency is not Consistency.CONSISTENT:
        raise typer.Exit(Exit.FINDINGS)


def _twice(look: Callable[[], "ArmedExits"]) -> "ArmedExits":
    """A fill may be booked between two looks: a gap has to be there the second time, too."""
    exits = look()
    return exits if exits.consistency is Consistency.CONSISTENT else look()


def _positions(book: sqlite3.Connection, account: str, exits: "ArmedExits") -> list[dict[str, object]]:
    rows = book.execute("SELECT * FROM armed_exits WHERE account = ? ORDER BY symbol", (account,)).fetchall()
    return [
        {name: row[name] if name != "armed" else exits.armed.get(row["symbol"], 0) for name in _POSITIONS}
        for row in rows
    ]


def _drift_row(drift: Drift) -> dict[str, object]:
    return {**drift._asdict(), "what": drift.what, "way_out": drift.way_out}


def _as_json(exits: "ArmedExits", positions: list[dict[str, object]], drift: list[Drift]) -> dict[str, object]:
    return {
        "consistency": exits.consistency,
        "scanned_at": exits.scanned_at,
        "positions": positions,
        "gaps": [gap._asdict() for gap in exits.gaps],
        "drift": [_drift_row(row) for row in drift],
    }


def _show(exits: "ArmedExits", positions: list[dict[str, object]], drift: list[Drift]) -> None:
    if is_terminal():
        say(f"Exits: {exits.in_words()}")
    else:
        show_facts({"consistency": exits.consistency, "scanned_at": exits.scanned_at}, as_json=False)
        say("")
    show_rows(_POSITIONS, [[row[name] for name in _POSITIONS] for row in positions], as_json=False, title="Positions")
    if drift or not is_terminal():
        rows = [_drift_row(row) for row in drift]
        say("")
        show_rows(
            _DRIFT,
            [[row[name] for name in _DRIFT] for row in rows],
            as_json=False,
            title="Book and broker differ",
            least=("since",),
        )
    for gap in exits.gaps:
        complain(f"NOT WATCHED: {gap.symbol} {gap.held} held, {gap.armed} armed{f': {gap.why}' if gap.why else ''}")
