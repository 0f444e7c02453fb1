"""A connection that is one account's: a book may hold several, and no code beside this one can mix them up.

Rule 1: a writer cannot change another account's rows. TEMP triggers, which live and die with the connection, refuse it.
Rule 2: a reader cannot see them. TEMP views stand before the tables and views of the same names.
Rule 3: which tables and views these are is read from the open book, by their column `account`: a new one is bound, too.
Rule 4: what is the whole book's, a table without that column, may be added to by a writer, and not changed.
"""

import sqlite3
from collections.abc import Callable
from typing import TypeVar

from trader.adapters.sqlite.database import Writer, compile_writes

_Result = TypeVar("_Result")

REFUSAL = "a_row_of_another_account"
REFUSAL_OF_THE_BOOK = "a_row_of_the_whole_book"

_CHANGES = {
    "INSERT": "NEW.account IS NOT {account}",
    "UPDATE": "OLD.account IS NOT {account} OR NEW.account IS NOT {account}",
    "DELETE": "OLD.account IS NOT {account}",
}
"""What may be done to a row -> when it is another account's."""

_OF_THE_WHOLE_BOOK = """
SELECT t.name FROM pragma_table_list t
WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite!_%' ESCAPE '!'
  AND NOT EXISTS (SELECT 1 FROM pragma_table_info(t.name, 'main') c WHERE c.name = 'account')
"""

_OF_ACCOUNTS = """
SELECT t.name, t.type = 'table' AND NOT t.wr FROM pragma_table_list t
WHERE t.schema = 'main' AND t.type IN ({types})
  AND EXISTS (SELECT 1 FROM pragma_table_info(t.name, 'main') c WHERE c.name = 'account')
ORDER BY t.name
"""


class AccountWriter:
    """A writer connection on which nothing of another account can be written."""

    def __init__(self, writer: Writer, account: str) -> None:
        self._writer = writer
        self.account = account

    @classmethod
    async def bind(cls, writer: Writer, account: str) -> "AccountWriter":
        """Bind a writer connection to an account, for as long as it is open. Raises BookError."""

        def job(connection: sqlite3.Connection) -> None:
            refuse_others(connection, account)
            compile_writes(connection)

        await writer.transact(job)
        return cls(writer, account)

    async def transact(self, job: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Run the job between BEGIN and COMMIT, as `Writer` says; a row of another account is a BookRefused."""
        return await self._writer.transact(job)

    async def close(self) -> None:
        """Close the connection."""
        await self._writer.close()


def refuse_others(connection: sqlite3.Connection, account: str) -> None:
    """From now on the database refuses on this connection what would change another account's rows.

    A connection that is bound twice is bound once; one that is bound to two accounts changes no row at all. A row that
    has to go for another one's key (INSERT OR REPLACE) is asked about, too: without the pragma it would not be.
    """
    connection.execute("PRAGMA recursive_triggers = ON")
    for table, _ in of_accounts(connection, "'table'"):
        for change, is_another in _CHANGES.items():
            connection.execute(
                f'CREATE TEMP TRIGGER IF NOT EXISTS "{table} {change} {account}" BEFORE {change} ON main.{table} '
                f"WHEN {is_another.format(account=_quoted(account))} BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
            )
    for (table,) in connection.execute(_OF_THE_WHOLE_BOOK).fetchall():
        for change in ("UPDATE", "DELETE"):
            connection.execute(
                f'CREATE TEMP TRIGGER IF NOT EXISTS "{table} {change}" BEFORE {change} ON main.{table} '
                f"BEGIN SELECT RAISE(ABORT, '{REFUSAL_OF_THE_BOOK}'); END"
            )


def show_only(connection: sqlite3.Connection, account: str) -> None:
    """From now on every table and view shows on this connection the account's rows alone."""
    connection.executescript("PRAGMA temp_store = MEMORY; PRAGMA query_only = OFF;")
    for name, has_rowid in of_accounts(connection, "'table', 'view'"):
        columns = "rowid AS rowid, *" if has_rowid else "*"
        connection.execute(
            f"CREATE TEMP VIEW {name} AS SELECT {columns} FROM main.{name} "  # noqa: S608  (our names)
            f"WHERE account = {_quoted(account)}"
        )
    connection.execute("PRAGMA query_only = ON")


def of_accounts(connection: sqlite3.Connection, types: str) -> list[tuple[str, bool]]:
    """Those of the book whose rows are of an account, by name, and whether these have numbers of their own."""
    return [(row[0], bool(row[1])) for row in connection.execute(_OF_ACCOUNTS.format(types=types)).fetchall()]


def _quoted(account: str) -> str:
    """As SQL writes a text: a trigger takes no parameters."""
    return "'" + account.replace("'", "''") + "'"
