"""`trader reconcile --all-accounts`: of every account, what its broker and its database hold."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from trader.app.cli.accounts import undeclared
from trader.app.cli.context import account_of, settings_of_every_account
from trader.app.cli.output import Exit, complain, is_terminal, say, show_rows
from trader.domain.holdings import Differs

if TYPE_CHECKING:  # they need the settings, which are slow to import
    from trader.app.every_account import Holdings, Look
    from trader.app.settings import Settings

_OF_AN_ACCOUNT = ("account", "broker", "database", "matched", "phantom", "missing", "quantity_differs")
_OF_AN_INSTRUMENT = ("account", "symbol", "difference", "database", "broker")
_UNKNOWN = "unknown"


def reconcile_every_account(config: Path | None, db: Path | None, *, as_json: bool) -> None:
    """Ask, compare, show. Ends with an exit code where not everything is known to match."""
    from trader.app.every_account import look_at, look_at_undeclared

    every = settings_of_every_account(config, db)

    async def look() -> "list[Look]":
        return [await look_at(settings, _read) for settings in every]

    others = (look_at_undeclared(settings, _read) for settings in undeclared(every))
    looks = [*asyncio.run(look()), *(one for one in others if one is not None)]
    if as_json:
        show_rows((*_OF_AN_ACCOUNT, "differences", "why"), map(_as_json, looks), as_json=True)
    else:
        _show(looks)
    for one in looks:
        for why in one.why:
            complain(f"{one.account}: {why}")
    code = _exit(looks)
    if code is not Exit.OK:
        raise typer.Exit(code)


def _read(settings: "Settings") -> "Holdings":
    from trader.app.every_account import read_holdings

    with account_of(settings) as (book, account, _):
        return read_holdings(book, account)


def _exit(looks: "list[Look]") -> Exit:
    if any(one.comparison is not None and one.comparison.differences for one in looks):
        return Exit.FINDINGS
    if any(one.book is None for one in looks):
        return Exit.USAGE
    return Exit.BROKER_UNREACHABLE if any(one.broker is None for one in looks) else Exit.OK


def _show(looks: "list[Look]") -> None:
    show_rows(_OF_AN_ACCOUNT, map(_counts, looks), as_json=False, title="Broker and database")
    rows = [row for one in looks for row in _differences(one)]
    if rows or not is_terminal():
        say("")
        show_rows(_OF_AN_INSTRUMENT, rows, as_json=False, title="What differs")


def _counts(one: "Look") -> list[object]:
    """Numbers of instruments; never 0 of what is unknown."""
    found = one.comparison
    held = [_UNKNOWN if side is None else sum(map(bool, side.values())) for side in (one.broker, one.book)]
    if found is None:
        return [one.account, *held, *[_UNKNOWN] * (1 + len(Differs))]
    return [one.account, *held, f"{found.matched}/{found.instruments}", *(found.count(kind) for kind in Differs)]


def _differences(one: "Look") -> list[list[object]]:
    found = one.comparison.differences if one.comparison is not None else ()
    return [[one.account, row.symbol, row.kind, row.book, row.broker] for row in found]


def _as_json(one: "Look") -> list[object]:
    rows = [dict(zip(_OF_AN_INSTRUMENT[1:], row[1:], strict=True)) for row in _differences(one)]
    return [*_counts(one), rows, list(one.why)]
