"""`trader report day|week|month|range`: how it went, as a page to look at and as numbers to reckon with."""

from pathlib import Path
from typing import Annotated

import typer

from trader.app.cli.context import ConfigOption, DbOption, JsonOption, reading
from trader.app.cli.funnel import newest_day
from trader.app.cli.output import Exit, complain, show_facts


def report_command(
    span: Annotated[str, typer.Argument(metavar="day|week|month|range")],
    dates: Annotated[
        list[str] | None,
        typer.Argument(help="2025-06-23; of a month 2025-06; of a range two dates. Default: the newest."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder for the report's files.")] = Path(),
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """How a day, a week, a month went: an HTML page that needs nothing else, its figures as JSON, its days as CSV."""
    from trader.app.plain import plain
    from trader.app.report.figures import read_figures
    from trader.app.report.files import write_report
    from trader.app.report.period import period_of, span_of
    from trader.audit.reading import CannotCheck

    with reading(config, db) as (book, account, settings):
        period = period_of(span_of(span), dates or [], newest_day(book, account))
        try:
            figures = read_figures(book, account, settings, period)
        except CannotCheck as error:
            complain(f"trader: no report, for the audit could not check: {error}")
            raise typer.Exit(Exit.FINDINGS) from error
    written = write_report(figures, out)
    if as_json:
        show_facts({"figures": plain(figures)}, as_json=True)
        return
    show_facts(
        {
            "account": figures.account,
            "period": f"{figures.first} to {figures.last}",
            "pnl": figures.pnl,
            "max_drawdown": figures.max_drawdown,
            "round_trips": len(figures.round_trips),
            "won": figures.won,
            "fills": figures.fills,
            "commission": figures.commission,
            "violations": f"{figures.violations} of {len(figures.audit)} rules",
            **{path.suffix[1:]: str(path) for path in written},
        },
        as_json=False,
        title="Report",
    )
