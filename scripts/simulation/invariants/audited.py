"""The audit, of every book that a life has left behind: whatever has happened to it, it says what it was."""

from collections.abc import Iterator
from contextlib import closing

from simulation.invariants.registry import When, invariant
from simulation.scene import Scene
from trader.audit.besides import as_shipped
from trader.audit.reading import open_read_only
from trader.audit.rule import FAILS
from trader.audit.rules import RULES
from trader.audit.watching import Watch

_OF_THE_WORLD = ("flat_at_close", "no_conflicting_positions", "broker_agrees")
"""What a broker that refuses closes, tells executions late or loses shares brings about; other numbers judge those."""


@invariant(12, When.DEATH)
def the_audit_finds_nothing(scene: Scene) -> Iterator[str]:
    """By every rule, of every account of the book. That the rules see is proved by tests, and not again here."""
    rules = [rule for rule in RULES if rule.name not in _OF_THE_WORLD]
    with closing(open_read_only(scene.settings.book.db)) as book:
        for answer in Watch(book, as_shipped({})).look(rules):
            if answer.verdict in FAILS:
                found = "; ".join(f"{finding.id} {finding.said}" for finding in answer.findings[:3])
                yield f"{answer.rule.name} {answer.verdict}: {found or answer.fault}"
