"""`trader run` and what is asked of a running daemon: stop, halt, resume, flatten, signal, adjust."""

import asyncio
import getpass
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trader.app.cli.context import ConfigOption, DbOption, JsonOption, book_of, settings_for
from trader.app.cli.output import Exit, complain, say, show_facts
from trader.domain.errors import BookError, ConfigurationError

if TYPE_CHECKING:  # reading the configuration costs a quarter of a second; commands do it when they run
    from trader.adapters.control import Answer
    from trader.adapters.run_lock import Holder
    from trader.app.settings import Settings

ReasonOption = Annotated[str, typer.Option("--reason", "-r", help="Why; kept in the journal.")]
SymbolOption = Annotated[str, typer.Option("--symbol", help="Only this symbol.")]
FamilyOption = Annotated[str, typer.Option("--family", help="Only this family.")]

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
    restart: Annotated[bool, typer.Option("--restart", help="Stop the running daemon in order first.")] = False,
    doctor: Annotated[bool, typer.Option("--doctor", help="Check first what `trader doctor` checks.")] = False,
) -> None:
    """Start the daemon and stay with it. Ctrl-C stops it in order; positions stay as they are."""
    from trader.app.daemon import run_daemon
    from trader.app.replay import override

    flags: dict[str, dict[str, object]] = {"feed": {}, "log": {}}
    flags["feed"] |= {name: value for name, value in (("speed", speed), ("seed", seed)) if value is not None}
    if log is not None:
        flags["log"]["file"] = log
    settings = settings_for(config, db, flags)
    if strategy is not None or param:
        flags["strategy"] = override(settings, strategy, param or [])
        settings = settings_for(config, db, flags)
    sys.path.insert(0, "")  # a user's strategy lies in the current folder
    if doctor:
        _examine(settings)
    _open_log(settings)
    try:
        if restart:
            _stop_running(settings)
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

    verdicts = set()
    for check in examine(lambda: settings, SystemClock().now(), full=False):
        verdicts.add(check.verdict)
        if check.verdict is not Verdict.OK:
            complain(f"[{check.verdict}] {check.what}: {check.said} -> {check.todo}")
    if Verdict.FAIL in verdicts:
        raise typer.Exit(Exit.USAGE)


def _open_log(settings: "Settings") -> None:
    from trader.adapters.logs import open_log

    log = settings.log
    try:
        open_log(log.file, log.level, log.rotation, log.retention, on_terminal=sys.stderr.isatty())
    except OSError as error:
        raise BookError(f"cannot write the log {log.file}: {error.strerror}; check the folder and its owner") from error
    except ValueError as error:
        raise ConfigurationError(
            f'log.rotation or log.retention: {error}; write a size or an age, as in "50 MB" and "30 days"'
        ) from error


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
    from trader.app.wiring import make_parts

    path = lock_path(settings)
    running = running_daemon(path)
    if running is None:
        return
    make_parts(settings)
    complain(f"stopping process {running.pid}, version {running.version} ...")
    asked = False
    for waited in range(_LONGEST_STOP_S * 10):
        asked = asked or _asked_to_stop(settings, running, by_signal=waited >= _SOCKET_MISSING_S * 10)
        if running_daemon(path) is None:
            return
        time.sleep(0.1)
    raise BookError(
        f"process {running.pid} did not stop within {_LONGEST_STOP_S} s; look into its log, or end it and start again"
    )


def _asked_to_stop(settings: "Settings", running: "Holder", *, by_signal: bool) -> bool:
    """Ask by the socket; one that is missing while its daemon neither starts nor stops was removed by somebody."""
    from trader.adapters.control import DaemonDown
    from trader.adapters.run_lock import terminate

    try:
        _ask(settings, {"ask": "stop", "reason": "restart"})
    except DaemonDown:
        if by_signal:
            terminate(running)
        return by_signal
    return True


def stop_command(config: ConfigOption = None, db: DbOption = None, reason: ReasonOption = "asked") -> None:
    """Stop the running daemon in order. Positions stay as they are; `trader flatten` closes them."""
    settings = settings_for(config, db)
    say(str(_ask(settings, {"ask": "stop", "reason": reason})["message"]))


def halt_command(
    reason: ReasonOption,
    symbol: SymbolOption = "",
    family: FamilyOption = "",
    config: ConfigOption = None,
    db: DbOption = None,
) -> None:
    """Stop entries: everywhere, of a family, or of a symbol. Exits, stops and the close of the day go on."""
    _command("halt", reason, symbol, family, config, db)


def resume_command(
    reason: ReasonOption,
    symbol: SymbolOption = "",
    family: FamilyOption = "",
    config: ConfigOption = None,
    db: DbOption = None,
) -> None:
    """Allow entries again after a halt."""
    _command("resume", reason, symbol, family, config, db)


def flatten_command(
    reason: ReasonOption,
    symbol: SymbolOption = "",
    family: FamilyOption = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this it is only shown.")] = False,
    config: ConfigOption = None,
    db: DbOption = None,
) -> None:
    """Halt entries, then close positions at the market."""
    settings = settings_for(config, db)
    if not yes:
        with book_of(settings) as book:
            rows = book.execute("SELECT symbol, quantity, family FROM book_positions WHERE quantity > 0").fetchall()
        chosen = [row for row in rows if symbol in ("", row["symbol"]) and family in ("", row["family"])]
        say("would close: " + (", ".join(f"{row['symbol']} {row['quantity']}" for row in chosen) or "nothing"))
        say("nothing was done; add --yes")
        raise typer.Exit(Exit.REFUSED)
    _command("flatten", reason, symbol, family, config, db)


def signal_command(
    symbol: Annotated[str, typer.Argument(help="An underlying or a single symbol.")],
    probability: Annotated[float, typer.Argument(help="That it rises, 0 to 1.")],
    id_: Annotated[str, typer.Option("--id", help="Your id; a repeated one is refused.")] = "",
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hand a signal to the running daemon and say what became of it."""
    settings = settings_for(config, db)
    answer = _ask(settings, {"ask": "signal", "symbol": symbol, "probability": probability, "id": id_})
    facts = {name: value for name, value in answer.items() if value not in (None, "", True)}
    show_facts(facts, as_json=as_json, title=f"{symbol} {probability}")
    if answer["outcome"] == "refused":
        raise typer.Exit(Exit.REFUSED)


def adjust_command(
    reason: ReasonOption,
    execution: Annotated[str, typer.Option(help="Book a row that reverses this execution.")] = "",
    cash: Annotated[str, typer.Option(help="Book a cash movement, dollars: 12.50 or -3.")] = "",
    config: ConfigOption = None,
    db: DbOption = None,
) -> None:
    """Correct the book with a new row that reverses an execution or moves cash. Nothing is ever deleted."""
    from trader.domain.money import micros

    settings = settings_for(config, db)
    if bool(execution) == bool(cash):
        raise ConfigurationError("name either --execution ID or --cash USD")
    request: dict[str, object] = {"ask": "adjust", "reason": reason}
    if cash:
        try:
            request["amount_micros"] = micros(cash)
        except ValueError as error:
            raise ConfigurationError(f"--cash: {error}") from error
    else:
        request["fill"] = _reversal(settings, execution)
    _finish(_ask(settings, request))


def _reversal(settings: "Settings", execution: str) -> dict[str, object]:
    """The execution that undoes another one: other side, same price, commission given back."""
    with book_of(settings) as book:
        row = book.execute(
            "SELECT * FROM book_fills WHERE account = ? AND execution_id = ?", (settings.account.name, execution)
        ).fetchone()
    if row is None:
        raise ConfigurationError(f"the book has no execution {execution}; see `trader trades`")
    return {
        "execution_id": f"reversal-of-{execution}",
        "order_ref": row["order_ref"],
        "account": row["account"],
        "symbol": row["symbol"],
        "side": "SELL" if row["side"] == "BUY" else "BUY",
        "quantity": row["quantity"],
        "price_micros": row["price_micros"],
        "commission_micros": -row["commission_micros"],
    }


def _command(name: str, reason: str, symbol: str, family: str, config: Path | None, db: Path | None) -> None:
    if symbol and family:
        raise ConfigurationError("name a symbol or a family, not both")
    scope = "symbol" if symbol else "family" if family else "all"
    settings = settings_for(config, db)
    _finish(_ask(settings, {"ask": name, "reason": reason, "scope": scope, "target": symbol or family}))


def _finish(answer: "Answer") -> None:
    say(str(answer["message"]))
    if answer.get("refused"):
        raise typer.Exit(Exit.REFUSED)


def _ask(settings: "Settings", request: dict[str, object]) -> "Answer":
    """Ask the daemon of this book and account; who asks goes with it."""
    from trader.adapters.control import ask, socket_path

    path = socket_path(settings.book.db, settings.account.name)
    answer = ask(path, {"operator": _operator(), **request})
    if not answer.pop("ok", False):
        complain(f"trader: {answer.get('error', 'refused')}")
        raise typer.Exit(Exit.REFUSED)
    return answer


def _operator() -> str:
    """The user's name; a container's user may have none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
