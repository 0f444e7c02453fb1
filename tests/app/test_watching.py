"""What the watch makes of what it sees: a daemon that works is left alone, whatever else there is."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
from builders import CONFIGURATION, NOON, Sentences, a_machine, new_york

from trader.adapters.sqlite.queries import SCHEMA
from trader.app.host import ThisMachine
from trader.app.settings import Settings, load_settings
from trader.app.standing import DaemonSays
from trader.app.watching import Seen, Watch, findings, look
from trader.domain.alarm import Severity
from trader.services.telling import Message

WORKS: dict[str, object] = {
    "scan_s": 0.1,
    "commit_s": 3.0,
    "commit_missing": False,
    "loop_lag_s": 0.01,
    "unwritable": "",
}
DOWN, SILENT = DaemonSays(None, down=True, why="no daemon listens"), DaemonSays(None, down=False, why="process 7 runs")


def found(
    daemon: DaemonSays, *, open_: str = "", unreadable: str = "", in_session: bool = False, is_there: bool = True
) -> list[str]:
    return [about for about, _ in findings(Seen(daemon, open_, unreadable, in_session, is_there))]


def says(**work: object) -> DaemonSays:
    return DaemonSays({"connection": {"link": "down"}, "work": {**WORKS, **work}}, down=False)


def test_a_daemon_that_works_is_left_alone_connected_or_not() -> None:
    assert found(says(), open_="QQQ 5 held", in_session=True) == []


@pytest.mark.parametrize(
    ("work", "about"),
    [
        ({"scan_s": 10.1}, "scan"),
        ({"commit_missing": True, "commit_s": 400.0}, "commit"),
        ({"loop_lag_s": 5.1}, "loop"),
    ],
)
def test_work_that_is_not_done_is_found_connected_or_not(work: dict[str, object], about: str) -> None:
    assert found(says(**work)) == [about]


@pytest.mark.parametrize(
    ("open_", "in_session", "about"), [("", False, []), ("QQQ 5 held", False, ["daemon"]), ("", True, ["daemon"])]
)
def test_a_daemon_may_be_down_only_while_nothing_is_open(open_: str, in_session: bool, about: list[str]) -> None:
    assert found(DOWN, open_=open_, in_session=in_session) == about


def test_one_that_is_silent_is_found_whatever_is_open() -> None:
    assert found(SILENT) == ["daemon"]


def test_what_cannot_be_seen_is_found() -> None:
    assert found(says(), unreadable="torn") == ["book"]
    assert found(DaemonSays({"state": "TRADING"}, down=False)) == ["daemon"]


def test_a_daemon_without_its_book_is_found() -> None:
    assert found(says(), is_there=False) == ["book"]
    assert found(DOWN, is_there=False) == []


def settings_of(folder: Path, **sections: object) -> Settings:
    return load_settings(CONFIGURATION, book={"db": folder / "trading_data.db"}, **sections)


IBKR = {"feed": {"kind": "ibkr"}, "mode": "paper", "ibkr": {"account": "DU1234567"}}


async def test_what_is_held_and_what_works_is_read_from_the_book(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.bars(2, {"QQQ": 0.8})
        await market.bar({"AAPL": 0.8})
        seen = look(settings_of(tmp_path), NOON)
    assert seen.open == f"QQQ {market.engine.book.positions['QQQ'].quantity} held, 1 orders working"
    assert [about for about, _ in findings(seen)] == ["daemon"]


@pytest.mark.parametrize(
    ("at", "in_session"), [(new_york("09:29"), False), (new_york("09:30"), True), (new_york("16:01"), False)]
)
def test_the_session_is_the_exchanges_by_this_hosts_clock(tmp_path: Path, at: datetime, in_session: bool) -> None:
    assert look(settings_of(tmp_path, **IBKR), at).in_session is in_session
    assert look(settings_of(tmp_path), at).in_session is False


def test_a_book_that_is_none_yet_is_nothing_open_and_a_torn_one_is_found(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    assert list(findings(look(settings, NOON))) == []
    settings.book.db.write_bytes(b"SQLite format 3\x00" + b"x" * 5000)
    assert [about for about, _ in findings(look(settings, NOON))] == ["book"]
    settings.book.db.unlink()
    with closing(sqlite3.connect(settings.book.db)) as other:
        other.execute("CREATE TABLE x (y)")
    assert [about for about, _ in findings(look(settings, NOON))] == ["book"]


class Pager:
    """A channel that takes everything."""

    name, least = "pager", Severity.INFO

    def __init__(self) -> None:
        self.lines: list[str] = []

    async def deliver(self, message: Message) -> str:
        self.lines += [f"{one.alarm.type} {one.alarm.subject}: {one.alarm.text}" for one in message.alarms]
        return ""


async def pages_when_the_book_is(gone: Callable[[Path], object], folder: Path) -> tuple[list[str], list[str]]:
    """What is paged of a daemon that is down, before and after something has happened to its book."""
    async with a_machine(folder) as market:
        await market.bars(2, {"QQQ": 0.8})
    settings, pager = settings_of(folder), Pager()
    watch = Watch(settings, ThisMachine(), Sentences(), [pager], 0)
    paged = []
    for happens in (lambda _: None, gone, lambda _: None):
        happens(settings.book.db)
        await watch.look()
        for courier in watch.couriers:
            await courier.look()
        paged.append(pager.lines)
        pager.lines = []
    return paged[0], paged[1] + paged[2]


def another(db: Path) -> None:
    """A book in which the account has never been."""
    db.unlink()
    with closing(sqlite3.connect(db)) as book:
        book.executescript(SCHEMA)


@pytest.mark.parametrize("gone", [Path.unlink, another, lambda db: db.write_bytes(b"torn")])
async def test_a_book_that_goes_is_paged_and_what_was_held_in_it_is_no_less_held(
    gone: Callable[[Path], object], tmp_path: Path
) -> None:
    before, after = await pages_when_the_book_is(gone, tmp_path)
    [line] = before
    assert line.startswith("work_stopped daemon: no daemon runs; QQQ")
    [line] = after
    assert line.startswith("work_stopped book: the book cannot be read")
