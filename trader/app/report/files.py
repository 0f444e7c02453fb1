"""A report's three files: the page, all its figures, and a line a day."""

import csv
import json
from pathlib import Path

from trader.app.plain import plain
from trader.app.report.figures import Figures
from trader.app.report.page import render
from trader.app.written_files import write_whole


def write_report(figures: Figures, folder: Path) -> list[Path]:
    """Write `report-ACCOUNT-PERIOD` as .html, .json and .csv; one of before is replaced. Raises ConfigurationError."""
    name = folder / f"report-{figures.account}-{figures.period}"
    page, numbers, days = (name.with_name(f"{name.name}.{suffix}") for suffix in ("html", "json", "csv"))
    write_whole(page, lambda path: path.write_text(render(figures), "utf-8"))
    write_whole(numbers, lambda path: path.write_text(json.dumps(plain(figures), indent=2), "utf-8"))
    write_whole(days, lambda path: _write_days(figures, path))
    return [page, numbers, days]


def _write_days(figures: Figures, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("day", "opening_equity", "closing_equity", "pnl", "moved", "fills", "commission"))
        writer.writerows(figures.course.days)
