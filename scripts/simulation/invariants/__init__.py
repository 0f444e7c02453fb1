"""What has to be true, by the numbers of the project's list of invariants: one function each."""

from simulation.invariants import ledger, orders
from simulation.invariants.registry import ALL, When, broken

__all__ = ["ALL", "When", "broken", "ledger", "orders"]
