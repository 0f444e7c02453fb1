"""`trader top`: an account in the terminal, live, with keys to halt, acknowledge and flatten."""

from importlib.util import find_spec

import typer

from trader.app.cli.context import ConfigOption, DbOption, account_of, settings_for
from trader.app.cli.output import Exit, complain, is_terminal
from trader.domain.errors import ConfigurationError

_MISSING = (
    "`trader top` needs the package textual, which is not installed: `.venv/bin/pip install 'textual>=8.2'`; "
    "`trader status --watch` shows the same without it"
)


def top_command(config: ConfigOption = None, db: DbOption = None) -> None:
    """Positions, orders, signals, alarms and what keeps entries back, live. h halts, r resumes, a acknowledges, f
    closes everything when FLATTEN is typed, q ends. Needs a terminal, and the extra `top`."""
    if find_spec("textual") is None:
        raise ConfigurationError(_MISSING)
    if not is_terminal():
        complain("trader: `trader top` needs a terminal; `trader status --watch` works in a pipe")
        raise typer.Exit(Exit.USAGE)
    settings = settings_for(config, db)
    with account_of(settings):
        pass  # a book that is not there is an error before the screen is taken
    from trader.app.top.terminal import Top

    Top(settings).run()
