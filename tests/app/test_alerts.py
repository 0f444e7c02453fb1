"""`trader alerts`: what is open, that it was seen, and whether alarms arrive."""

import json
from datetime import datetime
from pathlib import Path

import pytest
from replayed_book import PretendedDaemon, ReplayedBook, a_replayed_book, trader

from trader.app.digest import digest_of
from trader.app.settings import load_settings
from trader.domain.session import NEW_YORK

ALARM = (
    "INSERT INTO book_alarms SELECT account, seq, ?, ?, ?, ?, at_us, at_us + 120000000, 3, NULL, NULL, 0 "
    "FROM book_events WHERE seq = ?"
)


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> ReplayedBook:
    """The day, with a drift that is open and was told, and a chore that fails."""
    book = a_replayed_book(tmp_path_factory.mktemp("day"))
    book.damage(ALARM, "drift", "critical", "QQQ", "the book has 5 shares, the broker 3", 3)
    book.damage(ALARM, "chore_failed", "warning", "backup", "no space", 4)
    book.damage("INSERT INTO book_deliveries VALUES (1, 'paper', 3, 'phone', 1, 1750685400000000, 0)")
    return book


def test_what_is_open_is_listed_with_who_has_told_it(day: ReplayedBook) -> None:
    drift, chore = day.trader("alerts").rows()
    assert drift["id"] == "3"
    assert [drift[name] for name in ("type", "severity", "subject", "count", "told")] == [
        "drift",
        "critical",
        "QQQ",
        "3",
        "phone",
    ]
    assert (chore["type"], chore["told"], chore["state"]) == ("chore_failed", "", "open")
    assert json.loads(day.trader("alerts", "--json", "--last", "1").out)[0]["type"] == "chore_failed"


def test_news_are_no_open_alarms_and_are_listed_by_all(day: ReplayedBook) -> None:
    everything = [row["type"] for row in day.trader("alerts", "--all").rows()]
    assert "started" in everything
    assert "day_closed" in everything
    assert "started" not in day.trader("alerts").out


def test_a_terminal_gets_a_table(day: ReplayedBook) -> None:
    shown = day.trader("alerts", terminal=True).out
    assert "drift" in shown
    assert "the book has 5" in shown


def test_the_daemon_is_asked_to_acknowledge_what_is_open(day: ReplayedBook) -> None:
    with PretendedDaemon(day, {"message": "acknowledged: 3, 4"}) as daemon:
        answer = day.trader("alerts", "ack", "3", "4", "--reason", "known")
        everything = day.trader("alerts", "ack", "--all")
    assert (answer.code, everything.code) == (0, 0), answer.err + everything.err
    assert daemon.asked[0]["ask"] == "acknowledge"
    assert daemon.asked[0]["alarms"] == [3, 4]
    assert daemon.asked[0]["reason"] == "known"
    everything_open = daemon.asked[1]["alarms"]
    assert isinstance(everything_open, list)
    assert set(everything_open) > {3, 4}


def test_what_is_not_open_is_not_acknowledged(day: ReplayedBook) -> None:
    answer = day.trader("alerts", "ack", "3", "99")
    assert answer.code == 5
    assert "no open alarm has the id 99" in answer.out


@pytest.mark.parametrize("arguments", [(), ("3", "--all")])
def test_an_acknowledgement_is_of_ids_or_of_all(day: ReplayedBook, arguments: tuple[str, ...]) -> None:
    assert day.trader("alerts", "ack", *arguments).code == 2


def test_a_test_without_anybody_to_tell_is_a_finding(day: ReplayedBook) -> None:
    answer = day.trader("alerts", "test")
    assert answer.code == 4
    assert "nobody is told of alarms" in answer.err


def test_without_a_daemon_each_channel_is_tried_from_here(
    day: ReplayedBook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\ncat > {tmp_path}/given\n", "utf-8")
    hook.chmod(0o700)
    monkeypatch.setenv("TRADER_ALARMS__COMMAND", json.dumps([str(hook)]))
    answer = day.trader("alerts", "test")
    assert (answer.code, answer.rows()) == (0, [{"channel": "command", "answer": "delivered"}])
    assert json.loads((tmp_path / "given").read_text("utf-8"))["alarms"][0]["type"] == "test"
    hook.write_text("#!/bin/sh\nexit 3\n", "utf-8")
    failed = day.trader("alerts", "test")
    assert (failed.code, failed.rows()[0]["answer"]) == (4, "it ended with 3")


def test_a_channel_that_cannot_be_is_an_error_of_the_configuration(
    day: ReplayedBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADER_ALARMS__URLS_FILE", "/no/such/file")
    answer = day.trader("alerts", "test")
    assert (answer.code, "cannot read alarms.urls_file /no/such/file" in answer.err) == (2, True)
    assert trader("config", "check", "--config", str(day.config)).code == 2


def test_the_digest_says_what_the_day_was(day: ReplayedBook) -> None:
    settings = load_settings(day.config, book={"db": day.db}, alarms={"types": {"chore_failed": "off"}})
    lines = digest_of(settings, datetime(2025, 6, 23, 16, 0, tzinfo=NEW_YORK)).splitlines()
    executions = day.one("SELECT count(*) FROM trades")
    realised = float(day.one("SELECT round(sum(realized_pnl), 2) FROM trades"))
    assert lines[0] == "2025-06-23 New York, account paper"
    assert lines[1].startswith(f"realised: {realised:,.2f} USD, commissions ")
    assert lines[2].startswith(f"trades: {executions} executions, 4 round trips")
    assert "symbol_locked 1" in lines[3]
    assert lines[4].startswith("held now: nothing; equity ")
    assert lines[6] == "alarms: drift 3, started 1, stopped 1; 1 not acknowledged"
    quiet = digest_of(settings, datetime(2025, 6, 24, 16, 0, tzinfo=NEW_YORK)).splitlines()
    assert quiet[2] == "trades: 0 executions, 0 round trips, 0 of them won"


def test_status_says_how_many_are_open(day: ReplayedBook) -> None:
    with PretendedDaemon(day, {"pid": 1, "version": "x", "code": "y", "started_at": "z"}):
        told = json.loads(day.trader("status", "--json").out)
        shown = day.trader("status", terminal=True)
    assert told["alarms"] == 2
    assert "2 not acknowledged; see `trader alerts`" in " ".join(shown.out.split())
