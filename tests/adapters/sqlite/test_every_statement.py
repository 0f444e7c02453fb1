"""Every statement of the program, listed: each is bound to one account, or is named here with the reason why not."""

import ast
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

import trader
from trader.adapters.sqlite.database import connect
from trader.adapters.sqlite.queries import QUERIES
from trader.adapters.sqlite.soundness import schema_parts

PACKAGE = Path(trader.__file__).parent
OF_EVERY_ACCOUNT = PACKAGE / "audit"
"""It asks about every account of a book at once, cannot write, and names the account in each finding."""

NOT_OF_ONE_ACCOUNT = {
    "FROM book_stamp": "what the book is; no account has rows there",
    "INTO book_stamp": "the same",
    "UPDATE book_stamp": "a restore begins an epoch, with every run lock held",
    "FROM sqlite_master": "the schema",
    "SELECT account FROM book_accounts": "which accounts there are: to name them, and to check the chain of each",
    "SELECT account, cash_micros FROM book_accounts": "a restore writes into every journal, with every run lock held",
    "SELECT count(*), max(at_us) FROM book_events": "how much a backup holds, before it is put in place",
    "INSERT INTO {} (": "a rebuild's rows, on a connection that refuses another account's",
    "SELECT id FROM {} WHERE account <> ?": "a rebuild leaves other accounts' rows the numbers that they have",
    "FROM {} b": "a listing, on a connection that shows one account's rows",
    "order_ref, symbol, side, quantity, filled, limit_price": "status, on a connection that shows one account's rows",
    "SELECT seq + 1, next - 1": "numbers of inputs that no account has: those were taken away",
    "SELECT 1 FROM pragma_table_info": "which tables are of accounts",
    "CREATE TEMP": "the binding itself",
    "INTO never_committed": "a table that is thrown away, of no account",
    "RAISE(ABORT": "the binding itself",
}

BY_ITS_OWN_NAME = "JOIN book_orders o ON o.order_ref = l.order_ref"
"""In a guard: the order of a lock, found by the reference that both have as their key and that names the account."""

_STATEMENT = re.compile(r"\s*(WITH|SELECT|INSERT INTO(?= [\w{])|UPDATE|DELETE FROM|CREATE TEMP)\s[\s\S]*")
_BOUND = re.compile(r"\b(?:\w+\.)?account = (?:\?|:account\b|\w+\.account\b|now\.column\d\b)")
_TABLE = re.compile(r"\b(?:FROM|JOIN|UPDATE)\s+(?:book_\w+|charged_fills)|(?<=, )book_accounts\b")


class Statement(NamedTuple):
    """One text that is SQL, and where it stands."""

    place: str
    text: str


def statements() -> Iterator[Statement]:
    for name, text in QUERIES.items():
        yield Statement(f"queries.sql: {name}", text.partition("\n--")[0])
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.is_relative_to(OF_EVERY_ACCOUNT):
            continue
        nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
        parts = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in nodes:
            text = "" if id(node) in parts else written(node)
            if _STATEMENT.fullmatch(text):
                yield Statement(f"{path.relative_to(PACKAGE)}:{getattr(node, 'lineno', 0)}", text)


def written(node: ast.AST) -> str:
    """The text of a string, `{}` where a value is put in; empty for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return ""


def why_not(statement: Statement) -> str | None:
    """What is wrong with a statement, or None: it binds the account as often as it names a table, or is excused."""
    text = statement.text
    if any(words in text for words in NOT_OF_ONE_ACCOUNT):
        return None
    if text.lstrip().startswith("INSERT INTO"):
        return None if re.search(r"[( ]account,", text.partition("VALUES")[0]) else "a new row without an account"
    tables, bound = len(_TABLE.findall(text)), len(_BOUND.findall(text))
    return None if bound and bound >= tables else f"{tables} tables, and the account is bound {bound} times"


def test_all_of_them_are_found() -> None:
    """A test that lists nothing passes; these are known to be there."""
    found = list(statements())
    assert len(found) > len(QUERIES) + 60
    places = {statement.place.partition(":")[0] for statement in found}
    assert {"queries.sql", "adapters/sqlite/journal.py", "app/standing.py", "app/cli/operating.py"} <= places


def test_every_statement_is_bound_to_one_account() -> None:
    assert [(statement, wrong) for statement in statements() if (wrong := why_not(statement))] == []


def test_every_excuse_is_needed() -> None:
    texts = [statement.text for statement in statements()]
    assert [words for words in NOT_OF_ONE_ACCOUNT if not any(words in text for text in texts)] == []


@pytest.mark.parametrize(
    "text",
    [
        "SELECT symbol FROM book_positions WHERE quantity > 0",
        "SELECT l.symbol FROM book_lots l JOIN book_fills f ON f.execution_id = l.execution_id WHERE l.account = ?",
        "UPDATE book_orders SET state = ? WHERE order_ref = ?",
        "DELETE FROM book_drift WHERE symbol = ?",
        "INSERT INTO book_days (day, started_us) VALUES (?, ?)",
        "SELECT execution_id FROM book_fills WHERE executed_us >= ? AND account IN ('large', 'tiny')",
    ],
)
def test_one_without_an_account_is_seen(text: str) -> None:
    """The last but one is the post-mortem's own; the last is what was asked for after it."""
    assert why_not(Statement("here", text)) is not None


def test_every_guard_looks_at_one_account() -> None:
    """A trigger that asked another account's rows would refuse what is right, or let through what is not."""
    guards = [part for part in schema_parts() if part.kind == "trigger"]
    asked = [guard.sql.replace(BY_ITS_OWN_NAME, "") for guard in guards if _TABLE.search(guard.sql)]
    assert len(asked) >= 9
    for sql in asked:
        assert len(re.findall(r"account = (?:NEW|s)\.account", sql)) == len(_TABLE.findall(sql)), sql


# the tables


@pytest.fixture
def book(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(connect(tmp_path / "book.db")) as connection:
        yield connection


def test_every_name_of_an_account_is_one_that_the_book_has(book: sqlite3.Connection) -> None:
    """By foreign key, in every table: a row of `Large`, or of an account that was never opened, cannot be."""
    tables = [row[0] for row in book.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    free = {"book_stamp", "book_accounts"}
    assert {
        table
        for table in tables
        if ("account", "book_accounts", "account")
        not in [(row[3], row[2], row[4]) for row in book.execute(f"PRAGMA foreign_key_list({table})")]
    } == free


def test_a_row_of_an_account_that_was_never_opened_is_refused(book: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        book.execute(QUERIES["insert_input"], ("large-100k", 1, "BarTime", "{}"))
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        book.execute(QUERIES["insert_event"], ("large-100k", 1, "alarm", "", 1, "{}", "0" * 64))
