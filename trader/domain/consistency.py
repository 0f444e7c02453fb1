"""Whether every position of the ledger is watched: compared by symbol and by shares, never by count (incident 4)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple


class Consistency(StrEnum):
    """`CONSISTENT`: all that is held is watched, and nothing else. `CRITICAL`: things are held, and none is watched."""

    CONSISTENT = "Consistent"
    PARTIAL = "Partial"
    CRITICAL = "Critical"


class Gap(NamedTuple):
    """Shares of a symbol that the ledger holds, and those whose exits are armed."""

    symbol: str
    held: int
    armed: int
    why: str


def gaps_between(held: Mapping[str, int], armed: Mapping[str, int], unarmed: Mapping[str, str]) -> tuple[Gap, ...]:
    """Every symbol on which ledger and scanner differ; `unarmed` says why the scanner does not watch one."""
    return tuple(
        Gap(symbol, held.get(symbol, 0), armed.get(symbol, 0), unarmed.get(symbol, ""))
        for symbol in sorted({*held, *armed})
        if held.get(symbol, 0) != armed.get(symbol, 0)
    )


def consistency_of(held: Mapping[str, int], gaps: tuple[Gap, ...]) -> Consistency:
    """The one word for it."""
    if not gaps:
        return Consistency.CONSISTENT
    unwatched = {gap.symbol for gap in gaps if not gap.armed}
    return Consistency.CRITICAL if held and held.keys() <= unwatched else Consistency.PARTIAL
