"""Where a day's signals went: stage by stage, what came in, what was refused by which rule, what went on.

Every stage hands on what it does not refuse, so a column that does not add up is a bug and not a rounding.
"""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import date
from shutil import get_terminal_size
from typing import Annotated, NamedTuple

import typer

from trader.adapters.sqlite.rows import from_us
from trader.app.cli.context import ConfigOption, DbOption, JsonOption, reading
from trader.app.cli.output import is_terminal, show_facts, show_rows
from trader.app.cli.reading import bounds_us, exchange_date
from trader.domain.decision import Outcome, Stage
from trader.domain.session import new_york_date

_CHAIN = (Stage.SIGNAL, Stage.ALLOCATION, Stage.CONFLICT, Stage.SESSION, Stage.SIZING, Stage.LOCK)
_NAMES = {Stage.SIGNAL: "signals"}
_RULES_SHOWN = 3
_BAR_WIDTH = 30
_BESIDE_BAR = 62


class Level(NamedTuple):
    """One stage of the funnel. `entered` = refused + left + passed."""

    stage: str
    entered: int
    refused: int
    left: int
    """Neither refused nor handed on: nothing to change, only closes, or an order that still works."""
    passed: int
    rules: Mapping[str, int]
    """Which rules refused, the most frequent first."""


class Funnel(NamedTuple):
    """A New York date's signals."""

    day: date
    levels: tuple[Level, ...]
    outcomes: Mapping[str, int]

    def in_one_line(self) -> str:
        """For a status."""
        refused = Counter[str]()
        for level in self.levels:
            refused.update(level.rules)
        rules = ", ".join(f"{rule} {count}" for rule, count in refused.most_common(_RULES_SHOWN))
        parts = [f"{self.outcomes.get(outcome, 0)} {outcome}" for outcome in Outcome]
        return (
            f"{self.levels[0].entered} signals: {', '.join(parts)}, {self.levels[-1].passed} filled"
            f"{f' ({rules})' if rules else ''}"
        )


def funnel_command(
    day: Annotated[str, typer.Option("--day", help="A New York date, 2025-06-23; default: the newest.")] = "",
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Where a day's signals went: how many each stage passed and refused, and by which rules."""
    with reading(config, db) as (book, account, _):
        chosen = exchange_date(day) if day else newest_day(book, account)
        funnel = read_funnel(book, account, chosen)
    if as_json:
        show_facts(
            {"day": funnel.day, "outcomes": funnel.outcomes, "stages": [level._asdict() for level in funnel.levels]},
            as_json=True,
        )
        return
    columns = ["stage", "in", "refused", "left", "passed", "rules"]
    rows: list[list[object]] = [
        [*level[:5], ", ".join(f"{rule} {count}" for rule, count in list(level.rules.items())[:_RULES_SHOWN])]
        for level in funnel.levels
    ]
    if is_terminal():
        widest, room = max(funnel.levels[0].entered, 1), get_terminal_size().columns - _BESIDE_BAR
        columns.insert(1, "")
        for row, level in zip(rows, funnel.levels, strict=True):
            row.insert(1, _bar(level.entered / widest, max(min(_BAR_WIDTH, room), 1)))
    show_rows(columns, rows, as_json=False, title=f"{funnel.day} New York")


def newest_day(book: sqlite3.Connection, account: str) -> date:
    """The New York date of the newest signal, else of the newest event."""
    row = book.execute("SELECT max(received_us) FROM book_signals WHERE account = ?", (account,)).fetchone()
    if row[0] is None:
        row = book.execute("SELECT max(at_us) FROM book_events WHERE account = ?", (account,)).fetchone()
    return new_york_date(from_us(row[0] or 0))


def read_funnel(book: sqlite3.Connection, account: str, day: date) -> Funnel:
    """Count a day's signals and the orders that they led to."""
    refused: defaultdict[str, Counter[str]] = defaultdict(Counter)
    outcomes = Counter[str]()
    first, end = bounds_us(day)
    for outcome, stage, rule, count in book.execute(
        "SELECT outcome, stage, rule, sum(count) FROM book_signals "
        "WHERE account = ? AND received_us >= ? AND received_us < ? GROUP BY 1, 2, 3",
        (account, first, end),
    ):
        outcomes[outcome] += count
        if outcome == Outcome.REFUSED:
            refused[stage][rule] += count
    levels: list[Level] = []
    entered = sum(outcomes.values())
    for stage in _CHAIN:
        left = outcomes[Outcome.CLOSING] + outcomes[Outcome.UNCHANGED] if stage is Stage.CONFLICT else 0
        level = _level(_NAMES.get(stage, stage), entered, left, refused[stage])
        levels.append(level)
        entered = level.passed
    orders = _orders(book, account, first, end, entered, refused[Stage.BROKER])
    levels += [orders, Level("filled", orders.passed, 0, 0, orders.passed, {})]
    return Funnel(day, tuple(levels), outcomes)


def _level(name: str, entered: int, left: int, rules: Counter[str]) -> Level:
    refused = sum(rules.values())
    return Level(name, entered, refused, left, entered - refused - left, dict(rules.most_common()))


def _orders(book: sqlite3.Connection, account: str, first: int, end: int, entered: int, refused: Counter[str]) -> Level:
    """Of the entries: some filled, at least in part; some ended with nothing; the rest still works."""
    states = Counter(refused)
    working = 0
    for state, count in book.execute(
        "SELECT o.state, count(*) FROM book_signals s "
        "JOIN book_orders o ON o.account = s.account AND o.order_ref = s.order_ref "
        "WHERE s.account = ? AND s.received_us >= ? AND s.received_us < ? AND s.outcome = 'ordered' AND o.filled = 0 "
        "GROUP BY 1",
        (account, first, end),
    ):
        if state in ("cancelled", "rejected"):
            states[state] += count
        else:
            working += count
    return _level("orders", entered, working, states)


def _bar(share: float, width: int) -> str:
    """As long as its share; what is there at all can be seen."""
    return "█" * max(round(width * share), 1 if share else 0)
