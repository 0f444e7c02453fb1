"""Several accounts on one book: each in a world of its own, with its broker, its market and its troubles.

Their lives take turns on the book, in any order: whoever dies, or loses the power, leaves it to whoever comes next.
Each account is judged by every invariant, as if it were alone; and what a life has changed of its neighbours' rows is
looked for after each.
"""

import hashlib
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from random import Random

from simulation.world import Outcome, World, a_first_day
from trader.adapters.calendar import load_calendar
from trader.adapters.sqlite.one_account import of_accounts

ACCOUNTS = ("large", "small", "tiny")

_NOTHING_CROSSES = 37
"""The number of what is said of accounts."""
_NO_ROWS = hashlib.blake2b(digest_size=16).hexdigest()


class Neighbours:
    """Of one run."""

    def __init__(self, seed: str, days: int, folder: Path, limit: int | None = None, *, healed_days: int = 1) -> None:
        """Some days on which anything may go wrong, then days on which nothing does; each account has so many."""
        self._random = Random(f"{seed}:turns")
        first = a_first_day(Random(f"{seed}:first day"), load_calendar())
        self._folder = folder
        self._worlds = {
            account: World(
                f"{seed}:{account}",
                days,
                folder / account,
                limit,
                healed_days=healed_days,
                account=account,
                first_day=first,
            )
            for account in ACCOUNTS
        }
        self._newest: Path | None = None
        """The book as the last life has left it."""
        self._outcome = Outcome(seed, days=days + healed_days)

    def run(self) -> Outcome:
        """Live until the days of all are over, or something is violated."""
        while self._outcome.violation is None and (left := [name for name in ACCOUNTS if not self._is_over(name)]):
            self._live(self._random.choice(left))
        for account, world in self._worlds.items():
            self._add(account, world.end())
        return self._outcome

    def _is_over(self, account: str) -> bool:
        return self._worlds[account].is_over

    def _live(self, account: str) -> None:
        """One life of one account, on the book as the others have left it."""
        world = self._worlds[account]
        if self._newest is not None and self._newest != world.db:
            world.take_over(self._newest)
        before = _rows(world.db)
        world.live()
        self._newest = world.db
        after = _rows(world.db)
        for other in ACCOUNTS:
            if other != account and before.get(other, _NO_ROWS) != after.get(other, _NO_ROWS):
                world.violated(_NOTHING_CROSSES, f"nothing_crosses: a life of {account} has changed rows of {other}")
        self._outcome.violation = self._outcome.violation or world.outcome.violation

    def _add(self, account: str, one: Outcome) -> None:
        """What one account's world has seen is part of what was seen."""
        whole = self._outcome
        whole.violation = whole.violation or one.violation
        whole.lives += one.lives
        whole.events += one.events
        whole.callbacks += one.callbacks
        whole.orders += one.orders
        whole.fills += one.fills
        whole.struck.update(one.struck)
        whole.ends.update(one.ends)
        whole.latest += [] if one.violation is None else one.latest
        whole.last_lines += [] if one.violation is None else one.last_lines
        whole.traceback += one.traceback
        whole.trace = hashlib.blake2b(f"{whole.trace}{account}{one.trace}".encode(), digest_size=16).hexdigest()


def _rows(book: Path) -> Mapping[str, str]:
    """Everything that each account has in a book, as a hash; nothing where there is none yet."""
    if not book.exists() or not book.stat().st_size:
        return {}
    with closing(sqlite3.connect(f"{book.as_uri()}?mode=ro", uri=True)) as connection:
        return {account: _digest(connection, account) for account in ACCOUNTS}


def _digest(book: sqlite3.Connection, account: str) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for table, _ in of_accounts(book, "'table'"):
        for row in book.execute(f"SELECT * FROM {table} WHERE account = ? ORDER BY 1, 2", (account,)):  # noqa: S608  (our names)
            digest.update(repr(row).encode())
    return digest.hexdigest()
