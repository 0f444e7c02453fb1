"""How answers are shown: tables on a terminal, TSV into a pipe, JSON with `--json`. Exit codes, by name."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from enum import IntEnum


class Exit(IntEnum):
    """What a command's exit code says."""

    OK = 0
    BUG = 1
    USAGE = 2
    BROKER_UNREACHABLE = 3
    FINDINGS = 4
    REFUSED = 5
    ALREADY_RUNNING = 6
    DAEMON_DOWN = 7
    NO_ANSWER = 8


Cell = object


def show_rows(columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, as_json: bool, title: str = "") -> None:
    """Show rows in the way that fits the reader."""
    if as_json:
        say(json.dumps([dict(zip(columns, row, strict=True)) for row in rows], indent=2, default=_plain))
    elif sys.stdout.isatty():
        _show_table(columns, rows, title)
    else:
        say("\t".join(columns))
        for row in rows:
            say("\t".join(_text(cell) for cell in row))


def show_facts(facts: Mapping[str, Cell], *, as_json: bool, title: str = "") -> None:
    """Show one thing's properties, a line each."""
    if as_json:
        say(json.dumps(dict(facts), indent=2, default=_plain))
    elif sys.stdout.isatty():
        _show_table(("", ""), facts.items(), title)
    else:
        for name, value in facts.items():
            say(f"{name}\t{_text(value)}")


def say(text: str) -> None:
    """One line to standard output."""
    sys.stdout.write(f"{text}\n")


def complain(text: str) -> None:
    """One line to standard error."""
    sys.stderr.write(f"{text}\n")


def _plain(value: object) -> object:
    """What JSON has no word for: times as ISO-8601, mappings as objects, everything else as its text."""
    if isinstance(value, date):
        return value.isoformat()
    return dict(value) if isinstance(value, Mapping) else str(value)


def _text(cell: Cell) -> str:
    text = "" if cell is None else str(cell)
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def _show_table(columns: Sequence[str], rows: Iterable[Sequence[Cell]], title: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left", show_header=any(columns), header_style="bold", box=None)
    shown = [[_text(round(cell, 4) if isinstance(cell, float) else cell) for cell in row] for row in rows]
    numeric = [all(_is_number(row[place]) for row in shown) for place in range(len(columns))]
    for name, right in zip(columns, numeric, strict=True):
        table.add_column(name, justify="right" if right and shown else "left", no_wrap=right)
    for row in shown:
        table.add_row(*(Text(cell) for cell in row))
    console = Console()
    console.print(table)
    if not shown:
        console.print("nothing", style="dim")


def _is_number(text: str) -> bool:
    return not text or text.replace(",", "").lstrip("-+").replace(".", "", 1).isdigit()
