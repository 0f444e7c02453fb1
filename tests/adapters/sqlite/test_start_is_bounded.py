"""A start reads what is open and what is newest: it does not take longer with the years."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from trader.adapters.sqlite.database import READ_AT_START_BYTES, connect
from trader.adapters.sqlite.queries import QUERIES, SCHEMA
from trader.domain.errors import BookBroken

READ_AT_START = (
    "stamp",
    "account",
    "held_positions",
    "open_lots",
    "live_orders",
    "live_locks",
    "halts",
    "newest_day",
    "openings_since",
    "ended_orders",
    "journal_head",
)
READ_BACKWARDS = ("newest_executions", "newest_proceeds", "newest_signals", "newest_round_trips", "closings")


def plan(name: str) -> list[str]:
    with closing(sqlite3.connect(":memory:")) as book:
        book.executescript(SCHEMA)
        query = QUERIES[name]
        named = {"account": "paper", "breaker": "drawdown", "cleared_us": 4}
        values = named if ":account" in query else ("paper",) * query.count("?")
        return [row[3] for row in book.execute(f"EXPLAIN QUERY PLAN {query}", values)]


@pytest.mark.parametrize("name", READ_AT_START)
def test_what_a_start_reads_is_found_by_an_index(name: str) -> None:
    assert [step for step in plan(name) if step.startswith("SCAN") and "book_stamp" not in step] == []


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("open_lots", "open_lots"),
        ("live_orders", "one_live_exit_per_symbol"),
        ("live_orders", "live_protection"),
        ("live_orders", "one_working_opening_order_per_symbol"),
    ],
)
def test_what_is_open_is_found_by_the_index_of_what_is_open(name: str, index: str) -> None:
    assert any(f"INDEX {index}" in step for step in plan(name))


def test_the_orders_of_live_locks_are_looked_up_one_by_one() -> None:
    found = [step for step in plan("live_orders") if step.startswith("SEARCH o ")]
    assert len(found) == 1
    assert "(order_ref=?)" in found[0]


@pytest.mark.parametrize("name", READ_BACKWARDS)
def test_what_is_newest_is_read_backwards_without_sorting(name: str) -> None:
    step, *looked_up = plan(name)
    assert step.startswith("SCAN")
    assert "INDEX" not in step
    assert all(other.startswith("SEARCH") and "execution_id=?" in other for other in looked_up)


def test_what_was_cleared_is_looked_for_within_the_newest_day() -> None:
    first, subquery, day = plan("bases_of_the_day")
    assert "seq>?" in first
    assert subquery.startswith("SCALAR SUBQUERY")
    assert "INDEX cash_and_days_told" in day


def test_what_was_cleared_then_is_looked_for_within_its_day() -> None:
    first, subquery, day = plan("base_of_a_clearing")
    assert "seq>?" in first
    assert subquery.startswith("SCALAR SUBQUERY")
    assert "INDEX cash_and_days_told" in day


def test_what_days_began_with_is_found_by_the_index_of_it() -> None:
    (step,) = plan("days_and_movements")
    assert "INDEX cash_and_days_told" in step


def test_damage_is_found_at_the_start_of_a_book_that_is_quick_to_read(tmp_path: Path) -> None:
    """A larger one is looked through by `doctor --full` and with each backup."""
    path = tmp_path / "book.db"
    connect(path).close()
    size = path.stat().st_size
    assert size < READ_AT_START_BYTES
    with path.open("r+b") as file:
        file.seek(size // 2 // 4096 * 4096)
        file.write(b"\xff" * 4096)
    with pytest.raises(BookBroken, match="damaged"):
        connect(path).close()
