"""`trader restore`: a backup put in the place of the book."""

from pathlib import Path
from typing import Annotated

import typer

from trader.app.cli.alone import alone_with_book
from trader.app.cli.asking import Asking, operator_name
from trader.app.cli.context import ConfigOption, DbOption, JsonOption, check_place, settings_for
from trader.app.cli.output import show_facts


def restore_command(
    backup: Annotated[Path, typer.Argument(help="A file of the folder of backups, or any copy of the book.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this it is only looked at.")] = False,
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look a backup through and put it in the place of the book, which is kept beside it. No daemon may run.

    The restored book begins a new epoch, so that no order reference is used twice, and its entries are halted: compare
    it with the broker, then `trader resume`.
    """
    from trader.adapters.sqlite.restoring import look_through, restore

    settings = settings_for(config, db)
    place = settings.book.db
    check_place(place)
    with alone_with_book(place, settings.account.name):
        if not yes:
            found = look_through(place, backup)
            up_to = f"{found.newest_event_at:%Y-%m-%d %H:%M:%S} UTC"
            Asking("restore", settings, as_json).refuse(
                f"would put {backup} (epoch {found.epoch}, {found.events} events up to {up_to}) in the place of "
                f"{place}, which would be kept beside it; nothing was done, add --yes"
            )
        done = restore(place, backup, operator_name())
    facts = {
        "restored": str(place),
        "from": str(backup),
        "epoch": done.epoch,
        "kept": str(done.kept) if done.kept is not None else None,
        "next": "compare it with the broker, start, and `trader resume`: its entries are halted",
    }
    show_facts(facts, as_json=as_json)
