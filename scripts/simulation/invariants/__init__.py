"""What has to be true, by the numbers of the project's list of invariants: one function each."""

from simulation.invariants import executions, ledger, openings, orders
from simulation.invariants.registry import ALL, When, broken

__all__ = ["ALL", "When", "broken", "executions", "ledger", "openings", "orders"]
