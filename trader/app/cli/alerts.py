"""`trader alerts`: what a person should know of, that somebody has seen it, and whether alarms arrive at all."""

import asyncio
import time
from typing import TYPE_CHECKING, Annotated

import typer

from trader.app.cli.asking import Asking, ask_daemon
from trader.app.cli.context import ConfigOption, DbOption, JsonOption, account_of, reading, settings_for
from trader.app.cli.output import Exit, complain, is_terminal, show_rows
from trader.app.cli.zones import TzOption, in_zone
from trader.domain.errors import ConfigurationError

if TYPE_CHECKING:  # commands read what is slow to import when they run
    from trader.app.settings import Settings

alerts_application = typer.Typer(invoke_without_command=True)

_SHOWN = ("id", "last_at", "severity", "type", "subject", "text", "count", "told")
_LEAST = ("severity", "told", "count")
_SLACK_S = 5.0
"""What the daemon may take besides the delivery itself."""
_LOOK_S = 0.2


@alerts_application.callback()
def alerts_command(
    context: typer.Context,
    all_: Annotated[bool, typer.Option("--all", help="Also acknowledged ones, and mere news.")] = False,
    last: Annotated[int, typer.Option("--last", "-n", min=0, help="Only the newest so many; 0 is all.")] = 50,
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
    tz: TzOption = "",
) -> None:
    """Alarms that nobody has acknowledged, with the channels that have told them; `ack` and `test` beside it."""
    if context.invoked_subcommand is not None:
        return
    chosen = "1" if all_ else "state = 'open' AND severity <> 'info'"
    with reading(config, db) as (book, account, _):
        query = f"SELECT * FROM alarms WHERE account = ? AND {chosen} ORDER BY id DESC LIMIT ?"  # noqa: S608  (our words)
        cursor = book.execute(query, (account, last or -1))
        rows = cursor.fetchall()[::-1]
    columns = [column[0] for column in cursor.description]
    told = in_zone(columns, rows, tz, as_json=as_json)
    if is_terminal() and not as_json:
        places = [columns.index(name) for name in (*_SHOWN, *(("state",) if all_ else ()))]
        columns, told = [columns[place] for place in places], [[row[place] for place in places] for row in told]
    show_rows(columns, told, as_json=as_json, least=_LEAST)


@alerts_application.command("ack")
def ack_command(
    numbers: Annotated[list[int] | None, typer.Argument(help="Their ids.", show_default=False)] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every open one.")] = False,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; kept in the journal.")] = "seen",
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say that somebody has seen alarms: they are not told again while they go on."""
    if bool(numbers) == all_:
        raise ConfigurationError("trader alerts ack: name the ids of alarms, or --all")
    asking = Asking("acknowledge", settings_for(config, db), as_json)
    with account_of(asking.settings) as (book, account, _):
        rows = book.execute("SELECT id FROM alarms WHERE account = ? AND state = 'open' ORDER BY id", (account,))
        is_open = [row[0] for row in rows]
    unknown = [str(number) for number in numbers or () if number not in is_open]
    if unknown:
        asking.refuse(f"refused: no open alarm has the id {', '.join(unknown)}; see `trader alerts`")
    if not (numbers or is_open):
        asking.refuse("refused: no alarm is open")
    asking.ask(reason=reason, alarms=numbers or is_open)


@alerts_application.command("test")
def try_command(config: ConfigOption = None, db: DbOption = None, as_json: JsonOption = False) -> None:
    """Raise a test alarm and see that every channel takes it: by the running daemon, or without one from here."""
    from trader.adapters.control import DaemonDown
    from trader.app.alarm_channels import channels_of

    settings = settings_for(config, db)
    names = [channel.name for channel in channels_of(settings)]
    if not names:
        complain("trader: nobody is told of alarms; set TRADER_ALARMS__URLS, alarms.urls_file or alarms.command")
        raise typer.Exit(Exit.FINDINGS)
    try:
        answers = _by_daemon(settings, names)
    except DaemonDown:
        answers = asyncio.run(_from_here(settings))
        complain("no daemon runs: the channels were tried from here, and no row was written")
    show_rows(("channel", "answer"), list(answers.items()), as_json=as_json, title="Channels")
    if any(answer != _DELIVERED for answer in answers.values()):
        raise typer.Exit(Exit.FINDINGS)


_DELIVERED = "delivered"


def _by_daemon(settings: "Settings", names: list[str]) -> dict[str, str]:
    """The whole way: a row first, then its deliveries, as the book has them."""
    answer = ask_daemon(settings, {"ask": "test_alarm"})
    if "error" in answer:
        raise ConfigurationError(str(answer["error"]))
    told: set[str] = set()
    for _ in range(round((settings.alarms.deadline_s + _SLACK_S) / _LOOK_S)):
        with account_of(settings) as (book, account, _):
            rows = book.execute(
                "SELECT d.channel FROM deliveries d JOIN alarms a ON a.account = d.account AND a.id = d.alarm "
                "WHERE d.account = ? AND a.type = 'test' AND a.subject = ?",
                (account, answer["subject"]),
            )
            told = {row[0] for row in rows}
        if told.issuperset(names):
            break
        time.sleep(_LOOK_S)  # noqa: TID251  (no daemon: a command waits for one)
    return {name: _DELIVERED if name in told else "not delivered; the daemon's log says why" for name in names}


async def _from_here(settings: "Settings") -> dict[str, str]:
    from trader.adapters.clock import SystemClock
    from trader.app.alarm_channels import channels_of
    from trader.domain.alarm import Alarm, AlarmType
    from trader.services.telling import OpenAlarm, message_of

    now = SystemClock().now()
    alarm = Alarm.of(AlarmType.TEST, "", "a test from the command line", now)
    message = message_of(settings.account.name, [OpenAlarm(0, alarm, now, 1, 0, None)])
    channels = channels_of(settings)
    async with asyncio.TaskGroup() as group:
        tasks = {channel.name: group.create_task(channel.deliver(message)) for channel in channels}
    return {name: task.result() or _DELIVERED for name, task in tasks.items()}
