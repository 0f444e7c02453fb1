"""The panel of breakers: what each has measured last, whether that trips it, and what follows.

Rule 1: what trips is a latch of the same transaction as what has tripped it, with its alarm.
Rule 2: a breaker that has tripped is not tripped again; one that is off is measured all the same.
"""

from collections.abc import Mapping
from datetime import datetime

from trader.domain.breaker import (
    KINDS,
    Breaker,
    BreakerRule,
    InputValue,
    Latch,
    formula_of,
    latch_key,
)
from trader.domain.breaker_standing import Reading, Standing, standings
from trader.domain.portfolio import Book
from trader.services.step import Level, Step


class Panel:
    """Of one account."""

    def __init__(self, rules: Mapping[Breaker, BreakerRule]) -> None:
        self.rules = rules
        self._newest: dict[Breaker, Reading] = {}

    def note(self, breaker: Breaker, measured: float, target: str = "") -> None:
        """Keep what was measured, where nothing can follow from it."""
        self._newest[breaker] = Reading(measured, target, {})

    def judge(
        self,
        step: Step,
        breaker: Breaker,
        measured: float,
        cause: str,
        *,
        target: str = "",
        inputs: Mapping[str, InputValue] | None = None,
    ) -> None:
        """Compare with the limit, and trip."""
        self._newest[breaker] = Reading(measured, target, inputs or {})
        rule, kind = self.rules[breaker], KINDS[breaker]
        if not (rule.enabled and kind.reached(measured, rule.limit)):
            return
        if latch_key(breaker, target) in step.draft.latches:
            return
        self._trip(step, breaker, rule, measured, cause, target, inputs or {})

    def judge_lasting(
        self,
        step: Step,
        breaker: Breaker,
        since: datetime,
        cause: str,
        *,
        target: str = "",
        inputs: Mapping[str, InputValue] | None = None,
    ) -> None:
        """Of a condition that has lasted since then, or since a person has looked."""
        cleared_at = step.draft.cleared.get(latch_key(breaker, target), since)
        lasts_s = (step.draft.now - max(since, cleared_at)).total_seconds()
        self.judge(
            step, breaker, max(0.0, round(lasts_s, 1)), f"{cause}, for {lasts_s:.0f} s", target=target, inputs=inputs
        )

    def _trip(
        self,
        step: Step,
        breaker: Breaker,
        rule: BreakerRule,
        measured: float,
        cause: str,
        target: str,
        inputs: Mapping[str, InputValue],
    ) -> None:
        draft = step.draft
        latch = Latch(
            breaker=breaker,
            scope=KINDS[breaker].scope,
            target=target,
            cause=cause,
            measured=float(measured),
            limit=float(rule.limit),
            inputs=inputs,
            formula=formula_of(breaker, rule),
            flattens=rule.flattens,
            tripped_at=draft.now,
        )
        draft.trip(latch)
        whose = f"of {target}" if target else "of this account"
        closes = " and what is held is closed" if rule.flattens else ", exits go on"
        step.say(
            Level.ERROR,
            f"BREAKER TRIPPED {latch.key}: {cause}; {latch.formula} (measured {measured:g}); entries {whose} are "
            f"stopped{closes}; {latch.way_out} --reason ... account={draft.account}",
        )

    def standing(self, book: Book, counted: Mapping[Breaker, Reading]) -> list[Standing]:
        """Every breaker as it is now; `counted` are readings that change with time alone."""
        return standings(self.rules, book.latches.values(), {**self._newest, **counted})
