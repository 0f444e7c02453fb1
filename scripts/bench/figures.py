"""A measured figure beside its target, and the table of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SCRATCH = Path(__file__).resolve().parents[2] / ".bench"
"""Bars are made, and books written, here: on the disk that the program lies on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table. Without a target it is told for comparison only."""

    name: str
    measured: float
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""

    @property
    def ok(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.at_most is not None:
            return self.measured <= self.at_most
        if self.at_least is not None:
            return self.measured >= self.at_least
        return None

    @property
    def target(self) -> str:
        """The target in words."""
        if self.at_most is not None:
            return f"at most {_number(self.at_most)}{self._suffix}"
        if self.at_least is not None:
            return f"at least {_number(self.at_least)}{self._suffix}"
        return ""

    @property
    def told(self) -> str:
        """The measured value in words."""
        return f"{_number(self.measured)}{self._suffix}"

    @property
    def _suffix(self) -> str:
        return f" {self.unit}" if self.unit else ""


def show(figures: Iterable[Figure]) -> None:
    """Print the table."""
    words = {None: "", True: "ok", False: "MISSED"}
    rows = [("figure", "measured", "target", "ok")]
    for each in figures:
        rows += [(each.name, each.told, each.target, f"{words[each.ok]} {each.note}".strip())]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for name, told, target, ok in rows:
        print(f"{name:<{widths[0]}} | {told:>{widths[1]}} | {target:<{widths[2]}} | {ok}".rstrip())


def _number(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.2f}" if abs(value) >= 0.1 or value == 0 else f"{value:.4f}"
