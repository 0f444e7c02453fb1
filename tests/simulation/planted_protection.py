"""Bugs around protection at the broker, for the invariants 17 and 4: in each some protection is taken away."""

from planting import Planted, put

from trader.adapters.sqlite import queries
from trader.services.execution import Execution
from trader.services.protecting import Protecting


def surplus_stays() -> None:
    """Stops of what was never bought, or is sold, work on."""
    put(Protecting, "_take_back", lambda *_: None)


def exit_beside_protection() -> None:
    """An exit of our own leaves while the pair lives, and the database does not mind."""
    schema = queries.SCHEMA.replace("RAISE(ABORT, 'no_exit_beside_protection')", "1")
    for module in ("trader.adapters.sqlite.database", "trader.adapters.sqlite.soundness"):
        put(__import__(module, fromlist=["SCHEMA"]), "SCHEMA", schema)
    put(Protecting, "withdraw", lambda *_: True)
    put(Execution, "exit", lambda _, step, ticket: ticket.symbol in step.draft.exits or step.draft.exit(ticket))


BUGS: dict[str, Planted] = {
    "surplus_stays": Planted(17, surplus_stays, ("s3",)),
    "exit_beside_protection": Planted(4, exit_beside_protection, ("s1",)),
}
