"""What has to be true, by the numbers of the project's list of invariants: one function each.

`NOT_YET` names what of a number nothing here judges yet.
"""

from simulation.invariants import (
    account,
    audited,
    executions,
    exits,
    hours,
    ledger,
    openings,
    orders,
    past,
    patience,
    restarts,
    storage,
)
from simulation.invariants.not_yet import NOT_YET
from simulation.invariants.registry import ALL, When, broken

__all__ = [
    "ALL",
    "NOT_YET",
    "When",
    "account",
    "audited",
    "broken",
    "executions",
    "exits",
    "hours",
    "ledger",
    "openings",
    "orders",
    "past",
    "patience",
    "restarts",
    "storage",
]
