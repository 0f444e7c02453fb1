"""What an account's executions come to, one after the other: its cash, and the lives of its positions.

A life is a position from flat to flat. Both are added up in one pass, as windows over all rows take several times as
long.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, fields
from operator import attrgetter

_EXECUTIONS = """
SELECT seq, symbol, at_us, iif(side = 'BUY', quantity, -quantity),
       quantity * price_micros * iif(length(symbol) > 14, 100, 1), coalesce(commission_micros, 0),
       coalesce(realized_micros, 0), executed_us, execution_id, order_ref, purpose
FROM told_fills WHERE account = ? AND seq > ? ORDER BY rowid
"""
"""In the order of the journal: so they were taken in."""

_OTHER_CASH = """
SELECT seq, at_us, starting_cash_micros FROM told_accounts WHERE account = :account AND seq > :seq
UNION ALL SELECT seq, at_us, -commission_micros FROM told_commissions WHERE account = :account AND seq > :seq
UNION ALL SELECT seq, at_us, amount_micros FROM told_cash WHERE account = :account AND seq > :seq
ORDER BY seq
"""


@dataclass(slots=True)
class Life:
    """One position, by its executions. Its result is without commissions that were told later."""

    account: str
    symbol: str
    opened_us: int
    first_seq: int
    held: int = 0
    bought: int = 0
    bought_micros: int = 0
    sold_micros: int = 0
    realized_micros: int = 0
    closed_us: int = 0
    last_seq: int = 0
    last_execution: str = ""
    last_order: str = ""
    last_purpose: str = ""


_COLUMNS = tuple(field.name for field in fields(Life))
_MADE = f"""
CREATE TEMP TABLE lives ({", ".join(_COLUMNS)});
CREATE TEMP TABLE cash_after (account, seq, at_us, cash_micros, PRIMARY KEY (account, seq)) WITHOUT ROWID;
CREATE TEMP TABLE runs (account TEXT PRIMARY KEY, seq, cash_micros);
"""
_NEW = "INSERT INTO runs SELECT account, 0, 0 FROM main.book_accounts WHERE account NOT IN (SELECT account FROM runs)"
_OPEN = f"SELECT {', '.join(_COLUMNS)} FROM lives WHERE account = ? AND held <> 0"  # noqa: S608  (our own words)
_KEPT = f"INSERT INTO lives VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608
_INDEXES = ("lives_by_end ON lives (account, last_execution)", "lives_in_order ON lives (account, symbol, first_seq)")

_row = attrgetter(*_COLUMNS)


def prepare(connection: sqlite3.Connection) -> None:
    """Make the tables, empty."""
    connection.executescript(_MADE)


def add_up(connection: sqlite3.Connection) -> None:
    """Go on with what was told since the last look. Raises sqlite3.Error for what is no number where one belongs."""
    connection.execute(_NEW)
    for account, seq, cash_micros in connection.execute("SELECT account, seq, cash_micros FROM runs").fetchall():
        run = _Run(connection, account, seq, cash_micros)
        try:
            connection.executemany("INSERT INTO cash_after VALUES (?, ?, ?, ?)", run.moves())
        except (TypeError, OverflowError) as error:
            raise sqlite3.DataError(f"the executions of {account} cannot be added up: {error}") from error
        run.keep()
    for index in _INDEXES:
        connection.execute(f"CREATE INDEX IF NOT EXISTS temp.{index}")


class _Run:
    """One account, from the last look on."""

    def __init__(self, connection: sqlite3.Connection, account: str, seq: int, cash_micros: int) -> None:
        self._connection, self._account, self._seq, self._cash_micros = connection, account, seq, cash_micros
        self._lives = {life.symbol: life for life in (Life(*row) for row in connection.execute(_OPEN, (account,)))}
        self._ended: list[Life] = []

    def moves(self) -> Iterator[tuple[str, int, int, int]]:
        """The account, number and time of each event that changes its cash, and the cash after it."""
        account = self._account
        others = self._connection.execute(_OTHER_CASH, {"account": account, "seq": self._seq})
        other = others.fetchone()
        for execution in self._connection.execute(_EXECUTIONS, (account, self._seq)):
            seq, symbol, at_us, shares, value_micros, commission_micros, *what_for = execution
            while other is not None and other[0] < seq:
                yield self._moved(*other)
                other = others.fetchone()
            yield self._moved(seq, at_us, -commission_micros - (value_micros if shares > 0 else -value_micros))
            self._live(seq, symbol, shares, value_micros, *what_for)
        while other is not None:
            yield self._moved(*other)
            other = others.fetchone()

    def keep(self) -> None:
        """Put away how far this has come."""
        told = (self._seq, self._cash_micros, self._account)
        self._connection.execute("UPDATE runs SET seq = ?, cash_micros = ? WHERE account = ?", told)
        self._connection.execute("DELETE FROM lives WHERE account = ? AND held <> 0", (self._account,))
        self._connection.executemany(_KEPT, map(_row, [*self._ended, *self._lives.values()]))

    def _moved(self, seq: int, at_us: int, amount_micros: int) -> tuple[str, int, int, int]:
        self._seq = seq
        self._cash_micros += amount_micros
        return self._account, seq, at_us, self._cash_micros

    def _live(
        self,
        seq: int,
        symbol: str,
        shares: int,
        value_micros: int,
        realized_micros: int,
        executed_us: int,
        execution_id: str,
        order_ref: str,
        purpose: str,
    ) -> None:
        life = self._lives.get(symbol)
        if life is None:
            life = self._lives[symbol] = Life(self._account, symbol, executed_us, seq)
        life.held += shares
        life.realized_micros += realized_micros
        if shares > 0:
            life.bought += shares
            life.bought_micros += value_micros
        else:
            life.sold_micros += value_micros
        life.closed_us, life.last_seq = executed_us, seq
        life.last_execution, life.last_order, life.last_purpose = execution_id, order_ref, purpose
        if not life.held:
            self._ended.append(self._lives.pop(symbol))
