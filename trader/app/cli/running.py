"""`trader run`: the daemon, from the command line to its end."""

import asyncio
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trader.app.cli.asking import ask_daemon
from trader.app.cli.context import ConfigOption, DbOption, check_place, settings_for
from trader.app.cli.output import Exit, complain
from trader.domain.errors import BookError, ConfigurationError

if TYPE_CHECKING:  # reading the configuration costs a quarter of a second; commands do it when they run
    from trader.adapters.run_lock import Holder
    from trader.app.settings import Settings

_LONGEST_STOP_S = 30
_SOCKET_MISSING_S = 5


def run_command(
    config: ConfigOption = None,
    db: DbOption = None,
    log: Annotated[Path | None, typer.Option(help="The log file.", show_default=False)] = None,
    speed: Annotated[float | None, typer.Option(help="Market seconds in a second; 0 as fast as possible.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the embedded market; only for a new book.")] = None,
    strategy: Annotated[str | None, typer.Option(help="module:Class with on_bar(bar).")] = None,
    param: Annotated[list[str] | None, typer.Option(help="A strategy's parameter, name=value.")] = None,
    live: Annotated[bool, typer.Option("--live", help="Trade real money; only with --account.")] = False,
    account: Annotated[str | None, typer.Option(help="IB's id of the account that is meant.")] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Stop the running daemon in order first.")] = False,
    doctor: Annotated[bool, typer.Option("--doctor", help="Check first what `trader doctor` checks.")] = False,
) -> None:
    """Start the daemon and stay with it. Ctrl-C stops it in order; positions stay as they are."""
    from trader.app.daemon import run_daemon
    from trader.app.former_book import check_former_book
    from trader.app.garbage import collect_seldom
    from trader.app.interlocks import check_consent
    from trader.app.paths import check_paths, with_absolute_paths
    from trader.app.replay import override

    flags: dict[str, dict[str, object]] = {"feed": {}, "log": {}}
    flags["feed"] |= {name: value for name, value in (("speed", speed), ("seed", seed)) if value is not None}
    if log is not None:
        flags["log"]["file"] = log
    settings = settings_for(config, db, flags)
    if strategy is not None or param:
        flags["strategy"] = override(settings, strategy, param or [])
        settings = settings_for(config, db, flags)
    check_consent(settings, live=live, account=account)
    sys.path.insert(0, "")  # a user's strategy lies in the current folder
    check_place(settings.book.db)
    check_former_book(settings)
    settings = with_absolute_paths(settings)
    check_paths(settings)
    if doctor:
        _examine(settings)
    _open_log(settings)
    _say_what_starts(settings)
    try:
        if restart:
            _stop_running(settings)
        collect_seldom()
        asyncio.run(run_daemon(settings))
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # everything has stopped: an impatient second one comes too late
        _close_log(settings)


def _examine(settings: "Settings") -> None:
    """Say what is not right before anything is touched; what should not be started like this is not started."""
    from trader.adapters.clock import SystemClock
    from trader.app.checks import Verdict
    from trader.app.doctor import examine
    from trader.app.trying import untried_parts

    verdicts = set()
    for check in examine(lambda: settings, SystemClock(), full=False, make=untried_parts):
        verdicts.add(check.verdict)
        if check.verdict is not Verdict.OK:
            complain(f"[{check.verdict}] {check.what}: {check.said} -> {check.todo}")
    if Verdict.FAIL in verdicts:
        raise typer.Exit(Exit.USAGE)


def _open_log(settings: "Settings") -> None:
    from trader.adapters.logs import open_log

    log = settings.log
    try:
        open_log(
            log.file, settings.account.name, log.level, log.rotation, log.retention, on_terminal=sys.stderr.isatty()
        )
    except OSError as error:
        raise BookError(f"cannot write the log {log.file}: {error.strerror}; check the folder and its owner") from error
    except ValueError as error:
        raise ConfigurationError(
            f'log.rotation or log.retention: {error}; write a size or an age, as in "50 MB" and "30 days"'
        ) from error


def _say_what_starts(settings: "Settings") -> None:
    """A terminal sees the log itself. Everybody else gets where that is, and which code, configuration, schema begin.

    Past the buffer: it must not hold up a daemon.
    """
    from trader import __version__
    from trader.adapters.fingerprint import code_fingerprint
    from trader.adapters.sqlite.soundness import shipped_fingerprint
    from trader.app.installed import configuration_fingerprint
    from trader.domain.build import Build

    if sys.stdout is None or (sys.stdout.isatty() and sys.stderr.isatty()):
        return
    build = Build(code_fingerprint(), configuration_fingerprint(settings), shipped_fingerprint())
    said = f"log\t{settings.log.file.absolute()}\nversion\t{__version__} {build.in_words()}\n"
    with suppress(OSError):
        os.write(sys.stdout.fileno(), said.encode())


def _close_log(settings: "Settings") -> None:
    from trader.adapters.logs import close_log

    try:
        close_log()
    except OSError as error:  # what was traded is in the book; the end of the log is lost
        complain(f"trader: the log {settings.log.file} could not be written to its end: {error.strerror}")


def _stop_running(settings: "Settings") -> None:
    """Ask the running daemon to stop, and wait until its run lock is free. Nothing is stopped for a wrong start."""
    from trader.adapters.run_lock import running_daemon
    from trader.app.daemon import lock_path
    from trader.app.trying import try_parts

    path = lock_path(settings)
    running = running_daemon(path)
    if running is None:
        return
    try_parts(settings)
    complain(f"stopping process {running.pid}, version {running.version} ...")
    asked = False
    for waited in range(_LONGEST_STOP_S * 10):
        asked = asked or _asked_to_stop(settings, running, by_signal=waited >= _SOCKET_MISSING_S * 10)
        if running_daemon(path) is None:
            return
        time.sleep(0.1)  # noqa: TID251  (no daemon: a command waits for one)
    raise BookError(
        f"process {running.pid} did not stop within {_LONGEST_STOP_S} s; look into its log, or end it and start again"
    )


def _asked_to_stop(settings: "Settings", running: "Holder", *, by_signal: bool) -> bool:
    """Ask by the socket; one that is missing while its daemon neither starts nor stops was removed by somebody."""
    from trader.adapters.control import DaemonDown
    from trader.adapters.run_lock import terminate

    try:
        answer = ask_daemon(settings, {"ask": "stop", "reason": "restart"})
    except DaemonDown:
        if by_signal:
            terminate(running)
        return by_signal
    if "error" in answer:
        complain(f"trader: {answer['error']}")
        raise typer.Exit(Exit.REFUSED)
    return True
