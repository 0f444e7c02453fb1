"""Tables for a terminal, made to fit it: what names something is never cut.

What is too wide is made narrower in this order: times without their date or zone, which go into the title, and headers
on several lines; without the columns that tell least; texts folded at their words.
"""

import textwrap
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # slow to import; most commands have no table
    from rich.console import Console

_GAP = 2
_WORD = 24
"""Columns with longer words than this are texts."""
_NARROWEST_TEXT = 12
_IN_FULL = "%Y-%m-%d %H:%M:%S %Z"


class _Column(NamedTuple):
    name: str
    header: str
    cells: list[str]
    is_number: bool
    is_time: bool
    is_text: bool
    """It may be folded."""

    @property
    def width(self) -> int:
        """In full."""
        return max(len(line) for cell in (self.header, *self.cells) for line in (cell.splitlines() or [""]))

    @property
    def least_width(self) -> int:
        return min(self.width, _NARROWEST_TEXT) if self.is_text else self.width

    def with_narrow_header(self) -> "_Column":
        """Its header on as many lines as it takes to be no wider than the cells, words left whole."""
        words = self.header.split()
        width = max(len(text) for text in (*words, *self.cells, " "))
        return self._replace(header="\n".join(textwrap.wrap(self.header, width, break_long_words=False)))


def show_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    title: str = "",
    least: Sequence[str] = (),
    *,
    headed: bool = True,
) -> None:
    """Print a table. `least` are columns that may be left out for want of room, the one that tells least first."""
    from rich.console import Console

    written = [list(row) for row in rows]
    console = Console()
    shown = _columns(columns, written, _IN_FULL)
    if _width([column.width for column in shown]) > console.width:
        in_common, form = _short_times([cell for row in written for cell in row if isinstance(cell, datetime)])
        shown = [column.with_narrow_header() for column in _columns(columns, written, form)]
        shown = _fitting(shown, least, console.width)
        if any(column.is_time for column in shown):
            title = ", ".join(filter(None, (title, in_common)))
    _print(console, shown, title, headed=headed)
    if not written:
        console.print("nothing", style="dim")


def _columns(names: Sequence[str], rows: Sequence[Sequence[object]], form: str) -> list[_Column]:
    columns = []
    for place, name in enumerate(names):
        values = [row[place] for row in rows]
        cells = [_written(value, form) for value in values]
        is_number = bool(cells) and all(map(_is_number, cells))
        folds = any((" " in cell and place > 0) or len(cell) > _WORD for cell in cells)
        is_time = any(isinstance(value, datetime) for value in values)
        is_text = folds and not is_number and not is_time
        columns.append(_Column(name, name.replace("_", " "), cells, is_number, is_time, is_text))
    return columns


def _short_times(times: Sequence[datetime]) -> tuple[str, str]:
    """What all times have in common, of day and zone, and the form of what is left of them."""
    days, zones = {at.date() for at in times}, {f"{at:%Z}" for at in times}
    same = [f"{day}" for day in days if len(days) == 1] + [zone for zone in zones if len(zones) == 1]
    form = ("" if len(days) == 1 else "%m-%d ") + "%H:%M:%S" + ("" if len(zones) == 1 else " %Z")
    return " ".join(same), form


def _fitting(columns: Sequence[_Column], least: Sequence[str], room: int) -> list[_Column]:
    fitting = list(columns)
    for name in least:
        if _width([column.least_width for column in fitting]) <= room:
            break
        fitting = [column for column in fitting if column.name != name]
    return fitting


def _width(columns: Sequence[int]) -> int:
    return sum(columns) + _GAP * (len(columns) - 1)


def _print(console: "Console", columns: Sequence[_Column], title: str, *, headed: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=title or None,
        title_justify="left",
        title_style="italic",
        show_header=headed,
        header_style="bold",
        box=None,
        padding=(0, _GAP, 0, 0),
        pad_edge=False,
    )
    for column in columns:
        table.add_column(
            column.header,
            justify="right" if column.is_number else "left",
            no_wrap=not column.is_text,
            overflow="fold",
        )
    for row in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*map(Text, row))
    needed = _width([column.least_width for column in columns])
    if needed > console.width:  # the terminal's own folding loses nothing
        table.width = needed
    console.print(table, crop=False)


def _written(value: object, form: str) -> str:
    if isinstance(value, datetime):
        return value.strftime(form)
    return printable(round(value, 4) if isinstance(value, float) else value)


def printable(value: object) -> str:
    """A value as text on one line; what would move the cursor is shown as its code."""
    text = "" if value is None else str(value)
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def _is_number(text: str) -> bool:
    return not text or text.replace(",", "").lstrip("-+").replace(".", "", 1).isdigit()
