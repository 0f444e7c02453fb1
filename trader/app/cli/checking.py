"""`trader doctor`, `config`, `calendar`, `version`, `backup`: whether all is well, before and beside trading."""

import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trader.app.cli.context import ConfigOption, DbOption, JsonOption, config_path, settings_for
from trader.app.cli.output import Exit, is_terminal, say, show_facts, show_rows
from trader.app.cli.tables import printable

if TYPE_CHECKING:  # what is checked is slow to import; commands do it when they run
    from trader.app.checks import Check

config_application = typer.Typer(no_args_is_help=True, help="Show or check the configuration.")


def doctor_command(
    full: Annotated[bool, typer.Option("--full", help="Every page of the book, and the whole journal.")] = False,
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look at everything that has to be right before trading. Exit code 2 when something is not."""
    from trader.adapters.clock import SystemClock
    from trader.app.doctor import examine

    sys.path.insert(0, "")  # a user's strategy lies in the current folder
    checks = examine(lambda: settings_for(config, db), SystemClock(), full=full)
    if show_checks(checks, as_json=as_json):
        raise typer.Exit(Exit.USAGE)


def show_checks(checks: "Iterator[Check]", *, as_json: bool) -> list[str]:
    """Show each check when it is made; give the names of those that failed."""
    from trader.app.checks import Verdict

    failed = []

    def made() -> "Iterator[Check]":
        for check in checks:
            if check.verdict is Verdict.FAIL:
                failed.append(check.what)
            yield check

    if is_terminal() and not as_json:
        for check in made():
            _show_check(check)
    else:
        show_rows(("verdict", "what", "said", "todo"), made(), as_json=as_json)
    return failed


def _show_check(check: "Check") -> None:
    line = f"{f'[{check.verdict}]':<7}{check.what}: {check.said}{f' -> {check.todo}' if check.todo else ''}"
    from rich.console import Console

    style = {"ok": "", "warn": "yellow", "FAIL": "bold red"}[check.verdict]
    Console().print(printable(line), style=style, markup=False, highlight=False, soft_wrap=True)


@config_application.command("show")
def config_show_command(config: ConfigOption = None, db: DbOption = None, as_json: JsonOption = False) -> None:
    """Every setting, with the value it has and where that came from. The answer can be read as TOML."""
    from trader.app.origins import Setting, settings_with_origins

    flags = {"book": {"db": db}} if db is not None else {}
    shown = settings_with_origins(settings_for(config, db), flags)
    if as_json:
        show_rows(Setting._fields, shown, as_json=True)
        return
    say(f"# {config_path(config)}, with .env, environment and flags over it")
    for setting in shown:
        say(setting.as_toml())


@config_application.command("check")
def config_check_command(config: ConfigOption = None, db: DbOption = None, as_json: JsonOption = False) -> None:
    """Read everything that the configuration names: families, calendar, strategy. Exit code 2 when it is wrong."""
    from trader.app.trying import try_parts

    sys.path.insert(0, "")  # a user's strategy lies in the current folder
    parts = try_parts(settings_for(config, db))
    facts = {
        "configuration": str(config_path(config)),
        "mode": parts.settings.mode,
        "account": parts.settings.account.name,
        "families": ", ".join(sorted(parts.families.families)),
        "strategy": parts.settings.strategy.entry,
        "verdict": "right",
    }
    show_facts(facts, as_json=as_json)


def calendar_command(
    days: Annotated[int, typer.Option("--days", min=1, max=4000, help="How many days ahead.")] = 14,
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """The sessions to come, with their cut-offs, New York time. Half days are marked."""
    from trader.adapters.calendar import load_calendar
    from trader.adapters.clock import SystemClock
    from trader.app.standing import cutoffs
    from trader.domain.session import NEW_YORK, new_york_date

    settings = settings_for(config, db)
    calendar = load_calendar(settings.session.cutoffs(), settings.session.calendar_overrides())
    today = new_york_date(SystemClock().now())
    dates = (today + timedelta(days=ahead) for ahead in range(days))
    sessions = [session for day in dates if day <= calendar.last and (session := calendar.session(day)) is not None]
    moments = [what.replace(" ", "_") for what, _ in cutoffs(sessions[0])] if sessions else []
    rows = [
        [
            session.day.isoformat(),
            f"{session.day:%A}",
            *(f"{at.astimezone(NEW_YORK):%H:%M}" for _, at in cutoffs(session)),
            "half day" if session.half_day else "",
        ]
        for session in sessions
    ]
    show_rows(["session", "weekday", *moments, "note"], rows, as_json=as_json, title="New York time")


def version_command(config: ConfigOption = None, db: DbOption = None, as_json: JsonOption = False) -> None:
    """Which version this is, by number and by fingerprints: of its code, of the configuration, of a book's schema."""
    import platform
    import sqlite3

    from trader import __version__

    facts = {
        "version": __version__,
        **_fingerprints(config, db),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "platform": platform.platform(),
    }
    show_facts(facts, as_json=as_json)


def _fingerprints(config: Path | None, db: Path | None) -> dict[str, str]:
    """What a start would run now. A configuration that is wrong has none, and says so."""
    from trader.adapters.fingerprint import code_fingerprint
    from trader.adapters.sqlite.soundness import shipped_fingerprint
    from trader.app.installed import configuration_fingerprint
    from trader.app.paths import with_absolute_paths
    from trader.domain.errors import ConfigurationError

    try:
        configuration = configuration_fingerprint(with_absolute_paths(settings_for(config, db)))
    except (ConfigurationError, OSError) as error:
        configuration = f"none: {error}"
    return {"code": code_fingerprint(), "configuration": configuration, "schema": shipped_fingerprint()}


def backup_command(
    to: Annotated[Path | None, typer.Option("--to", help="The folder; default: the configured one.")] = None,
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy the book, also while a daemon writes it, and check the copy."""
    from trader.adapters.clock import SystemClock
    from trader.adapters.sqlite.backup import backup

    book = settings_for(config, db).book
    copy = backup(book.db, to or book.backups, SystemClock().now(), book.backups_kept)
    show_facts({"backup": str(copy), "bytes": copy.stat().st_size}, as_json=as_json)
