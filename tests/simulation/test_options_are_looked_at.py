"""The simulation's checks of cash count a contract of an option as a hundred shares."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from builders import Market, a_machine
from simulation.invariants import ledger
from simulation.scene import Scene

from trader.domain.order import Fill
from trader.domain.portfolio import Book

CALL = "QQQ250718C00500000"


@dataclass
class Told:
    """As much of a scene as the checks of cash look at."""

    book: Book
    before: Book
    reader: sqlite3.Connection
    revisions: dict[str, Fill] = field(default_factory=dict)

    @property
    def venue(self) -> Any:
        return SimpleNamespace(revisions=self.revisions)

    @property
    def news(self) -> Any:
        return SimpleNamespace(before=self.before, fills=self.rows("SELECT * FROM book_fills"))

    def rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        return self.reader.execute(query, values).fetchall()


@contextmanager
def told_of(market: Market, before: Book) -> Iterator[Told]:
    """What has happened since, with the broker's own word of each execution."""
    reader = sqlite3.connect(market.path)
    reader.row_factory = sqlite3.Row
    told = Told(market.engine.book, before, reader)
    for row in told.rows("SELECT * FROM book_fills"):
        telling = (row["quantity"], row["price_micros"], row["commission_micros"], market.now)
        told.revisions[row["execution_id"]] = Fill(
            row["execution_id"], row["order_ref"], row["account"], row["symbol"], row["side"], *telling
        )
    try:
        yield told
    finally:
        reader.close()


def found(told: Told) -> list[str]:
    scene = cast("Scene", told)
    return [*ledger.cash_moves_by_executions_and_commands(scene), *ledger.cash_is_what_the_broker_made_of_it(scene)]


async def test_a_contract_is_a_hundred_shares_of_cash(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        market.prices[CALL] = 4.0
        await market.bar()
        before = market.engine.book
        await market.submit(CALL, 0.9)
        await market.submit("AAPL", 0.9)
        await market.bar()
        assert set(market.held()) == {CALL, "AAPL"}
        with told_of(market, before) as told:
            assert found(told) == []


async def test_a_contract_that_was_paid_as_a_share_is_seen(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        market.prices[CALL] = 4.0
        await market.bar()
        before = market.engine.book
        await market.submit(CALL, 0.9)
        await market.bar()
        await market.book.store.close()
        with sqlite3.connect(market.path) as connection:
            [(cash,)] = connection.execute(
                "UPDATE book_accounts SET cash_micros = cash_micros + "
                "(SELECT sum(99 * quantity * price_micros) FROM book_fills) RETURNING cash_micros"
            ).fetchall()
        with told_of(market, before) as told:
            told.book = replace(told.book, cash_micros=cash)
            assert len(found(told)) == 2
