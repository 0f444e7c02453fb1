"""`trader breakers`: every breaker with its formula, what it measures now, its limit, and since when it has tripped."""

from typing import Annotated

import typer

from trader.app.cli.context import ConfigOption, DbOption, JsonOption, account_of, settings_for
from trader.app.cli.output import Exit, is_terminal, say, show_facts, show_rows
from trader.app.cli.zones import TzOption, in_zone

_TO_PERSON = ("breaker", "state", "measured", "limit", "target", "formula", "since")
_LEAST = ("breaker", "state", "measured", "limit")


def breakers_command(
    tripped: Annotated[bool, typer.Option("--tripped", help="Only those that have tripped.")] = False,
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
    tz: TzOption = "",
) -> None:
    """What stops entries by itself: armed, tripped or off, each with its formula. Exit code 4 when one has tripped."""
    from trader.app.breakers_list import COLUMNS, inputs_in_words, read_breakers, way_out
    from trader.app.standing import ask_daemon

    settings = settings_for(config, db)
    daemon = ask_daemon(settings)
    with account_of(settings) as (book, _, _):
        rows = read_breakers(book, settings, daemon.answer.get("breakers") if daemon.answer is not None else None)
    down = [row for row in rows if row["state"] == "tripped"]
    shown = down if tripped else rows
    if as_json:
        show_facts({"breakers": shown}, as_json=True)
    else:
        columns = _TO_PERSON if is_terminal() else COLUMNS
        cells = [[inputs_in_words(row[name]) if name == "inputs" else row[name] for name in columns] for row in shown]
        show_rows(columns, in_zone(columns, cells, tz, as_json=False), as_json=False, title="Breakers", least=_LEAST)
        if is_terminal():
            for row in down:
                say(f"{row['breaker']}: {row['cause']}; {inputs_in_words(row['inputs'])}; {way_out(row)}")
    if down:
        raise typer.Exit(Exit.FINDINGS)
