"""The entry gate: why no entry may leave at the moment, halts apart. Exits never ask it.

A halt is a person's or a rule's decision and lasts until a person clears it; the gate closes and opens by facts.
"""

from collections.abc import Mapping

from trader.domain.decision import Refusal, Rule, Stage


class Gate:
    """Open while nothing keeps it closed. Each rule closes and opens for itself."""

    def __init__(self) -> None:
        self._closed: dict[Rule, str] = {}

    def close(self, rule: Rule, why: str) -> bool:
        """Keep entries from leaving, for one more rule. True when it did not before."""
        is_news = rule not in self._closed
        self._closed[rule] = why
        return is_news

    def open(self, rule: Rule) -> None:
        """This rule keeps nothing closed any more."""
        self._closed.pop(rule, None)

    def why_closed(self, rule: Rule) -> str:
        """Why one rule keeps it closed; or nothing."""
        return self._closed.get(rule, "")

    def refusal(self, symbol: str) -> Refusal | None:
        """The "no" that an entry of a symbol gets; None while the gate is open."""
        for rule, why in self._closed.items():
            return Refusal(Stage.LOCK, rule, symbol, detail=why)
        return None

    @property
    def closed(self) -> Mapping[Rule, str]:
        """Which rules keep it closed, and why."""
        return self._closed

    @property
    def why(self) -> str:
        """Everything that keeps it closed, in words; or nothing."""
        return "; ".join(f"{rule}: {detail}" for rule, detail in self._closed.items())
