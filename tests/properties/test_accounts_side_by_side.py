"""Three accounts on one book, in any order of their steps: each has the book that it would have alone.

What happens to each account is drawn first; then it is played twice: interleaved on one book, and each account by
itself on a book of its own. All rows of an account have to be the same, and its chain of events hash for hash.
"""

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from builders import OPENING_PRICES, Neighbour, a_fill
from hypothesis import given, settings
from hypothesis import strategies as st

from trader.adapters.paper.broker import Treatment
from trader.adapters.sqlite.one_account import of_accounts
from trader.domain.decision import Side
from trader.domain.events import CommandName

ACCOUNTS = ("large", "small", "tiny")
DRIVERS = ("QQQ", "AAPL", "JD")
BY_HAND = ("AAPL", "JD")
NUMBERED_FOR_ALL = ("id", "seq")
"""Columns that number the rows of all accounts. The `seq` of events is the account's own, and in its hash."""

Rows = dict[str, list[tuple[object, ...]]]


@dataclass(frozen=True)
class Minute:
    """A bar: what the strategy says on it, how prices move, and what the broker does with orders that follow."""

    says: Mapping[str, float]
    moves: Mapping[str, float]
    treatment: Treatment

    async def happen(self, machine: Neighbour) -> None:
        machine.script = lambda _: self.treatment
        await machine.bar(self.says, {symbol: machine.prices[symbol] * (1 + by) for symbol, by in self.moves.items()})


@dataclass(frozen=True)
class ByHand:
    """An execution that nobody ordered, told twice; its id is the same in every account."""

    number: int

    async def happen(self, machine: Neighbour) -> None:
        symbol = BY_HAND[self.number % len(BY_HAND)]
        side = Side.SELL if machine.held().get(symbol, 0) >= 5 else Side.BUY
        fill = a_fill(symbol, 5, machine.prices[symbol], side=side, order_ref="by-hand", at=machine.now)
        await machine.report(fill._replace(account=machine.account, execution_id=f"X{self.number}"), 2)


@dataclass(frozen=True)
class Outside:
    """A signal from outside; its id is the same in every account."""

    number: int

    async def happen(self, machine: Neighbour) -> None:
        await machine.submit(DRIVERS[self.number % len(DRIVERS)], 0.9, f"outside-{self.number}")


@dataclass(frozen=True)
class Asked:
    """An operator's command."""

    name: CommandName

    async def happen(self, machine: Neighbour) -> None:
        await machine.command(self.name)


class Restart:
    """The process dies and starts again; its broker lives."""

    async def happen(self, machine: Neighbour) -> None:
        await machine.restart(keep_broker=True)
        await machine.quick()
        await machine.engine.ask_broker()
        await machine.settle()


Happening = Minute | ByHand | Outside | Asked | Restart

TREATMENTS = (
    Treatment(),
    Treatment(delay_bars=2),
    Treatment(parts=(1, 2)),
    Treatment(reject="the exchange is busy"),
    Treatment(parts=(0,)),
)
MINUTES = st.builds(
    Minute,
    st.dictionaries(st.sampled_from(DRIVERS), st.sampled_from([0.1, 0.5, 0.8, 0.95]), max_size=3),
    st.dictionaries(st.sampled_from(sorted(OPENING_PRICES)), st.sampled_from([-0.03, 0.01, 0.03]), max_size=2),
    st.sampled_from(TREATMENTS),
)
RARER = st.one_of(
    st.builds(ByHand, st.integers(0, 3)),
    st.builds(Outside, st.integers(0, 3)),
    st.builds(Asked, st.sampled_from([CommandName.HALT, CommandName.RESUME, CommandName.FLATTEN])),
    st.builds(Restart),
)
STORIES = st.fixed_dictionaries(
    dict.fromkeys(ACCOUNTS, st.lists(st.one_of(MINUTES, MINUTES, RARER), min_size=3, max_size=9))
)


async def play(folder: Path, stories: Mapping[str, Sequence[Happening]], turns: Sequence[str]) -> dict[str, Rows]:
    """Play the stories on one book, an account's next happening at each of its turns; give what each has then."""
    path = folder / "trading_data.db"
    machines = {account: Neighbour(path, account, {}) for account in stories}
    left = {account: iter(story) for account, story in stories.items()}
    for machine in machines.values():
        await machine.start()
        await machine.quick()
        await machine.bar()
    try:
        for account in turns:
            await next(left[account]).happen(machines[account])
    finally:
        for machine in machines.values():
            await machine.stop()
    with closing(sqlite3.connect(path)) as book:
        return {account: rows_of(book, account) for account in stories}


def rows_of(book: sqlite3.Connection, account: str) -> Rows:
    """Everything that the account has, in the order in which it was written where rows have one."""
    found: Rows = {}
    for table, has_rowid in of_accounts(book, "'table'"):
        names = [row[1] for row in book.execute(f"PRAGMA table_info({table})") if row[1] not in NUMBERED_FOR_ALL]
        columns = ", ".join(names)
        query = f"SELECT {columns} FROM {table} WHERE account = ? ORDER BY {'rowid' if has_rowid else columns}"  # noqa: S608  (our names)
        found[table] = book.execute(query, (account,)).fetchall()
    return found


@given(stories=STORIES, random=st.randoms(use_true_random=False))
@settings(max_examples=settings().max_examples // 4)
def test_each_account_has_the_book_it_would_have_alone(stories: dict[str, list[Happening]], random: Random) -> None:
    turns = [account for account, story in stories.items() for _ in story]
    random.shuffle(turns)
    with TemporaryDirectory() as folder:
        together = asyncio.run(play(Path(folder), stories, turns))
    for account, story in stories.items():
        with TemporaryDirectory() as folder:
            alone = asyncio.run(play(Path(folder), {account: story}, [account] * len(story)))
        assert together[account] == alone[account]
