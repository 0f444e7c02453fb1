"""How answers are shown: tables on a terminal, TSV into a pipe, JSON with `--json`. Exit codes, by name.

Keys are the same in TSV and JSON, and have no spaces; numbers are plain in both.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from enum import IntEnum

from trader.app.cli.tables import printable, show_table


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


def is_terminal() -> bool:
    """Whether a person reads it."""
    return sys.stdout.isatty()


def show_rows(
    columns: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    *,
    as_json: bool,
    title: str = "",
    least: Sequence[str] = (),
) -> None:
    """Show rows in the way that fits the reader; a narrow terminal may leave out the columns that tell `least`."""
    if as_json:
        say(json.dumps([dict(zip(columns, row, strict=True)) for row in rows], indent=2, default=_plain))
    elif is_terminal():
        show_table(columns, rows, title, least)
    else:
        say("\t".join(columns))
        for row in rows:
            say("\t".join(_cell(cell) for cell in row))


def show_facts(facts: Mapping[str, Cell], *, as_json: bool, title: str = "") -> None:
    """Show one thing's properties, a line each."""
    if as_json:
        say(json.dumps(dict(facts), indent=2, default=_plain))
    elif is_terminal():
        show_table(("", ""), facts.items(), title, headed=False)
    else:
        for name, value in _flat(facts):
            say(f"{name}\t{_cell(value)}")


def say(text: str) -> None:
    """One line to standard output."""
    sys.stdout.write(f"{text}\n")


def complain(text: str) -> None:
    """A sentence to standard error; lines of ours stay lines, and what it quotes does not steer a terminal."""
    sys.stderr.write("\n".join(printable(line) for line in text.split("\n")) + "\n")


def _flat(facts: Mapping[str, Cell], above: str = "") -> Iterator[tuple[str, Cell]]:
    """Tables within a table by their dotted names."""
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _plain(value: object) -> object:
    """What JSON has no word for: times as ISO-8601, mappings as objects, everything else as its text."""
    if isinstance(value, date):
        return value.isoformat()
    return dict(value) if isinstance(value, Mapping) else str(value)


def _cell(cell: Cell) -> str:
    """A value as JSON would write it, but texts bare and nothing as nothing."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return printable(cell.isoformat() if isinstance(cell, date) else cell)
