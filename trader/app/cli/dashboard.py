"""`trader dashboard`: the pages, on this host alone."""

from typing import Annotated

import typer

from trader.app.cli.context import ConfigOption, DbOption, account_of, settings_for, settings_of_every_account
from trader.app.cli.output import say


def dashboard_command(
    port: Annotated[
        int | None,
        typer.Option(help="On 127.0.0.1; 0 takes any free one. Default: the configured one.", min=0, max=65_535),
    ] = None,
    link: Annotated[bool, typer.Option("--link", help="Only print the addresses; the daemon serves them.")] = False,
    until_told: Annotated[bool, typer.Option("--until-told", hidden=True)] = False,
    config: ConfigOption = None,
    db: DbOption = None,
) -> None:
    """Serve the dashboard of an account until Ctrl-C. It reads the book read-only; no daemon is needed to look."""
    from trader.app.web.serving import serve
    from trader.app.web.tokens import read_tokens

    settings = settings_for(config, db)
    with account_of(settings):
        tokens = read_tokens(settings.book.db, settings.account.name)

    def started(taken: int) -> None:
        address = f"http://127.0.0.1:{taken}/login#"
        say(f"to look and act: {address}{tokens.operator}")
        say(f"to look:         {address}{tokens.reader}")

    wanted = settings.dashboard.port if port is None else port
    if link:
        started(wanted)
        return
    serve(settings, settings_of_every_account(config, db), tokens, wanted, started, until_told=until_told)
