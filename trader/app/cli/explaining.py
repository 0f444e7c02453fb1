"""`trader why ID`: the whole story of a signal, an order, an execution or a trade."""

from typing import Annotated

import typer

from trader.app.cli.context import ConfigOption, DbOption, JsonOption, reading
from trader.app.cli.output import Exit, complain, show_facts, show_rows
from trader.app.cli.zones import TzOption, in_zone

_COLUMNS = ("timestamp", "what", "id", "said")


def why_command(
    id_: Annotated[
        str, typer.Argument(metavar="ID", help="A signal's id, an order's reference, an execution or trade.")
    ],
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
    tz: TzOption = "",
) -> None:
    """Why something happened or did not: everything that belongs to it, from the first signal to the result."""
    from trader.app.links import AccountRows, find_links, nearest
    from trader.app.story import tell

    with reading(config, db) as (book, account, _):
        rows = AccountRows(book, account)
        links = find_links(rows, id_)
        if links is None:
            near = ", ".join(nearest(rows, id_))
            complain(f"trader: the book of account {account} knows no {id_!r}{f'; near it: {near}' if near else ''}")
            raise typer.Exit(Exit.REFUSED)
        story = [(happening.at, *happening[2:]) for happening in tell(rows, links)]
    lines = [(f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z", *rest) for at, *rest in story]
    told = in_zone(_COLUMNS, lines, tz, as_json=as_json)
    if as_json:
        show_facts(
            {"id": id_, "kind": links.kind, "story": [dict(zip(_COLUMNS, line, strict=True)) for line in told]},
            as_json=True,
        )
    else:
        show_rows(_COLUMNS, told, as_json=False, title=f"{links.kind} {id_}")
