"""`trader watch`: a process of its own that sees whether the daemon works, and pages when it does not."""

import asyncio
import signal
from typing import TYPE_CHECKING, Annotated

import typer

from trader.app.cli.context import ConfigOption, DbOption, JsonOption, settings_for
from trader.app.cli.output import Exit, complain, show_rows
from trader.domain.errors import ConfigurationError

if TYPE_CHECKING:  # commands read what is slow to import when they run
    from trader.app.settings import Settings


class _Sentences:
    """A log on standard error: a service manager keeps it."""

    def info(self, *messages: str) -> None:
        """Say what happened."""
        for message in messages:
            complain(f"trader watch: {message}")

    warning = error = info


def watch_command(
    every: Annotated[float, typer.Option(min=0.2, help="Seconds between two looks.")] = 2.0,
    patience: Annotated[float, typer.Option(min=0, help="Seconds that something stands before it is paged.")] = 20.0,
    once: Annotated[bool, typer.Option("--once", help="Look once and page nobody; 7 when something is wrong.")] = False,
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Watch over the daemon from outside: page, by the channels of its alarms, when its work stops. Ctrl-C ends it."""
    from trader.app.paths import with_absolute_paths

    settings = with_absolute_paths(settings_for(config, db))
    if once:
        _look_once(settings, as_json=as_json)
        return
    try:
        asyncio.run(_watch(settings, every, patience))
    except KeyboardInterrupt:
        return


def _look_once(settings: "Settings", *, as_json: bool) -> None:
    from trader.adapters.clock import SystemClock
    from trader.app.watching import findings, look

    found = list(findings(look(settings, SystemClock().now())))
    show_rows(("about", "what"), found, as_json=as_json, title="Not as it should be")
    if found:
        raise typer.Exit(Exit.DAEMON_DOWN)


async def _watch(settings: "Settings", every_s: float, patience_s: float) -> None:
    from trader.app.host import ThisMachine
    from trader.app.watching import Watch, keep_watch

    machine, log, stopping = ThisMachine(), _Sentences(), asyncio.Event()
    channels = machine.channels(settings)
    if not channels:
        raise ConfigurationError(
            "nobody would be told: set TRADER_ALARMS__URLS, alarms.urls_file or alarms.command; --once needs none"
        )
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    log.info(f"watches {settings.book.db} account={settings.account.name}")
    await keep_watch(Watch(settings, machine, log, channels, patience_s), every_s, stopping, machine.tell_manager)
