"""`trader ibkr probe`: is TWS or IB Gateway there, and can be traded by it?"""

import typer

from trader.app.cli.checking import show_checks
from trader.app.cli.context import ConfigOption, JsonOption, settings_for
from trader.app.cli.output import Exit

ibkr_application = typer.Typer(help="Interactive Brokers.", no_args_is_help=True)


@ibkr_application.callback()
def ibkr() -> None:
    """Interactive Brokers."""


@ibkr_application.command("probe")
def probe_command(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Look at TWS or IB Gateway: account, servers, API, clock, data. Sends no order. Exit code 3 or 4 with findings."""
    from trader.adapters.clock import SystemClock
    from trader.app.ibkr_checks import UNREACHABLE, check_ibkr

    failed = show_checks(check_ibkr(settings_for(config, None), SystemClock()), as_json=as_json)
    if UNREACHABLE in failed:
        raise typer.Exit(Exit.BROKER_UNREACHABLE)
    if failed:
        raise typer.Exit(Exit.FINDINGS)
