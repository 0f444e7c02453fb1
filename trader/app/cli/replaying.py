"""`trader replay PATH...`: the daemon's own engine on historical bars."""

import re
import sys
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trader.app.cli.comparing import compare_live_day
from trader.app.cli.context import (
    ConfigOption,
    DbOption,
    JsonOption,
    account_of,
    as_symbol,
    check_place,
    settings_for,
)
from trader.app.cli.output import complain, say, show_facts, show_rows
from trader.domain.errors import ConfigurationError

if TYPE_CHECKING:  # the replay's own imports are slow; see replay_command
    from trader.adapters.feeds.tape import Tape
    from trader.app.replay import ReplayRequest
    from trader.app.settings import Settings
    from trader.app.summary import Summary

_INTERVAL = re.compile(r"(\d+)\s*(s|m|min|h)?")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, None: 60}


def replay_command(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Bar files (SYMBOL.csv, .csv.gz, .parquet) or folders of them.")
    ] = None,
    config: ConfigOption = None,
    db: DbOption = None,
    seed: Annotated[int | None, typer.Option(help="Recorded with the run; the embedded randomness.")] = None,
    strategy: Annotated[str | None, typer.Option(help="module:Class with on_bar(bar).")] = None,
    param: Annotated[list[str] | None, typer.Option(help="A strategy's parameter, name=value.")] = None,
    symbols: Annotated[str, typer.Option(help="Only these, separated by commas.")] = "",
    interval: Annotated[str, typer.Option(help="Length of a bar: 1m, 5m, 1h. Default: the smallest gap.")] = "",
    from_: Annotated[str, typer.Option("--from", help="First New York date.")] = "",
    to: Annotated[str, typer.Option("--to", help="Last New York date.")] = "",
    signals: Annotated[
        Path | None, typer.Option(help="Signals from outside, one JSON object a line, each with its timestamp.")
    ] = None,
    report: Annotated[Path | None, typer.Option("--report", help="A folder for the run's report.")] = None,
    compare_live: Annotated[
        str,
        typer.Option("--compare-live", metavar="DATE", help="Play a live day of the book (--db) again, and compare."),
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Replay historical bars through the daemon's own engine into a book of its own (default replay.db).

    With --compare-live DATE the recorded inputs of a live day are played again instead, by the code, the configuration
    and the strategy of now, and the first thing that was decided otherwise is shown with the `why` of both. The live
    book is only read. Exit code 0 where all is the same, 4 where it is not, 2 where it cannot be compared. It says
    from where on a run was not recorded, and why.
    """
    from trader.app.replay import ReplayRequest, override, read_request

    flags: dict[str, dict[str, object]] = {} if seed is None else {"feed": {"seed": seed}}
    settings = settings_for(config, flags=flags)
    if strategy is not None or param:
        flags["strategy"] = override(settings, strategy, param or [])
        settings = settings_for(config, flags=flags)
    if compare_live:
        if paths or signals is not None or report is not None or symbols or interval or from_ or to:
            raise ConfigurationError(
                "--compare-live plays what was recorded; of the rest it takes --config, --db, "
                "--strategy, --param and --json"
            )
        compare_live_day(settings_for(config, db, flags), _date("--compare-live", compare_live), as_json=as_json)
        return
    if not paths:
        raise ConfigurationError("name bar files, or folders of them; or a day with --compare-live")
    request = ReplayRequest(
        paths=paths,
        db=db or Path("replay.db"),
        symbols=[as_symbol(symbol.strip()) for symbol in symbols.split(",") if symbol.strip()],
        interval=_interval(interval),
        start=_date("--from", from_),
        end=_date("--to", to),
        signals=signals,
    )
    check_place(request.db)
    if report is not None and not report.is_dir():
        raise ConfigurationError(f"--report {report}: there is no such folder; make it")
    sys.path.insert(0, "")  # a user's strategy lies in the current folder
    tape = read_request(request, settings)
    summary = _with_progress(request, settings, tape)
    _show(summary, as_json=as_json)
    if report is not None:
        _report(settings_for(config, request.db, flags), summary, report)


def _with_progress(request: "ReplayRequest", settings: "Settings", tape: "Tape") -> "Summary":
    """Play the tape; on a terminal with a progress bar."""
    from trader.app.replay import replay

    if not sys.stderr.isatty():
        return replay(request, settings, tape, StderrLog(), lambda _: None)
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("replaying"), BarColumn(), MofNCompleteColumn(), TextColumn("bars"), TimeRemainingColumn())
    with Progress(*columns, refresh_per_second=5, transient=True) as progress:
        task = progress.add_task("replaying", total=tape.bars)
        return replay(request, settings, tape, StderrLog(), lambda bars: progress.advance(task, bars))


def _report(settings: "Settings", summary: "Summary", folder: Path) -> None:
    """The report of the whole run; nothing of a run without a session."""
    from trader.app.report.figures import read_figures
    from trader.app.report.files import write_report
    from trader.app.report.period import Period, Span

    if not summary.sessions:
        complain("no report: no bar is of a session")
        return
    first, last = date.fromisoformat(summary.first_session), date.fromisoformat(summary.last_session)
    with account_of(settings) as (book, account, _):
        figures = read_figures(book, account, settings, Period(Span.RANGE, first, last))
    for path in write_report(figures, folder):
        complain(f"report: {path}")


class StderrLog:
    """A replay says only what is wrong; everything else is in its book."""

    def info(self, *messages: str) -> None:
        """Kept in the book."""

    def warning(self, *messages: str) -> None:
        """Kept in the book."""

    def error(self, *messages: str) -> None:
        """Say what is wrong."""
        for message in messages:
            complain(message)


def _show(summary: "Summary", *, as_json: bool) -> None:
    from trader.app.summary import faults_in_words

    facts = summary.as_json()
    if as_json:
        show_facts(facts, as_json=True)
        return
    tables = {name: facts.pop(name) for name in ("files", "outcomes", "refusals", "breakers", "open_positions")}
    show_facts(facts, as_json=False, title="Replay")
    say("")
    columns = ("file", "symbol", "rows", "used", "outside_session", "refused_rows", "faults")
    files = [{**file, "faults": faults_in_words(file["refused"])} for file in summary.files]
    show_rows(columns, [[file[name] for name in columns] for file in files], as_json=False, title="Files")
    for file in summary.files:
        for line in file["first_refused"]:
            complain(f"refused {file['file']} {line}")
        more = file["refused_rows"] - len(file["first_refused"])
        if more:
            complain(f"refused {file['file']} ... and {more} more")
    say("")
    show_rows(("stage.rule", "signals"), list(summary.refusals.items()), as_json=False, title="Refusals")
    trips = [(breaker, times) for breaker, times in summary.breakers.items() if times]
    if trips:
        say("")
        show_rows(("breaker", "trips"), trips, as_json=False, title="Breakers that have tripped")
    if tables["open_positions"]:
        say("")
        valued = ("symbol", "quantity", "avg_cost", "value", "unrealized_pnl")
        rows = [[position[name] for name in valued] for position in summary.open_positions]
        show_rows(valued, rows, as_json=False, title="Open when the bars end")


def _interval(text: str) -> timedelta | None:
    if not text:
        return None
    match = _INTERVAL.fullmatch(text.strip())
    if match is None or int(match[1]) == 0:
        raise ConfigurationError(f"--interval {text!r}: write it as 1m, 5m, 30s or 1h")
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


def _date(option: str, text: str) -> date | None:
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007  (a calendar date has no zone)
    except ValueError as error:
        raise ConfigurationError(f"{option} {text!r}: write it as 2025-06-23") from error
