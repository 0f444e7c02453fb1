"""What only its row tells of is written with its checksum, whichever statement writes it, and such rows are counted."""

import asyncio
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
from builders import NOON, a_machine
from hypothesis import given
from hypothesis import strategies as st

from trader.adapters.sqlite.checksums import checksum, differences
from trader.adapters.sqlite.database import connect
from trader.adapters.sqlite.queries import QUERIES
from trader.adapters.sqlite.rows import Row, signal_row, to_us
from trader.audit import checksums
from trader.audit.besides import as_shipped
from trader.audit.checksums import CHECKSUMS
from trader.audit.reading import open_read_only
from trader.audit.watching import Watch
from trader.domain.alarm import AlarmType
from trader.domain.decision import Outcome, Refusal, Rule, Signal, Stage
from trader.domain.events import CommandName
from trader.services.ports import SignalRow


class Found(NamedTuple):
    """What the writer's own code says of a book, and what the audit's says."""

    own: list[str]
    audit: list[str]


def found(path: Path, account: str = "paper") -> Found:
    with closing(connect(path)) as book:
        own = [f"{one.table} {one.key}".strip() for one in differences(book, account)]
    with closing(open_read_only(path)) as book:
        answers = Watch(book, as_shipped({})).look(CHECKSUMS)
    assert [answer.fault for answer in answers] == ["", ""]
    return Found(own, [finding.id for answer in answers for finding in answer.findings])


def by_hand(path: Path, statement: str) -> None:
    """As sqlite3 does it: it knows no function of ours, and the guards are in their places."""
    with closing(sqlite3.connect(path)) as book:
        book.execute(statement)
        book.commit()


def test_a_checksum_is_that_of_a_tuple_as_python_words_it() -> None:
    """What a person can compute anew: `zlib.crc32(ascii(("QQQ", 1, None)).encode())`."""
    assert checksum("QQQ", 1, None) == 4_035_138_258


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A book in which every table has rows that were written, changed and written again."""
    return asyncio.run(a_day(tmp_path_factory.mktemp("day")))


@pytest.fixture
def traded(day: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    return Path(shutil.copy(day, tmp_path))


async def a_day(folder: Path) -> Path:
    async with a_machine(folder) as market:
        await market.bars(2, {"QQQ": 0.8, "AAPL": 0.8})
        await market.bars(2, {"QQQ": 0.5, "AAPL": 0.3})
        for what in ("no space", "still no space"):
            market.engine.alarm(AlarmType.CHORE_FAILED, "backup", what)
            await market.settle()
        number = market.one("SELECT max(id) FROM alarms")
        await market.command(CommandName.ACKNOWLEDGE, alarms=(number,))
        for subject in ("backup", "digest"):
            market.engine.alarm(AlarmType.CHORE_FAILED, subject, "seen")
        await market.settle()
        rare = (
            ("insert_delivery", ("paper", number, "mail", 3, to_us(market.now))),
            ("insert_input", ("paper", to_us(market.now), "Tick", "{}")),
            *(("put_inbox", ("paper", "signals.jsonl", 10 * line, line)) for line in (1, 2)),
            *(("put_reconciled", ("paper", at_us)) for at_us in (1, 2)),
        )
        for name, row in rare:
            await market.book.writer.transact(partial(_written, name, row))
        path = market.path
    with closing(connect(path)) as book:
        book.execute(QUERIES["begin_epoch"], (2,))
    return path


def _written(name: str, row: Row, book: sqlite3.Connection) -> None:
    book.execute(QUERIES[name], row)


def test_what_a_day_has_written_is_as_it_was_written(traded: Path) -> None:
    with closing(sqlite3.connect(traded)) as book:
        empty = [
            table
            for (table,) in book.execute("SELECT DISTINCT counted FROM book_counts")
            if book.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)  # noqa: S608  (our names)
        ]
        assert (empty, book.execute("SELECT count(*) FROM book_counts").fetchone()) == ([], (7,))
    assert found(traded) == Found([], [])


CHANGES = {
    "UPDATE book_accounts SET updated_us = updated_us + 1": "book_accounts paper",
    "UPDATE book_accounts SET signals_seen = signals_seen - 1": "book_accounts paper",
    "UPDATE book_orders SET perm_id = 77 WHERE order_ref = 'paper-1-0001'": "book_orders paper-1-0001",
    "UPDATE book_reconciled SET at_us = 3": "book_reconciled paper",
    "UPDATE book_signals SET probability = 0.81 WHERE id = 'S-0001'": "book_signals S-0001",
    "UPDATE book_inbox SET offset = 0": "book_inbox signals.jsonl",
    "UPDATE book_alarms SET text = 'all is well'": "book_alarms",
    "UPDATE book_inputs SET data = '[]'": "book_inputs 1",
    "UPDATE book_marks SET price_micros = price_micros - 1 WHERE symbol = 'QQQ'": "book_marks QQQ",
    "UPDATE book_marks SET checksum = 0 WHERE symbol = 'QQQ'": "book_marks QQQ",
    "DELETE FROM book_signals WHERE id = 'S-0001'": "book_signals",
    "DELETE FROM book_inbox": "book_inbox",
    "DELETE FROM book_inputs": "book_inputs",
    "DELETE FROM book_marks WHERE symbol = 'QQQ'": "book_marks",
    "DELETE FROM book_reconciled": "book_reconciled",
    "DELETE FROM book_counts WHERE counted = 'book_marks'": "book_marks",
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_changed_by_hand_is_named_by_both(traded: Path, change: str) -> None:
    by_hand(traded, change)
    own, audited = found(traded)
    assert [name for name in own if name.startswith(CHANGES[change])]
    assert [name for name in audited if name.startswith(CHANGES[change])]


GOES_ON = {
    "UPDATE book_accounts SET opened_us = opened_us + 1": (
        "set_account",
        "SELECT cash_micros, orders_made, signals_seen, updated_us + 9, account, cash_micros FROM book_accounts",
    ),
    "UPDATE book_accounts SET orders_made = orders_made + 5": (
        "set_account",
        "SELECT cash_micros, orders_made - 5, signals_seen, updated_us + 9, account, cash_micros FROM book_accounts",
    ),
    "UPDATE book_alarms SET severity = 'info' WHERE acknowledged_us IS NULL": (
        "repeat_alarm",
        "SELECT last_us + 9, 'again', account, seq FROM book_alarms WHERE acknowledged_us IS NULL",
    ),
    "UPDATE book_alarms SET subject = 'me' WHERE acknowledged_us IS NULL": (
        "acknowledge_alarm",
        "SELECT last_us, 'me', account, seq FROM book_alarms WHERE acknowledged_us IS NULL",
    ),
    "UPDATE book_signals SET probability = 0.51 WHERE id = 'S-0001'": (
        "put_signal",
        "SELECT account, id, symbol, 0.8, signal_us, received_us, source, 'refused', 'sizing', 'cash_reserve', 1, 2, "
        "'', '', count FROM book_signals WHERE id = 'S-0001'",
    ),
    "UPDATE book_stamp SET seed = seed + 1": ("begin_epoch", "SELECT epoch + 1 FROM book_stamp"),
}
"""What is changed by hand -> the statement that changes the rest of the row next, and what it is given."""


@pytest.mark.parametrize("change", GOES_ON)
def test_what_was_changed_by_hand_is_found_after_the_row_was_written_again(traded: Path, change: str) -> None:
    """Beside a running daemon the account's row is written with each commit, and looked at once a minute."""
    name, values = GOES_ON[change]
    by_hand(traded, change)
    before = found(traded).audit
    with closing(connect(traded)) as book:
        assert book.execute(QUERIES[name], book.execute(values).fetchone()).rowcount == 1
    assert (len(before), found(traded).audit) == (1, before)


@pytest.mark.parametrize("change", GOES_ON)
def test_what_is_written_again_is_as_it_was_written(traded: Path, change: str) -> None:
    name, values = GOES_ON[change]
    with closing(connect(traded)) as book:
        assert book.execute(QUERIES[name], book.execute(values).fetchone()).rowcount == 1
    assert found(traded) == Found([], [])


def test_an_input_that_is_changed_after_it_was_looked_at_is_found_by_the_same_watch(
    traded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon's looks take the old ones again in turn, and forget one that was put right."""
    monkeypatch.setattr(checksums, "AGAIN", 2)
    with closing(connect(traded)) as book:
        for number in range(4):
            book.execute(QUERIES["insert_input"], ("paper", number, "Tick", "{}"))
    with closing(open_read_only(traded)) as book:
        watch = Watch(book, as_shipped({}))

        def names() -> list[str]:
            return [finding.id for answer in watch.look(CHECKSUMS) for finding in answer.findings]

        assert names() == []
        by_hand(traded, "UPDATE book_inputs SET data = '[]' WHERE seq = 5")
        assert [names() for _ in range(4)] == [[], [], ["book_inputs 5"], ["book_inputs 5"]]
        by_hand(traded, "UPDATE book_inputs SET data = '{}' WHERE seq = 5")
        assert [names() for _ in range(3)][-1] == []


def test_what_a_stamp_says_is_as_it_was_written(traded: Path) -> None:
    """It is no account's, so that no rebuild of an account takes another one."""
    by_hand(traded, "UPDATE book_stamp SET seed = seed + 1")
    assert found(traded) == Found([], ["book_stamp 1"])


def test_a_row_that_was_written_by_hand_has_no_checksum(traded: Path) -> None:
    by_hand(traded, "INSERT INTO book_marks (account, symbol, price_micros, at_us) VALUES ('paper', 'ZZZ', 1, 1)")
    assert found(traded) == Found(["book_marks ZZZ"], ["book_marks ZZZ"])


NUMBERS = st.one_of(
    st.none(),
    st.floats(),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from((0, -0.0, 5, 1e16, 1e-7)),
)
REFUSALS = st.none() | st.builds(
    Refusal,
    st.just(Stage.SIZING),
    st.just(Rule.MINIMUM_NOTIONAL),
    st.just("QQQ"),
    NUMBERS,
    NUMBERS,
    st.text(max_size=5),
)


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    """With one account."""
    with closing(connect(tmp_path_factory.mktemp("book") / "book.db")) as connection:
        connection.execute(QUERIES["insert_account"], ("paper", 0, 0, 1, 1))
        yield connection


@given(NUMBERS.filter(lambda number: number is not None), REFUSALS, REFUSALS)
def test_whatever_numbers_a_signal_comes_with_it_is_as_it_was_written(
    book: sqlite3.Connection, probability: float, first: Refusal | None, second: Refusal | None
) -> None:
    """Whole numbers, -0.0 and what is no number are stored otherwise than they were given."""
    signal = Signal("QQQ", probability, NOON, id="a", source="été")
    for refusal in (first, second):
        row = SignalRow(signal, NOON, Outcome.REFUSED if refusal else Outcome.UNCHANGED, refusal)
        book.execute(QUERIES["put_signal"], signal_row("paper", row))
        assert [*differences(book, "paper")] == []
    book.execute("DELETE FROM book_signals")
    book.execute("DELETE FROM book_counts")
