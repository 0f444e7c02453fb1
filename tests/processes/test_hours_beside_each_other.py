"""Two daemons on one book for hours of market time: no error, no lost write, no row of the one in the other.

What each of them said it did is what the book has; and what is done to the whole book leaves both alone, or is refused.
"""

import re
import signal
import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from processes.daemon import Daemon, Project
from processes.test_two_accounts import TOGETHER, ask, declare, start, trades_on
from trader.adapters.sqlite.migrating import SCHEMA_VERSION
from trader.domain.reference import is_order_ref

ACCOUNTS = ("large", "tiny")
SESSIONS = 2
_SPEED = "4000"
_PATIENCE_S = 120.0

_FILL = re.compile(r"FILL (BUY|SELL) (\w+) (\d+)@\S+ .* ref=(\S+) account=(\w+)$", re.MULTILINE)


@pytest.fixture
def pair(project: Project) -> dict[str, Daemon]:
    """Both of them, in the middle of their first hour."""
    declare(project, TOGETHER)
    daemons = {account: start(project, account, "--speed", _SPEED) for account in ACCOUNTS}
    for account, daemon in daemons.items():
        daemon.until(lambda account=account: account in project.accounts(), f"executions of {account}")  # type: ignore[misc]
    return daemons


def minutes_traded(project: Project, account: str) -> int:
    """Market minutes of sessions that the account has seen."""
    query = "SELECT count(DISTINCT at_us) FROM book_inputs WHERE account = ? AND kind = 'BarTime'"
    return int(str(project.rows(query, account)[0][0]))


def sessions_ended(project: Project, account: str) -> int:
    """Sessions at whose end nothing was held, which was proved."""
    query = "SELECT count(*) FROM book_events WHERE account = ? AND type = 'flat_proven'"
    return int(str(project.rows(query, account)[0][0]))


def check_what_was_said(project: Project, account: str, *, killed: bool) -> int:
    """Every execution that the log tells is in the book, and the other way round but for one that was killed.

    Gives how many were told.
    """
    log = (project.folder / f"robo_trader-{account}.log").read_text("utf-8")
    told = Counter((side, symbol, int(shares), ref) for side, symbol, shares, ref, _ in _FILL.findall(log))
    written = Counter(
        tuple(row)
        for row in project.rows("SELECT side, symbol, quantity, order_ref FROM trades WHERE account = ?", account)
    )
    assert told <= written
    if not killed:
        assert told == written
    assert {named for *_, named in _FILL.findall(log)} == {account}
    assert [line for line in log.splitlines() if " ERROR " in line or "UNWRITABLE" in line] == []
    return sum(told.values())


def check_nothing_crossed(project: Project) -> None:
    """By references, which carry the account; by the numbers of orders, which have no gap and no second owner."""
    for table in ("book_orders", "book_fills", "book_locks"):
        rows = project.rows(f"SELECT order_ref, account FROM {table}")  # noqa: S608  (our names)
        assert {account for _, account in rows} == set(ACCOUNTS)
        assert [row for row in rows if not is_order_ref(str(row[0]), str(row[1]))] == []
    made = "SELECT a.orders_made, count(*) FROM book_accounts a JOIN book_orders o USING (account) GROUP BY a.account"
    assert [row for row in project.rows(made) if row[0] != row[1]] == []


def test_hours_beside_each_other_cross_no_row_and_lose_none(project: Project, pair: dict[str, Daemon]) -> None:
    """With readers and backups all the while, one killed and one restarted in the middle."""
    deadline = time.monotonic() + _PATIENCE_S
    done: set[str] = set()
    while min(sessions_ended(project, account) for account in ACCOUNTS) < SESSIONS:
        assert time.monotonic() < deadline, [(account, minutes_traded(project, account)) for account in ACCOUNTS]
        project.check_book()
        if "backup" not in done:
            assert ask(project, "tiny", "backup").code == 0
            done.add("backup")
        elif "kill" not in done and minutes_traded(project, "tiny") > 120:
            pair["tiny"].killed()
            pair["tiny"] = start(project, "tiny", "--speed", _SPEED)
            done.add("kill")
        elif "stop" not in done and minutes_traded(project, "large") > 240:
            assert pair["large"].ended(signal.SIGTERM) == 0
            pair["large"] = start(project, "large", "--speed", _SPEED)
            done.add("stop")
    for account, daemon in pair.items():
        assert daemon.ended(signal.SIGTERM) == 0
        assert check_what_was_said(project, account, killed=account == "tiny") > 20
        assert ask(project, account, "rebuild", "--check").code == 0
    assert done == {"backup", "kill", "stop"}
    project.check_book()
    check_nothing_crossed(project)


# what is done to the whole book


def test_what_is_of_the_whole_book_waits_for_the_neighbour(project: Project, pair: dict[str, Daemon]) -> None:
    """Restoring, rebuilding and bringing up to date are refused, and say whose daemon it is; a backup harms nobody."""
    assert pair["tiny"].ended(signal.SIGTERM) == 0
    running = (f"process {pair['large'].pid}", "daemon of account large", "`ACCOUNT_NAME=large trader stop --db ")
    assert ask(project, "tiny", "backup").code == 0
    [copy] = (project.folder / "backups").glob("trading_data-*.db")
    ask(project, "tiny", "restore", str(copy), "--yes").refused(6, *running)
    ask(project, "tiny", "rebuild", "--apply").refused(6, *running)

    set_version(project.db, SCHEMA_VERSION - 1)  # as if a newer version were started beside the daemon
    project.run("--speed", _SPEED, variables={"ACCOUNT_NAME": "tiny"}).refused(
        2, f"has to be brought up to {SCHEMA_VERSION}", "stop every trader"
    )
    set_version(project.db, SCHEMA_VERSION)

    trades_on(project, pair["large"], "large")
    assert pair["large"].ended(signal.SIGTERM) == 0
    assert check_what_was_said(project, "large", killed=False) > 0
    project.check_book()
    assert ask(project, "tiny", "restore", str(copy), "--yes").code == 0


def set_version(db: Path, version: int) -> None:
    with closing(sqlite3.connect(db, timeout=10)) as book:
        book.execute(f"PRAGMA user_version = {version}")


def test_flattening_one_leaves_the_other_in_its_positions(project: Project, pair: dict[str, Daemon]) -> None:
    held = "SELECT count(*) FROM positions WHERE account = ? AND quantity > 0"
    pair["tiny"].until(lambda: project.rows(held, "tiny") != [(0,)], "something held in tiny")
    assert ask(project, "tiny", "flatten", "--reason", "enough", "--yes").code == 0
    pair["tiny"].until(lambda: project.rows(held, "tiny") == [(0,)], "tiny flat")
    trades_on(project, pair["large"], "large")
    assert project.rows("SELECT DISTINCT account FROM book_halts WHERE cleared_us IS NULL") == [("tiny",)]
    assert project.rows("SELECT DISTINCT account FROM book_orders WHERE purpose = 'manual'") in ([], [("tiny",)])
    assert project.rows("SELECT account, json_extract(data, '$.name') FROM events WHERE type = 'command'") == [
        ("tiny", "flatten")
    ]
