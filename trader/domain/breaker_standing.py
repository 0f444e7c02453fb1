"""Every breaker as it stands, for a person to read: as a running daemon measures it, or as a book at rest has it."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from trader.domain.breaker import KINDS, Breaker, BreakerRule, BreakerScope, InputValue, Latch, formula_of


class Reading(NamedTuple):
    """What a breaker has measured last."""

    measured: float
    target: str
    inputs: Mapping[str, InputValue]


class Standing(NamedTuple):
    """A breaker as it is now."""

    breaker: Breaker
    scope: BreakerScope
    state: str
    """`off`, `armed` or `tripped`."""
    formula: str
    measured: float | None
    """None before the first measurement of this run."""
    limit: float
    target: str
    inputs: Mapping[str, InputValue]
    flattens: bool
    since: datetime | None
    """When it has tripped."""
    cause: str = ""


def standings(
    rules: Mapping[Breaker, BreakerRule], latches: Iterable[Latch], readings: Mapping[Breaker, Reading]
) -> list[Standing]:
    """One for each breaker, and one for each target that it has tripped of."""
    tripped = list(latches)
    return [
        standing
        for breaker in Breaker
        for standing in _standings_of(breaker, rules[breaker], tripped, readings.get(breaker))
    ]


def _standings_of(
    breaker: Breaker, rule: BreakerRule, tripped: Iterable[Latch], reading: Reading | None
) -> Iterator[Standing]:
    latches = [latch for latch in tripped if latch.breaker is breaker]
    for latch in latches:
        yield Standing(
            breaker,
            latch.scope,
            "tripped",
            latch.formula,
            latch.measured,
            latch.limit,
            latch.target,
            latch.inputs,
            latch.flattens,
            latch.tripped_at,
            latch.cause,
        )
    if not latches:
        state, scope, formula = "armed" if rule.enabled else "off", KINDS[breaker].scope, formula_of(breaker, rule)
        measured = reading.measured if reading is not None else None
        target, inputs = (reading.target, reading.inputs) if reading is not None else ("", {})
        yield Standing(breaker, scope, state, formula, measured, rule.limit, target, inputs, rule.flattens, None)
