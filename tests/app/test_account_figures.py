"""What `trader status` says of each account: positions, creations, phantoms, reconciliation, refusals, profit."""

import json
from pathlib import Path
from typing import Any

import pytest
from builders import MINUTE, a_machine
from replayed_book import trader
from two_accounts import a_position_of, configure, damage, trade

from trader.app.account_figures import read_figures
from trader.domain.events import Evidence, EvidenceGiven

ROW = (
    "account",
    "state",
    "positions",
    "created_last_hour",
    "phantoms",
    "reconciled_at",
    "refusals",
    "pnl_day",
    "pnl_total",
)
NOW = "2025-06-23T13:"


def status(*arguments: str) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(trader("status", "--json", "--config", "mine.toml", *arguments).out)
    return facts


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of both; not to be changed."""
    return trade(tmp_path_factory.mktemp("two"))


@pytest.fixture
def place(book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: `mine.toml`, and a copy of their book, to be damaged."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ACCOUNT_NAME", "large")
    configure(book)
    return tmp_path


@pytest.mark.usefixtures("place")
def test_each_account_of_the_configuration_has_a_row() -> None:
    large, tiny = status()["accounts"]
    assert tuple(large) == tuple(tiny) == ROW
    assert (large["account"], large["positions"], large["created_last_hour"], large["phantoms"]) == ("large", 2, 2, 0)
    assert (tiny["account"], tiny["positions"], tiny["created_last_hour"], tiny["phantoms"]) == ("tiny", 0, 1, 0)
    assert (large["refusals"], tiny["refusals"]) == ({}, {"bad_probability": 1})
    assert large["reconciled_at"].startswith(NOW)
    assert large["pnl_total"] < 0 < large["positions"]
    assert (tiny["pnl_day"], tiny["state"]) == (tiny["pnl_total"], "STOPPED")


@pytest.mark.usefixtures("place")
def test_the_account_itself_has_the_same_figures() -> None:
    facts = status()
    assert {name: facts[name] for name in ROW[3:]} == {name: facts["accounts"][0][name] for name in ROW[3:]}
    assert [held["symbol"] for held in facts["positions"]] == ["AAPL", "QQQ"]


@pytest.mark.usefixtures("place")
def test_phantoms_are_those_of_the_account_that_has_them() -> None:
    damage("INSERT INTO book_drift VALUES ('large', 'QQQ', 29, 0, 1)", a_position_of("tiny", "NOW"))
    damage(
        "INSERT INTO book_drift VALUES ('tiny', 'NOW', 29, 10, 1)",
        "INSERT INTO book_drift VALUES ('tiny', 'JD', 0, 5, 1)",
    )
    large, tiny = status()["accounts"]
    assert (large["phantoms"], tiny["phantoms"]) == (1, 0), "fewer shares than the book has are no phantom"


@pytest.mark.usefixtures("place")
def test_phantoms_are_unknown_before_the_first_reconciliation() -> None:
    damage("DELETE FROM book_reconciled WHERE account = 'tiny'")
    _, tiny = status()["accounts"]
    assert (tiny["phantoms"], tiny["reconciled_at"]) == ("unknown", None)


@pytest.mark.usefixtures("place")
def test_an_account_whose_book_cannot_be_read_is_unknown_and_hides_no_other() -> None:
    with Path("mine.toml").open("a", encoding="utf-8") as config:
        config.write("[accounts.another.limits]\nopen_positions = 1\n")
    another, large, tiny = status()["accounts"]
    assert (another["account"], another["state"], another["positions"]) == ("another", "UNKNOWN", "unknown")
    assert "there is no book at" in another["why"]
    assert (large["positions"], tiny["positions"]) == (2, 0)


@pytest.mark.usefixtures("place")
def test_an_account_that_only_the_book_has_is_shown_too() -> None:
    text = Path("mine.toml").read_text("utf-8").partition("[accounts.tiny.book]")[0]
    Path("mine.toml").write_text(text, "utf-8")
    assert [row["account"] for row in status()["accounts"]] == ["large", "tiny"]


@pytest.mark.usefixtures("place")
def test_a_pipe_gets_a_row_for_each_and_a_person_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    header, large, tiny = trader("status", "--config", "mine.toml").out.split("\n\n")[3].splitlines()
    assert tuple(header.split("\t")) == ROW
    assert large.split("\t")[:5] == ["large", "STOPPED", "2", "2", "0"]
    assert tiny.split("\t")[6] == "bad_probability 1"
    monkeypatch.setenv("COLUMNS", "200")
    shown = trader("status", "--config", "mine.toml", terminal=True)
    [row] = [line.split() for line in shown.out.splitlines() if line.strip().startswith("tiny")]
    assert (row[:5], row[6], row[-4:-2]) == (["tiny", "STOPPED", "0", "1", "0"], "09:30:00", ["bad_probability", "1"])
    assert shown.facts()["positions created"] == "2 in the last hour"
    assert shown.facts()["reconciled"].endswith("EDT, 0 phantoms")
    assert shown.facts()["refusals of the day"] == "none"


@pytest.mark.usefixtures("place")
def test_the_rows_fit_80_columns() -> None:
    lines = trader("status", "--config", "mine.toml", terminal=True).out.splitlines()
    table = lines[lines.index(next(line for line in lines if line.strip().startswith("Accounts"))) :]
    assert max(len(line.rstrip()) for line in table) <= 80


async def test_creations_count_for_an_hour_and_whether_or_not_they_are_held(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.bars(2, {"AAPL": 0.9, "JD": 0.9})
        await market.bars(2, {"AAPL": 0.1})
        created = [
            read_figures(market.reader, "paper", market.now + n * MINUTE, None).created_last_hour for n in (0, 56, 61)
        ]
        assert created == [2, 2, 0]


async def test_when_was_reconciled_goes_with_the_next_commit_and_survives_the_run(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.wait(30)
        commits = market.one("SELECT count(*) FROM events")
        await market.handle(EvidenceGiven((), Evidence((), frozenset(), {}, {})))
        told_at = market.now
        assert market.engine.trading.reconciliation.reconciled_at == told_at
        assert market.one("SELECT count(*) FROM events") == commits, "it is worth no commit of its own"
        await market.bars(2, {"AAPL": 0.9})
        assert read_figures(market.reader, "paper", market.now, None).reconciled_at == told_at
        later = market.now
        assert read_figures(market.reader, "paper", market.now, later).reconciled_at == later, "a daemon knows better"


async def test_an_answer_without_positions_reconciles_nothing(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        before = market.engine.trading.reconciliation.reconciled_at
        await market.wait(30)
        await market.handle(EvidenceGiven((), Evidence((), frozenset(), {}, None)))
        assert market.engine.trading.reconciliation.reconciled_at == before
