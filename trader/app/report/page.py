"""The report as one file that needs nothing else: no network, no folder beside it."""

import json
from collections.abc import Sequence
from datetime import datetime
from importlib.resources import files
from typing import NamedTuple, Protocol

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from trader.app.report import charts
from trader.app.report.figures import Figures
from trader.domain.session import NEW_YORK

DRAWING = "charts.js"
"""The file beside this one that draws the pictures, in a report and on the dashboard."""


class Row(Protocol):
    """A named tuple: its fields are a table's columns."""

    @property
    def _fields(self) -> tuple[str, ...]: ...


class Section(NamedTuple):
    """A heading, a picture where there is one, and its numbers."""

    id: str
    title: str
    rows: Sequence[Row]
    nothing: str
    """What is said where there are no rows."""
    chart: charts.Chart | None = None

    @property
    def wide(self) -> bool:
        """Whether it takes the whole width of a wide screen."""
        return self.id in ("equity", "slippage", "audit", "incidents")


def render(figures: Figures) -> str:
    """The whole page. Everything from the book is escaped."""
    environment = Environment(
        loader=PackageLoader("trader.app.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"cell": cell, "words": words, "data": data}
    library = files("plotly").joinpath("package_data/plotly.min.js").read_text("utf-8")
    drawing = files("trader.app.report").joinpath(DRAWING).read_text("utf-8")
    return environment.get_template("report.html.j2").render(
        figures=figures,
        sections=_sections(figures),
        library=Markup(library),  # noqa: S704  (plotly's own)
        charts=Markup(drawing),  # noqa: S704  (ours)
    )


def _sections(figures: Figures) -> list[Section]:
    days, none = figures.course.days, "No round trip was closed."
    told = [(incident.at, incident.type) for incident in figures.incidents]
    course = charts.equity(figures.course.points, told)
    audited = "The book has no rule to be asked."
    return [
        Section("equity", "Equity and drawdown", days, "Nothing happened to the account.", course),
        Section("days", "P&L by day", days, "Nothing happened to the account.", charts.days(days)),
        Section("families", "P&L by family", figures.by_family, none, charts.groups(figures.by_family)),
        Section("hours", "P&L by hour of the entry", figures.by_hour, none, charts.groups(figures.by_hour)),
        Section("weekdays", "P&L by weekday of the entry", figures.by_weekday, none, charts.groups(figures.by_weekday)),
        Section(
            "exits", "P&L by reason of the exit", figures.by_exit_reason, none, charts.groups(figures.by_exit_reason)
        ),
        Section("trades", "Round trips", figures.round_trips, none, charts.distribution(figures)),
        Section("slippage", "Slippage against the price at which it was decided", figures.slippage, "No such fill."),
        Section("refusals", "Refused signals", figures.refused, "No signal was refused.", charts.refusals(figures)),
        Section("audit", "Rules of the audit, over the whole book", figures.audit, audited),
        Section("incidents", "What had to be told", figures.incidents, "No drift, no conflict, no halt and no alarm."),
    ]


def cell(value: object) -> str:
    """A number with its separators, a time in New York, anything else as it is."""
    if isinstance(value, float):
        return f"{value:,.2f}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, datetime):
        return f"{value.astimezone(NEW_YORK):%Y-%m-%d %H:%M:%S %Z}"
    return str(value)


def words(name: str) -> str:
    """A field's name as a heading: `pnl` is what people call P&L."""
    return name.replace("_", " ").replace("pnl", "P&L")


def data(chart: charts.Chart) -> Markup:
    """JSON that stays data within a page: no text of the book can end its element."""
    return Markup(json.dumps(chart).replace("<", "\\u003c"))  # noqa: S704  (escaped by the line itself)
