"""`trader drill [NAME]`: disasters that have happened elsewhere, against a scratch copy of one's own configuration."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from trader.app.cli.context import ConfigOption, JsonOption, settings_for
from trader.app.cli.output import Exit, complain, show_facts, show_rows

if TYPE_CHECKING:  # the engine's own imports are slow; see drill_command
    from collections.abc import Callable

    from trader.app.drills.drill import Drill, Ended
    from trader.app.drills.evidence import Catch
    from trader.app.settings import Settings

_LISTED = ("name", "of", "says")
_COLUMNS = (
    "drill", "verdict", "stage", "rule", "symbol", "measured", "limit", "orders", "at_risk_usd", "loss_usd", "happened",
)  # fmt: skip
_LEAST = ("loss_usd", "symbol")


def drill_command(
    name: Annotated[str, typer.Argument(help="A drill, the beginning of some (knight), or all.")] = "",
    list_: Annotated[bool, typer.Option("--list", help="Say which there are.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Play disasters against a scratch copy of the configuration, and say which protection has caught each.

    Limits, families, exits, the strategy and its parameters, and the account are those of the configuration; market,
    broker, book and log are not: nothing is connected to, nobody is alarmed, no book of yours is opened. The cash is
    account.starting_cash. `orders`: to buy, before it was caught; `at_risk_usd`: the most that was held or on its way
    to be. Exit code 4 where nothing has caught one.
    """
    from trader.app.drills.catalogue import DRILLS, chosen

    if list_ or not name:
        rows = [(drill.name, drill.of, drill.says) for drill in DRILLS]
        show_rows(_LISTED, rows, as_json=as_json, title="Drills: trader drill NAME, or trader drill all")
        return
    drills = chosen(name)
    settings = settings_for(config)
    sys.path.insert(0, "")  # a user's strategy lies in the current folder
    played = list(_played(drills, settings))
    _show(played, settings, as_json=as_json)
    if any(_is_finding(end) for _, end in played):
        raise typer.Exit(Exit.FINDINGS)


def _is_finding(end: "Ended") -> bool:
    from trader.app.drills.drill import Verdict

    return end.verdict is Verdict.NOT_CAUGHT


def _played(drills: "Sequence[Drill]", settings: "Settings") -> "Iterator[tuple[Drill, Ended]]":
    from trader.app.drills.catalogue import play

    with _progress(drills) as begin:
        for drill in drills:
            yield drill, play(drill, settings, begin(drill))


@contextmanager
def _progress(drills: "Sequence[Drill]") -> "Iterator[Callable[[Drill], Callable[[], None]]]":
    """What is told of each bar; on a terminal by a progress bar."""
    if not sys.stderr.isatty():
        yield lambda _: lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"))
    console = Console(stderr=True)
    with Progress(*columns, TimeRemainingColumn(), console=console, refresh_per_second=5, transient=True) as progress:
        task = progress.add_task("", total=sum(drill.bars for drill in drills))
        before = 0

        def begin(drill: "Drill") -> "Callable[[], None]":
            nonlocal before
            progress.update(task, description=drill.name, completed=before)
            before += drill.bars
            return lambda: progress.advance(task)

        yield begin


def _show(played: "Sequence[tuple[Drill, Ended]]", settings: "Settings", *, as_json: bool) -> None:
    if as_json:
        findings = sum(_is_finding(end) for _, end in played)
        facts = {
            "configuration": str(settings.toml_file),
            "account": settings.account.name,
            "cash": settings.account.starting_cash,
            "not_caught": findings,
            "drills": [_as_facts(drill, end) for drill, end in played],
        }
        show_facts(facts, as_json=True)
        return
    title = f"Drills of {settings.toml_file}, account {settings.account.name}"
    show_rows(_COLUMNS, [_row(drill, end) for drill, end in played], as_json=False, title=title, least=_LEAST)
    for drill, end in played:
        if end.by is not None and end.by.said:
            complain(f"{drill.name}: {end.by.said}")
    complain(_in_short(played))


def _row(drill: "Drill", end: "Ended") -> tuple[object, ...]:
    by = end.by
    told = (by.stage, by.rule, by.symbol, by.measured, by.limit) if by is not None else (None,) * 5
    return drill.name, end.verdict, *told, end.orders, round(end.at_risk_usd, 2), round(end.loss_usd, 2), end.happened


def _as_facts(drill: "Drill", end: "Ended") -> dict[str, object]:
    return {
        "drill": drill.name,
        "of": drill.of,
        "says": drill.says,
        "verdict": end.verdict,
        "happened": end.happened,
        "by": _catch(end.by) if end.by is not None else None,
        "orders": end.orders,
        "at_risk_usd": round(end.at_risk_usd, 2),
        "loss_usd": round(end.loss_usd, 2),
        "noticed": [_catch(catch) for catch in end.noticed],
    }


def _catch(catch: "Catch") -> dict[str, object]:
    return {**catch._asdict(), "at": catch.at.isoformat() if catch.at is not None else None}


def _in_short(played: "Sequence[tuple[Drill, Ended]]") -> str:
    from trader.app.drills.drill import Verdict

    counts = {verdict: sum(end.verdict is verdict for _, end in played) for verdict in Verdict}
    return f"{len(played)} drills: " + ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
