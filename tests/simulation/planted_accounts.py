"""Bugs of several accounts on one book, each a protection taken away."""

import sqlite3

from planting import Planted, put
from simulation.configuration import Broker

from trader.adapters.sqlite import one_account, store, transaction
from trader.services.ports import Commit, Receipt


def a_statement_forgets_its_account() -> None:
    """What the binding is there for: without it such a statement changes the rows of all."""
    put(one_account, "refuse_others", lambda *_: None)

    def forgetful(connection: sqlite3.Connection, commit: Commit) -> Receipt:
        connection.execute("UPDATE book_accounts SET signals_seen = signals_seen + 1")
        return transaction.write(connection, commit)

    put(store, "write", forgetful)


BUGS = {
    "a_statement_forgets_its_account": Planted(
        37, a_statement_forgets_its_account, ("s0",), "what_leaves_names_this_account", Broker.SHARED
    ),
}
