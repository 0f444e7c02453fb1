"""A recording from which something was taken, or in which something was changed: it is said, and is no divergence."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from builders import MINUTE
from lived_day import LivedDay, a_lived_day
from test_comparing_what_came_from_outside import the_untold_of

Capsys = pytest.CaptureFixture[str]


async def two_runs(folder: Path) -> LivedDay:
    """Each buys, and refuses a signal, of which only the signal itself is told."""
    async with a_lived_day(folder) as day:
        for symbol, probability in (("AAPL", 0.9), ("MSFT", 0.8)):
            await day.buy(symbol)
            await day.submit("NOPE", probability)
            await day.bar()
            await day.end()
            if symbol == "AAPL":
                day.clock.set(day.now + MINUTE)
                await day.begin()
                await day.bar()
        return day


def change(day: LivedDay, *statements: str) -> None:
    with closing(sqlite3.connect(day.path)) as book:
        for (name,) in book.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            book.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            book.execute(statement)
        book.commit()


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("DELETE FROM book_inputs WHERE seq = (SELECT max(seq) - 3 FROM book_inputs)", "of the book are missing"),
        ("DELETE FROM book_inputs WHERE seq > (SELECT max(seq) - 2 FROM book_inputs)", "2 were not written"),
        (
            "UPDATE book_inputs SET data = '' WHERE seq = (SELECT max(seq) - 3 FROM book_inputs)",
            "was not recorded so that it can be played",
        ),
    ],
)
async def test_what_is_missing_of_a_recording_is_where_the_comparison_ends(
    tmp_path: Path, capsys: Capsys, statement: str, why: str
) -> None:
    day = await two_runs(tmp_path)
    change(day, statement)
    assert why in str((await the_untold_of(day, capsys))["why"])


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE book_events SET data = 'x' WHERE seq = 3", "the journal of account paper is damaged, event 3"),
        ("UPDATE book_events SET data = '{}' WHERE type = 'run_started'", "the journal of account paper is damaged"),
        ("DELETE FROM book_events WHERE seq = 5", "the journal of account paper is damaged, event 5 missing"),
        ("DELETE FROM book_stamp", "the book has no stamp"),
        ("DELETE FROM book_inputs", "nothing was recorded of paper on 2025-06-23; it has no inputs at all"),
        ("UPDATE book_inputs SET kind = 'Nothing' WHERE kind = 'Begun'", "a Nothing, was not recorded so that"),
        ("UPDATE book_inputs SET data = json_remove(data, '$.step')", "by an older version"),
    ],
)
async def test_a_damaged_book_cannot_be_compared_and_says_why(
    tmp_path: Path, capsys: Capsys, statement: str, said: str
) -> None:
    day = await two_runs(tmp_path)
    change(day, statement)
    assert said in str((await day.compared(capsys)).get("said"))
