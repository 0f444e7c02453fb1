"""What has to be true, by the numbers of the project's list of invariants: one function each.

`NOT_YET` names what of a number cannot be asked before there is a broker with ids, connections and a wire of its own.
"""

from collections.abc import Mapping

from simulation.invariants import executions, ledger, openings, orders
from simulation.invariants.registry import ALL, When, broken

NOT_YET: Mapping[int, str] = {
    1: "a higher revision replaces the lower: judged as soon as the daemon books revisions; until then each id counts",
    2: "one live permanent id an intent: only Interactive Brokers gives one; the reference is the identity",
    5: "order ids of a client id: only Interactive Brokers wants them; the numbers of references are judged",
    6: "attribution by permanent id: the same",
    11: "a commission that is late: the paper broker tells it with its execution",
    19: "disconnected: the embedded broker has no connection to lose, only answers that do not come",
    20: "the hash of the configuration: the journal has the grounds of each entry, and not yet that",
}

__all__ = ["ALL", "NOT_YET", "When", "broken", "executions", "ledger", "openings", "orders"]
