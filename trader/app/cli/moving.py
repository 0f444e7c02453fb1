"""`trader move-book`: the book of a single account, moved to where that account keeps it among several."""

from pathlib import Path
from typing import Annotated

import typer

from trader.app.cli.alone import alone_with_book
from trader.app.cli.asking import Asking
from trader.app.cli.context import ConfigOption, JsonOption, check_place, settings_for
from trader.app.cli.output import show_facts
from trader.domain.errors import BookBroken


def move_book_command(
    book: Annotated[Path, typer.Argument(help="The book as it was called with one account.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this it is only looked at.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Move the book of a single account to where ACCOUNT_NAME keeps its own among several. No daemon may run.

    The account keeps its name, its positions, its history and its references.
    """
    from trader.adapters.spill_file import SpillFile, spill_path
    from trader.adapters.sqlite.moving import accounts_in, move

    settings = settings_for(config)
    to, account = settings.book.db, settings.account.name
    check_place(to)
    if accounts_in(book) != (account,):
        found = ", ".join(accounts_in(book)) or "none"
        raise BookBroken(
            f"{book} has not this account alone (it has {found}, and this is {account}): an account keeps its name, "
            "and a book that several share is named as book.db of each"
        )
    with alone_with_book(book, account), alone_with_book(to, account):
        spilled = spill_path(book, account)
        if spilled.exists() and SpillFile(spilled).read():
            raise BookBroken(f"{spilled} has exits that the book has not: start the trader once where the book is now")
        if not yes:
            Asking("move-book", settings, as_json).refuse(
                f"would move {book} of account {account} to {to}; nothing was done, add --yes"
            )
        move(book, to)
    show_facts({"moved": str(book), "to": str(to), "account": account, "next": "start it"}, as_json=as_json)
