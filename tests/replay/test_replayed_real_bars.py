"""Every real intraday file of the data folder, replayed through the whole engine.

The folder is named by TRADER_MARKET_DATA; its bars may not be redistributed, so they are not in the repository.
"""

import os
import sqlite3
from collections import defaultdict
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from trader.adapters.calendar import load_calendar
from trader.adapters.feeds.files import read_tape
from trader.adapters.sqlite.rows import from_us
from trader.app.replay import ReplayRequest, read_request, replay
from trader.app.settings import load_settings
from trader.app.summary import Summary
from trader.domain.family import Families
from trader.domain.session import Calendar, new_york_date

DATA = os.environ.get("TRADER_MARKET_DATA")
FOLDERS = sorted(path for path in Path(DATA).iterdir() if path.name.startswith(("1m", "5m"))) if DATA else []
CONFIG = Path(__file__).parents[2] / "config" / "default.toml"
QQQ_FAMILY = ("QQQ", "TQQQ", "PSQ", "SQQQ")

pytestmark = pytest.mark.skipif(not FOLDERS, reason="TRADER_MARKET_DATA names no folder of real bars")


class Quiet:
    """A log that fails the test when something is wrong."""

    def info(self, *messages: str) -> None:
        """Of no interest."""

    def warning(self, *messages: str) -> None:
        """Of no interest."""

    def error(self, *messages: str) -> None:
        """The bars of a symbol may end before the close, or be missing for minutes; anything else is a defect."""
        assert all(message.startswith(("NOT FLAT", "EXIT NOT DONE")) for message in messages), messages


def replayed(folder: Path, db: Path, symbols: tuple[str, ...] = ()) -> Summary:
    """The summary of a folder's replay with the default configuration."""
    settings = load_settings(CONFIG)
    request = ReplayRequest(paths=[folder], db=db, symbols=symbols)
    return replay(request, settings, read_request(request, settings), Quiet(), lambda _: None)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_real_bars_never_break_a_principle(folder: Path, tmp_path: Path) -> None:
    """No conflict at any instant, cash never below zero, flat after each close its bars reach, no trade outside."""
    db = tmp_path / "replay.db"

    summary = replayed(folder, db)

    assert summary.bars_used > 0
    assert summary.conflicts == 0
    assert summary.lowest_cash >= 0
    calendar = load_calendar()
    with closing(sqlite3.connect(db)) as book:
        fills = book.execute(
            "SELECT symbol, CASE side WHEN 'BUY' THEN quantity ELSE -quantity END, price_micros, commission_micros, "
            "executed_us FROM book_fills ORDER BY id"
        ).fetchall()
        assert book.execute("SELECT count(*) FROM book_positions WHERE quantity > 0").fetchone()[0] == len(
            summary.open_positions
        )
    assert_every_moment_is_sound(fills, calendar)
    assert_flat_after_each_close(fills, folder, calendar)


def assert_every_moment_is_sound(fills: list[tuple[str, int, int, int, int]], calendar: Calendar) -> None:
    """Re-add everything from the fills alone."""
    settings = load_settings(CONFIG)
    families: Families = settings.read_families()
    cash = int(settings.account.starting_cash * 1_000_000)
    held: defaultdict[str, int] = defaultdict(int)
    for symbol, signed, price, commission, at_us in fills:
        at = from_us(at_us)
        session = calendar.session_at(at)
        assert session is not None
        assert session.opens_at <= at < session.closes_at, f"{symbol} traded at {at}, outside the session"
        assert signed < 0 or at < session.entries_stop_at, f"{symbol} was entered at {at}, after the cut-off"
        cash -= signed * price + commission
        assert cash >= 0, f"cash {cash} at {at}"
        held[symbol] += signed
        assert held[symbol] >= 0, f"short {symbol} at {at}"
        family = families.family(families.instrument(symbol).family)
        sides = {leverage > 0 for member, leverage in family.members.items() if held[member]}
        assert len(sides) < 2, f"{family.name} long and inverse at {at}: {dict(held)}"


def assert_flat_after_each_close(fills: list[tuple[str, int, int, int, int]], folder: Path, calendar: Calendar) -> None:
    """Where a symbol has a bar in a session's last minutes, nothing of it is held after that session."""
    tape = read_tape([folder], calendar)
    last_bar: dict[tuple[str, object], object] = {}
    for bar_time in tape:
        for bar in bar_time.bars:
            last_bar[bar.symbol, new_york_date(bar.timestamp)] = bar.timestamp
    held: defaultdict[tuple[str, object], int] = defaultdict(int)
    for symbol, signed, _, _, at_us in fills:
        held[symbol, new_york_date(from_us(at_us))] += signed
    reached = 0
    for (symbol, day), at in last_bar.items():
        session = calendar.session(day)  # type: ignore[arg-type]
        assert session is not None
        if at >= session.closes_at - timedelta(minutes=9):  # type: ignore[operator]
            reached += 1
            assert held[symbol, day] == 0, f"{symbol} held after the close of {day}"
    assert reached > 0


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_default_strategy_does_not_churn_the_qqq_family(folder: Path, tmp_path: Path) -> None:
    """More than none and at most 100 trades in any 480 bars (incident 1 had 294)."""
    there = tuple(symbol for symbol in QQQ_FAMILY if (folder / f"{symbol}.csv.gz").exists())
    if "QQQ" not in there:
        pytest.skip("the folder has no bars of the family's underlying")

    summary = replayed(folder, tmp_path / "replay.db", there)

    assert summary.fills > 0
    assert summary.trades_per_block_max <= 100
