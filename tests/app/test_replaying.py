"""`trader replay`: what is said of bars that were refused, and of files that cannot be used."""

import json
import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from replayed_book import trader

from trader.domain.breaker import Breaker

STARTS = datetime(2025, 6, 23, 13, 30, tzinfo=UTC)
BAD = 70
BACKWARDS = 10
FAULTS = "70 high below low, 10 timestamp goes back in time"


def _line(minute: int, *, high: int = 100) -> str:
    return f"{(STARTS + timedelta(minutes=minute)).isoformat()},100,{high},100,100"


@pytest.fixture
def bars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """QQQ has 80 bars that cannot be; SPY has none, and no volume either."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "bars"
    folder.mkdir()
    good = [_line(minute) for minute in range(100)]
    bad = [_line(100 + minute, high=99) for minute in range(BAD)]
    back = [_line(minute) for minute in range(BACKWARDS)]
    (folder / "QQQ.csv").write_text("\n".join(["timestamp,open,high,low,close", *good, *bad, *back]), "utf-8")
    (folder / "SPY.csv").write_text("\n".join(["timestamp,open,high,low,close", *good]), "utf-8")
    return folder


def test_how_many_refused_bars_are_not_listed_is_said(bars: Path) -> None:
    said = trader("replay", str(bars)).err.splitlines()
    assert said[:2] == [f"refused {bars}/QQQ.csv line {line}: high below low" for line in (102, 103)]
    assert said[20:] == [f"refused {bars}/QQQ.csv ... and 60 more"]


def test_every_refused_bar_listed_is_all_that_is_said(bars: Path) -> None:
    (bars / "QQQ.csv").write_text("\n".join((bars / "QQQ.csv").read_text("utf-8").splitlines()[:121]), "utf-8")
    assert len(trader("replay", str(bars)).err.splitlines()) == 20


def test_totals_of_refused_bars_are_words_for_a_person(bars: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    shown = trader("replay", str(bars), terminal=True).out
    [of_qqq] = [line for line in shown.splitlines() if "QQQ.csv" in line]
    [of_spy] = [line for line in shown.splitlines() if "SPY.csv" in line]
    assert of_qqq.rstrip().endswith(f"80  {FAULTS}")
    assert of_spy.split()[-1] == "0"
    assert "{" not in shown


def test_totals_of_refused_bars_are_rows_in_a_pipe(bars: Path) -> None:
    files = trader("replay", str(bars)).out.split("\n\n")[1].splitlines()
    assert files[0] == "file\tsymbol\trows\tused\toutside_session\trefused_rows\tfaults"
    assert files[1].split("\t")[1:] == ["QQQ", "180", "100", "0", "80", FAULTS]
    assert files[2].split("\t")[1:] == ["SPY", "100", "100", "0", "0", ""]


def test_totals_of_refused_bars_are_numbers_in_json(bars: Path) -> None:
    of_qqq, of_spy = json.loads(trader("replay", str(bars), "--json").out)["files"]
    assert (of_qqq["refused_rows"], of_spy["refused_rows"]) == (80, 0)
    assert of_qqq["refused"] == {"high_below_low": BAD, "timestamp_goes_back_in_time": BACKWARDS}
    assert len(of_qqq["first_refused"]) == 20


def test_a_column_that_may_be_missing_is_not_called_needed(bars: Path) -> None:
    (bars / "SPY.csv").write_text("timestamp,open,high,low\n", "utf-8")
    answer = trader("replay", str(bars))
    assert answer.code == 2
    assert answer.err.endswith("needed are timestamp, open, high, low, close; volume may be missing\n")


@pytest.mark.parametrize(("asked", "says"), [("QQ", "did you mean QQQ?"), ("MSFT", "there are QQQ, SPY")])
def test_a_symbol_without_a_file_names_the_nearest(bars: Path, asked: str, says: str) -> None:
    assert says in trader("replay", str(bars), "--symbols", asked).err


SILENT = ("--strategy", "builders:SaysWhatItIsTold")
CALL = "QQQ250718C00500000"


@pytest.fixture
def option_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """QQQ stays at 500.00; a call on it has 4.00 for half an hour, then 9.00."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "bars"
    folder.mkdir()
    starts = [f"{(STARTS + timedelta(minutes=minute)).isoformat()}" for minute in range(60)]
    premiums = [4] * 30 + [9] * 30
    header = "timestamp,open,high,low,close"
    shares = [f"{start},500,500,500,500" for start in starts]
    calls = [f"{start},{price},{price},{price},{price}" for start, price in zip(starts, premiums, strict=True)]
    (folder / "QQQ.csv").write_text("\n".join([header, *shares]), "utf-8")
    (folder / "QQQ   250718C00500000.csv").write_text("\n".join([header, *calls]), "utf-8")
    return folder


def _said_at(minute: float, symbol: str, probability: float, id_: str) -> str:
    at = (STARTS + timedelta(minutes=minute)).isoformat()
    return json.dumps({"id": id_, "symbol": symbol, "probability": probability, "timestamp": at})


def test_signals_from_outside_trade_an_option_in_a_replay(option_day: Path) -> None:
    """Asked for at 09:40:30, bought at the open of 09:41; at 10:00 twice as dear and more, and sold at its target after
    a second print.
    """
    lines = [_said_at(10.5, "QQQ   250718C00500000", 0.95, "mine"), _said_at(11.2, CALL, 0.95, "again")]
    (option_day.parent / "signals.jsonl").write_text("\n".join(lines), "utf-8")
    answer = trader("replay", str(option_day), "--signals", "signals.jsonl", "--db", "day.db", "--json")
    assert answer.code == 0, answer.err
    assert trader("rebuild", "--check", "--db", "day.db").code == 0
    assert trader("audit", "--db", "day.db").code == 0
    rows = trader("trades", "--db", "day.db").rows()
    told = {(row["side"], row["symbol"], row["quantity"], row["price"], row["timestamp"][11:16]) for row in rows}
    assert told == {("BUY", CALL, "4", "4.1", "13:41"), ("SELL", CALL, "4", "8.9", "14:02")}
    assert json.loads(answer.out)["equity"] == pytest.approx(100_000 + 4 * 100 * (8.9 - 4.1) - 2 * 2.6)
    outcomes = {row["id"]: row["outcome"] for row in trader("signals", "--db", "day.db").rows()}
    assert (outcomes["mine"], outcomes["again"]) == ("ordered", "unchanged")
    again = trader("replay", str(option_day), "--signals", "signals.jsonl", "--db", "again.db", "--json")
    assert json.loads(again.out)["journal_digest"] == json.loads(answer.out)["journal_digest"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"symbol": "QQQ"}', "signals.jsonl line 2: probability is missing"),
        ('{"symbol": "QQQ", "probability": 0.9}', "signals.jsonl line 2: no timestamp"),
        (_said_at(1, "QQQ261318C00500000", 0.9, "x"), "signals.jsonl line 2: 'QQQ261318C00500000' .* a day that there"),
        ("QQQ 0.9", "signals.jsonl line 2: not JSON"),
    ],
)
def test_a_line_that_is_no_signal_stops_the_replay_before_it_starts(option_day: Path, line: str, why: str) -> None:
    (option_day.parent / "signals.jsonl").write_text(f"{_said_at(5, CALL, 0.9, 'a')}\n{line}\n", "utf-8")
    answer = trader("replay", str(option_day), "--signals", "signals.jsonl", "--db", "day.db")
    assert answer.code == 2
    assert re.search(why, answer.err)
    assert not (option_day.parent / "day.db").exists()


@pytest.fixture
def losing_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """QQQ falls by a hundredth at 10:30 of the first day, which is too much; MSFT stays. The second day is as long."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRADER_LIMITS__DAY_LOSS_PCT", "0.05")
    monkeypatch.setenv("TRADER_BREAKERS__DRAWDOWN__LIMIT", "0.05")
    folder = tmp_path / "bars"
    folder.mkdir()
    starts = [(STARTS + timedelta(days=day, minutes=minute)).isoformat() for day in range(2) for minute in range(390)]
    falling = [500] * 60 + [495] * 720
    header = "timestamp,open,high,low,close"
    qqq = [f"{start},{price},{price},{price},{price}" for start, price in zip(starts, falling, strict=True)]
    (folder / "QQQ.csv").write_text("\n".join([header, *qqq]), "utf-8")
    (folder / "MSFT.csv").write_text("\n".join([header, *(f"{start},400,400,400,400" for start in starts)]), "utf-8")
    tomorrow = 24 * 60
    lines = [
        _said_at(20.5, "QQQ", 0.8, "loses"),
        _said_at(120.5, "MSFT", 0.95, "same day"),
        _said_at(tomorrow + 20.5, "MSFT", 0.95, "next day"),
    ]
    (tmp_path / "signals.jsonl").write_text("\n".join(lines), "utf-8")
    return folder


def test_what_trips_in_a_replay_is_cleared_before_the_next_day(losing_day: Path) -> None:
    answer = trader("replay", str(losing_day), "--signals", "signals.jsonl", "--db", "days.db", *SILENT, "--json")
    assert answer.code == 0, answer.err
    outcomes = {row["id"]: row["outcome"] for row in trader("signals", "--db", "days.db").rows()}
    assert outcomes == {"loses": "ordered", "same day": "refused", "next day": "ordered"}
    with closing(sqlite3.connect("days.db")) as book:
        cleared = book.execute(
            "SELECT l.breaker, l.cleared_by, l.cleared_at, (SELECT count(*) FROM events e WHERE e.type = 'command' "
            "AND e.data ->> 'operator' = 'replay') FROM latches l ORDER BY 1"
        ).fetchall()
    midnight = "2025-06-24T04:00:00.000Z"
    assert cleared == [("day_loss", "replay", midnight, 2), ("drawdown", "replay", midnight, 2)]
    assert trader("rebuild", "--check", "--db", "days.db").code == 0
    assert trader("audit", "--db", "days.db").code == 0


def test_a_replay_says_how_often_each_breaker_has_tripped(losing_day: Path) -> None:
    told = ("replay", str(losing_day), "--signals", "signals.jsonl", "--db", "days.db", *SILENT)
    breakers = json.loads(trader(*told, "--json").out)["breakers"]
    assert list(breakers) == [breaker.value for breaker in Breaker]
    assert {breaker: times for breaker, times in breakers.items() if times} == {"day_loss": 1, "drawdown": 1}
    assert "breaker\ttrips\nday_loss\t1\ndrawdown\t1\n" in trader(*told).out
