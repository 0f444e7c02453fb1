"""`trader top`: it shows what the book and the daemon say, and its keys do what the commands do."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from replayed_book import PretendedDaemon, ReplayedBook, a_replayed_book
from textual.widgets import DataTable, Input, Static

from trader.app.settings import load_settings
from trader.app.top.terminal import Ask, Top

_PATIENCE_S = 20.0
_SIZE = (160, 60)
_TELLS: dict[str, object] = {
    "message": "done",
    "state": "TRADING",
    "barriers": [{"kind": "gate", "name": "unreconciled", "why": "not [bold]asked[/bold]"}],
    "work": {"scan_s": 0.2, "commit_s": 1, "commit_missing": False, "loop_lag_s": 0.004},
    "scan": {"at": "2025-06-23T16:20:00+00:00", "armed": {"TQQQ": 185}, "unarmed": {}},
}


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> ReplayedBook:
    """The day up to 12:20: TQQQ is held."""
    return a_replayed_book(tmp_path_factory.mktemp("noon"), until="12:20")


@pytest.fixture
def own(book: ReplayedBook, tmp_path: Path) -> ReplayedBook:
    """A copy, at whose door something may answer."""
    return book.copy_to(tmp_path / "own")


def top_of(book: ReplayedBook) -> Top:
    """As the command has it."""
    return Top(load_settings(book.config, book={"db": book.db}))


async def until(condition: Callable[[], bool]) -> None:
    """Look again and again until a condition holds."""
    async with asyncio.timeout(_PATIENCE_S):
        while not condition():  # noqa: ASYNC110  (another thread brings it about)
            await asyncio.sleep(0.02)


def rows_of(top: Top, name: str) -> list[list[str]]:
    """What a table shows, as text."""
    table = top.query_one(f"#{name}", DataTable)
    return [[cell.plain for cell in table.get_row_at(place)] for place in range(table.row_count)]


def said(top: Top, where: str = "answer") -> str:
    """What a line shows."""
    return str(top.query_one(f"#{where}", Static).render())


async def test_a_book_at_rest_is_shown_and_said_to_be_unwatched(book: ReplayedBook) -> None:
    top = top_of(book)
    async with top.run_test(size=_SIZE):
        await until(lambda: bool(rows_of(top, "positions")))
        [held] = rows_of(top, "positions")
        assert held[:3] == ["TQQQ", "185 shares", "80.01"]
        assert held[7] == "not watched"
        refused = [row for row in rows_of(top, "signals") if row[3] == "refused"]
        assert [row[4] for row in refused] == ["conflict.symbol_locked"]
        assert "STOPPED" in said(top, "strip")
        equity = float(book.one("SELECT equity FROM account"))
        assert f"equity {equity:,.2f}" in said(top, "strip")


async def test_what_the_daemon_says_is_text_and_no_markup(own: ReplayedBook) -> None:
    top = top_of(own)
    with PretendedDaemon(own, _TELLS):
        async with top.run_test(size=_SIZE):
            await until(lambda: bool(rows_of(top, "barriers")))
            assert rows_of(top, "barriers") == [["gate", "unreconciled", "not [bold]asked[/bold]"]]
            assert "TRADING" in said(top, "strip")
            assert "exits looked at 0.2 s ago" in said(top, "strip")


async def test_a_halt_wants_a_reason_and_goes_to_the_daemon(own: ReplayedBook) -> None:
    top = top_of(own)
    with PretendedDaemon(own, _TELLS) as daemon:
        async with top.run_test(size=_SIZE) as pilot:
            await pilot.press("h", "enter")
            assert isinstance(top.screen, Ask)
            await pilot.press("C", "P", "I", "enter")
            await until(lambda: "halt: done" in said(top))
        [asked] = [dict(request) for request in daemon.asked if request["ask"] == "halt"]
        assert asked["reason"] == "CPI"


@pytest.mark.parametrize("typed", ["flatten", "FLATTE", "yes"])
async def test_nothing_is_closed_until_it_is_typed(own: ReplayedBook, typed: str) -> None:
    top = top_of(own)
    with PretendedDaemon(own, _TELLS) as daemon:
        async with top.run_test(size=_SIZE) as pilot:
            await pilot.press("f", "x", "enter", *typed, "enter")
            await until(lambda: "nothing was done" in said(top))
            await pilot.press("f", "x", "enter", *"FLATTEN", "enter")
            await until(lambda: "flatten: done" in said(top))
        assert [request["ask"] for request in daemon.asked if request["ask"] != "status"] == ["flatten"]


async def test_escape_does_nothing(own: ReplayedBook) -> None:
    top = top_of(own)
    with PretendedDaemon(own, _TELLS) as daemon:
        async with top.run_test(size=_SIZE) as pilot:
            await pilot.press("f", "x", "escape")
            assert not isinstance(top.screen, Ask)
        assert {str(request["ask"]) for request in daemon.asked} <= {"status"}


async def test_the_alarms_that_are_shown_are_acknowledged(own: ReplayedBook) -> None:
    own.damage(
        "INSERT INTO book_alarms (account, seq, type, severity, subject, text, count, first_us, last_us) "
        "VALUES ('paper', 7, 'drift', 'critical', 'QQQ', 'differs', 1, 1750695360000000, 1750695360000000)"
    )
    top = top_of(own)
    with PretendedDaemon(own, _TELLS) as daemon:
        async with top.run_test(size=_SIZE) as pilot:
            await until(lambda: bool(rows_of(top, "alarms")))
            assert rows_of(top, "alarms")[0][1] == "critical"
            await pilot.press("a", "o", "k", "enter")
            await until(lambda: "acknowledge: done" in said(top))
        [asked] = [dict(request) for request in daemon.asked if request["ask"] == "acknowledge"]
        assert asked["alarms"] == [7]


async def test_the_reason_is_asked_for_where_the_cursor_is(own: ReplayedBook) -> None:
    top = top_of(own)
    async with top.run_test(size=_SIZE) as pilot:
        await pilot.press("h")
        assert isinstance(top.screen.focused, Input)


async def test_a_book_that_cannot_be_read_is_said_and_the_screen_stays(own: ReplayedBook) -> None:
    top = top_of(own)
    async with top.run_test(size=_SIZE):
        await until(lambda: bool(rows_of(top, "positions")))
        own.db.write_bytes(b"\xff" * 100_000)
        await until(lambda: "STALE" in said(top))
        assert rows_of(top, "positions")


def test_without_textual_the_way_to_it_is_said(own: ReplayedBook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trader.app.cli.top.find_spec", lambda _: None)
    answer = own.trader("top", terminal=True)
    assert (answer.code, "pip install" in answer.err) == (2, True)


def test_in_a_pipe_the_other_way_is_said(own: ReplayedBook) -> None:
    answer = own.trader("top")
    assert (answer.code, "status --watch" in answer.err) == (2, True)
