"""`trader replay --compare-live`: a day that a real daemon has traded is decided as it was, until something differs."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
from builders import a_machine

from trader.app.compare_live.earlier import copy_of
from trader.app.compare_live.recording import Journaled, Run
from trader.domain.breaker import Breaker
from trader.domain.events import BreakerMeasured, CommandName

_CONFIG = """
[feed]
speed = 6000.0
[thresholds]
enter_1x = 0.55
enter_3x = 0.62
leave_1x = 0.52
leave_3x = 0.58
[strategy]
params = {trend_bars = 30, volatility_bars = 40}
"""
"""It trades often."""
_PATIENCE_S = 60.0


class Traded(NamedTuple):
    """A folder with a book; its daemon was killed once, begun anew, and stopped."""

    folder: Path
    days: list[str]

    def sql(self, query: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(f"{(self.folder / 'trading_data.db').as_uri()}?mode=ro", uri=True)) as book:
            return book.execute(query).fetchall()

    def compare(
        self, day: str, *more: str, variables: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, object]]:
        done = _trader(self.folder, "replay", "--compare-live", day, *more, "--json", variables=variables)
        return done.returncode, json.loads(done.stdout) if done.stdout else {"said": done.stderr}


def _trader(
    folder: Path, *arguments: str, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "trader", *arguments, "--config", "c.toml"]
    environment = {**os.environ, **(variables or {})}
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=120, env=environment
    )


def _trades(folder: Path, executions: int, by: signal.Signals) -> None:
    """Let a daemon trade until the book has so many executions and some inputs of its run, and end it."""
    command = [sys.executable, "-m", "trader", "run", "--config", "c.toml"]
    with (folder / "out.txt").open("ab") as out:
        daemon = subprocess.Popen(command, cwd=folder, stdout=out, stderr=out)
    try:
        deadline, db = time.monotonic() + _PATIENCE_S, folder / "trading_data.db"
        recorded = _count(db, "book_inputs")
        while _count(db, "book_fills") < executions or _count(db, "book_inputs") == recorded:
            assert daemon.poll() is None, (folder / "out.txt").read_text()
            assert time.monotonic() < deadline, "it does not trade"
            time.sleep(0.05)
    finally:
        daemon.send_signal(by)
        daemon.wait(30)


def _count(db: Path, table: str) -> int:
    try:
        with closing(sqlite3.connect(f"{db.as_uri()}?mode=ro", uri=True)) as book:
            return int(book.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608
    except sqlite3.Error:
        return 0


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory) -> Traded:
    """Real processes, once for all tests of this file."""
    folder = tmp_path_factory.mktemp("traded")
    (folder / "c.toml").write_text(_CONFIG)
    (folder / "families.toml").write_text("[QQQ]\nQQQ = 1\nTQQQ = 3\nPSQ = -1\nSQQQ = -3\n")
    _trades(folder, 60, signal.SIGKILL)
    _trades(folder, _count(folder / "trading_data.db", "book_fills") + 60, signal.SIGTERM)
    found = Traded(folder, [])
    days = "SELECT DISTINCT date(at_us / 1000000, 'unixepoch') FROM book_inputs WHERE kind = 'BarTime' ORDER BY 1"
    return found._replace(days=[str(day) for (day,) in found.sql(days)])


def test_every_day_is_decided_as_it_was(traded: Traded) -> None:
    """Also over a death, after which the rest of what was heard is not known, and over the start that follows."""
    before = (traded.folder / "trading_data.db").read_bytes()
    runs, untold = 0, ""
    for day in traded.days:
        code, told = traded.compare(day)
        assert (code, told.get("same")) == (0, True), told
        assert told["first_divergence"] is None
        assert min(int(str(told[name])) for name in ("signals", "events")) > 50, told
        runs += int(str(told["runs"]))
        untold += str(told["not_compared"])
    assert runs >= 2
    assert untold.count("has not ended in order") == 1, "of the run that was killed; each part of the other is whole"
    assert (traded.folder / "trading_data.db").read_bytes() == before, "it is only read"


def test_with_another_limit_the_first_signal_that_meets_it_is_named(traded: Traded) -> None:
    [(most,)] = traded.sql(
        "SELECT limit_value FROM signals WHERE rule = 'open_positions' ORDER BY timestamp, rowid LIMIT 1"
    )
    assert most == 6
    code, told = traded.compare(traded.days[0], variables={"TRADER_LIMITS__OPEN_POSITIONS": "5"})
    assert code == 4
    first = told["first_divergence"]
    assert isinstance(first, dict)
    live, now = first["live"], first["now"]
    assert (live["what"], live["facts"]["outcome"]) == ("signal", "ordered")
    assert (now["what"], now["facts"]["rule"], now["facts"]["measured"]) == ("signal", "open_positions", 5.0)
    assert live["symbol"] == now["symbol"]
    before = traded.sql("SELECT signal_id FROM orders WHERE purpose = 'entry' ORDER BY order_ref LIMIT 5")
    assert (live["id"],) not in before, "five entries may come before it"
    assert any("ordered" in line for line in first["why_live"])
    assert any("refused at sizing by open_positions, measured 5, limit 5" in line for line in first["why_now"])


def test_with_another_parameter_of_the_strategy_its_first_other_word_is_named(traded: Traded) -> None:
    code, told = traded.compare(traded.days[0], "--param", "gain=1.5")
    assert code == 4
    first = told["first_divergence"]
    assert isinstance(first, dict)
    live, now = first["live"], first["now"]
    assert live["facts"]["probability"] != now["facts"]["probability"]
    assert (live["what"], now["what"]) == ("signal", "signal")
    assert live["at"] == now["at"]


def test_it_tells_a_person_where_and_why(traded: Traded) -> None:
    done = _trader(
        traded.folder,
        "replay",
        "--compare-live",
        traded.days[0],
        variables={"TRADER_LIMITS__OPEN_POSITIONS": "5"},
    )
    assert done.returncode == 4
    assert "same\tfalse" in done.stdout
    assert "\nlive\tsignal S-" in done.stdout
    assert "\nnow\tsignal S-" in done.stdout
    assert "the first divergence is at" in done.stderr


def test_it_tells_a_person_from_where_on_a_run_that_was_killed_cannot_be_compared(traded: Traded) -> None:
    said = [_trader(traded.folder, "replay", "--compare-live", day).stderr for day in traded.days]
    [line] = [line for text in said for line in text.splitlines() if line.startswith("NOT COMPARED from ")]
    assert "UTC on, to the end of that run: the run has not ended in order" in line
    assert any(text.endswith("decided as it was, as far as it can be compared\n") for text in said)


@pytest.mark.parametrize(
    ("day", "more", "said"),
    [
        ("2020-01-02", (), "nothing was recorded of paper on 2020-01-02; its inputs are of "),
        ("yesterday", (), "write it as 2025-06-23"),
        ("2025-06-23", ("bars.csv",), "--compare-live plays what was recorded"),
    ],
)
def test_what_cannot_be_compared_is_said(traded: Traded, day: str, more: tuple[str, ...], said: str) -> None:
    code, told = traded.compare(day, *more)
    assert code == 2
    assert said in str(told["said"])


def test_a_recording_of_an_older_version_is_said(traded: Traded, tmp_path: Path) -> None:
    """It kept some inputs as text for a person."""
    old = traded._replace(folder=tmp_path / "old")
    shutil.copytree(traded.folder, old.folder)
    with closing(sqlite3.connect(old.folder / "trading_data.db")) as book:
        book.execute("UPDATE book_inputs SET data = json_remove(data, '$.step')")
        book.commit()
    code, told = old.compare(old.days[0])
    assert code == 2
    assert "was not recorded so that it can be played again by an older version" in str(told["said"])


async def test_an_earlier_book_has_only_the_halts_and_latches_of_its_time(tmp_path: Path) -> None:
    """One that was cleared or tripped later would falsify what the breakers count."""
    queries = ("SELECT * FROM book_halts ORDER BY id", "SELECT * FROM book_latches ORDER BY id")
    async with a_machine(tmp_path) as market:
        await market.command(CommandName.HALT, "symbol", "AAPL")
        await market.handle(BreakerMeasured(Breaker.AUDIT, 1, "before", {}))
        then = [market.sql(query) for query in queries]
        await market.wait(1)
        seq = market.one("SELECT max(seq) FROM book_events") + 1
        started = Journaled(seq, "run_started", "", market.now, {"recorded": {}})
        for cause in ("after", "after that"):
            await market.command(CommandName.RESUME, "symbol", "AAPL")
            await market.command(CommandName.RESUME, breaker=Breaker.AUDIT)
            await market.command(CommandName.HALT, "symbol", "AAPL")
            await market.handle(BreakerMeasured(Breaker.AUDIT, 1, cause, {}))
            await market.wait(1)
        assert [len(market.sql(query)) for query in queries] == [3, 3]
        run = Run(started, None, (), (0, 0), None, None, seq, market.now, None)
        with closing(sqlite3.connect(market.path)) as book:
            copy_of(book, "paper", run, tmp_path / "copy.db")
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert [copy.execute(query).fetchall() for query in queries] == then
