"""Templates, and how numbers and times are written in them. Everything from the book is escaped."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from jinja2 import Environment, PackageLoader, StrictUndefined

from trader.app.breakers_list import inputs_in_words
from trader.app.latency_figures import CLASSES, in_words
from trader.app.report.page import cell, data, words
from trader.domain.session import NEW_YORK
from trader.domain.symbol import units_of

CARDS = (
    "strip",
    "alarms",
    "lamps",
    "day",
    "breakers",
    "positions",
    "equity",
    "exposure",
    "funnel",
    "reconciliation",
    "audit",
    "latencies",
    "accounts",
    "news",
)
"""The parts of the first page that change by themselves, each a template."""


def make_environment() -> Environment:
    """The templates of the dashboard."""
    environment = Environment(
        loader=PackageLoader("trader.app.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"cell": cell, "words": words, "data": data, "inputs": inputs_in_words}
    environment.filters |= {
        "clock": _clock,
        "moment": _moment,
        "age": _age,
        "signed": _signed,
        "until": _until,
        "duration": _duration,
        "units": units_of,
    }
    environment.globals |= {"spread": _spread}
    return environment


def render_cards(environment: Environment, facts: Mapping[str, object]) -> dict[str, str]:
    """Each changing part by its name."""
    return {name: environment.get_template(f"cards/{name}.html.j2").render(facts) for name in CARDS}


def _clock(at: datetime | None) -> str:
    """The time of day in New York, its zone named."""
    return f"{at.astimezone(NEW_YORK):%H:%M:%S %Z}" if at is not None else "none yet"


def _moment(at: str | None) -> str:
    """A stored time, which is UTC, as a day and a time in New York, its zone named; nothing where there is none."""
    return f"{datetime.fromisoformat(at).astimezone(NEW_YORK):%d %b %H:%M:%S %Z}" if at else ""


def _age(at: str | datetime | None, now: datetime | None) -> str:
    """How long ago, in market time, as `0:04:58`."""
    if not at or now is None:
        return "unknown"
    then = datetime.fromisoformat(at) if isinstance(at, str) else at
    return str(max(timedelta(0), timedelta(seconds=round((now - then).total_seconds()))))


def _until(at: datetime, now: datetime) -> str:
    """`1:04:58` from now."""
    return str(timedelta(seconds=round((at - now).total_seconds())))


def _signed(amount: float | None) -> str:
    return "none yet" if amount is None else f"{amount:+,.2f}" if amount else "0.00"


def _duration(duration_s: float | None, total: int) -> str:
    """Nothing without anything that was measured; more than the last class where it says none."""
    if not total:
        return ""
    return f"over {CLASSES[-2]}" if duration_s is None else in_words(duration_s)


def _spread(stop: float | None, entry: float, last: float | None, target: float | None) -> dict[str, float]:
    """Where stop, entry, last and target lie on a line of 100, left to right by price."""
    known = {"stop": stop, "entry": entry, "last": last, "target": target}
    prices = {name: price for name, price in known.items() if price is not None}
    low, high = min(prices.values()), max(prices.values())
    width = high - low or 1.0
    return {name: round(4 + 92 * (price - low) / width, 2) for name, price in prices.items()}
