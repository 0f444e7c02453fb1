"""How long things took, as a daemon tells it: for the metrics, and for the picture of them on the dashboard."""

from collections.abc import Mapping
from itertools import accumulate
from typing import NamedTuple

from trader.services.latencies import BOUNDS_S

LATENCIES: Mapping[str, str] = {
    "signal_to_order": "from a signal's arrival until its order was handed to the broker",
    "fill_to_durable": "from an execution's arrival until it was committed to the book",
    "commit": "one transaction of the book",
    "loop_lag": "by how much the daemon's loop came too late, looked at ten times a second",
}
"""What a daemon measures, and what it is."""


def in_words(duration_s: float) -> str:
    """As a person reads it: `250 us`, `2.5 ms`, `1 s`."""
    if duration_s < 0.001:
        return f"{duration_s * 1e6:.0f} us"
    return f"{duration_s * 1e3:.3g} ms" if duration_s < 1 else f"{duration_s:.3g} s"


CLASSES = (*map(in_words, BOUNDS_S), "more")
"""The classes, by their upper bounds."""


class LatencyFigures(NamedTuple):
    """One of them, since the daemon began. Durations in seconds."""

    name: str
    says: str
    counts: tuple[int, ...]
    """How many in each class: up to each of the bounds, and above the last."""
    sum_s: float

    @property
    def total(self) -> int:
        """How many there were."""
        return sum(self.counts)

    @property
    def up_to(self) -> tuple[tuple[float, int], ...]:
        """Bound, and how many took no longer; without those above the last bound."""
        return tuple(zip(BOUNDS_S, accumulate(self.counts), strict=False))

    def quantile_s(self, share: float) -> float | None:
        """The smallest bound that so many did not exceed; None where there were none, or it is above the last."""
        reached = (bound for bound, count in self.up_to if count >= share * self.total)
        return next(reached, None) if self.total else None


def read_latencies(told: object) -> tuple[LatencyFigures, ...]:
    """A daemon's word, checked: what it does not tell, or tells in other classes, is left out."""
    if not isinstance(told, Mapping):
        return ()
    read = (_read(name, says, told.get(name)) for name, says in LATENCIES.items())
    return tuple(figures for figures in read if figures is not None)


def _read(name: str, says: str, told: object) -> LatencyFigures | None:
    counts = told.get("counts") if isinstance(told, Mapping) else None
    sum_s = told.get("sum_s") if isinstance(told, Mapping) else None
    if not isinstance(counts, list) or len(counts) != len(BOUNDS_S) + 1 or not isinstance(sum_s, int | float):
        return None
    if not all(type(count) is int for count in counts):
        return None
    return LatencyFigures(name, says, tuple(counts), float(sum_s))
