"""`trader reconcile --all-accounts` and scripts/sync_positions.py: each account's broker against its database."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from builders import REPOSITORY, Sentences
from gateway import Gateway
from replayed_book import Answer, trader
from two_accounts import a_position_of, configure, damage, trade

from trader.adapters.clock import SystemClock
from trader.adapters.ibkr.connection import Address, Connection
from trader.app.checks import Verdict
from trader.app.every_account import Holdings, look_at
from trader.app.ibkr_checks import check_ibkr
from trader.app.settings import Settings, load_every_account
from trader.domain.holdings import compare

IB = """
mode = "paper"
[feed]
kind = "ibkr"
[accounts.ib.book]
db = "book.db"
[accounts.ib.broker]
kind = "ibkr"
[accounts.ib.ibkr]
account = "DU1000001"
port = {port}
port_is = "paper"
"""
DRY_RUN = """
[accounts.{name}.book]
db = "book.db"
[accounts.{name}.ibkr]
account = "DU{client_id}000"
client_id = {client_id}
port = 1
port_is = "paper"
"""
PATIENCE_S = 20.0
READS = {"startApi", "reqAllOpenOrders", "reqCurrentTime", "reqPositions"}


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of both; not to be changed."""
    return trade(tmp_path_factory.mktemp("two"))


@pytest.fixture
def place(book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: `mine.toml`, and a copy of their book, to be damaged."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ACCOUNT_NAME", raising=False)
    configure(book)
    return tmp_path


def reconcile(*arguments: str, terminal: bool = False) -> Answer:
    return trader("reconcile", "--all-accounts", "--config", "mine.toml", *arguments, terminal=terminal)


def accounts(answer: Answer) -> dict[str, list[str]]:
    header, *lines = answer.out.partition("\n\n")[0].splitlines()
    assert header.split("\t") == [
        "account",
        "broker",
        "database",
        "matched",
        "phantom",
        "missing",
        "quantity_differs",
    ]
    return {line.split("\t")[0]: line.split("\t")[1:] for line in lines}


def instruments(answer: Answer) -> list[list[str]]:
    return [line.split("\t") for line in answer.out.partition("\n\n")[2].splitlines()[1:]]


@pytest.mark.usefixtures("place")
def test_accounts_that_match_are_counted_and_the_code_is_0() -> None:
    answer = reconcile()
    assert accounts(answer) == {
        "large": ["2", "2", "2/2", "0", "0", "0"],
        "tiny": ["0", "0", "0/0", "0", "0", "0"],
    }
    assert (answer.code, instruments(answer), answer.err) == (0, [], "")


@pytest.mark.usefixtures("place")
def test_the_incidents_rows_are_phantoms_of_the_account_that_has_them() -> None:
    """The rows of QCOM and NOW that the tiny account's manager had made of nothing, one of them stuck in closing."""
    damage(a_position_of("tiny", "QCOM"), a_position_of("tiny", "NOW"))
    answer = reconcile()
    assert accounts(answer) == {
        "large": ["2", "2", "2/2", "0", "0", "0"],
        "tiny": ["0", "2", "0/2", "2", "0", "0"],
    }
    assert instruments(answer) == [["tiny", "NOW", "phantom", "29", "0"], ["tiny", "QCOM", "phantom", "29", "0"]]
    assert answer.code == 4


@pytest.mark.usefixtures("place")
def test_what_the_daemon_has_heard_of_its_broker_counts() -> None:
    damage(
        "INSERT INTO book_drift VALUES ('large', 'QQQ', 29, 20, 1)",
        "INSERT INTO book_drift VALUES ('large', 'AAPL', 74, 0, 1)",
        "INSERT INTO book_drift VALUES ('large', 'MSFT', 0, 7, 1)",
    )
    answer = reconcile()
    assert accounts(answer)["large"] == ["2", "2", "0/3", "1", "1", "1"]
    assert instruments(answer) == [
        ["large", "AAPL", "phantom", "74", "0"],
        ["large", "MSFT", "missing", "0", "7"],
        ["large", "QQQ", "quantity_differs", "29", "20"],
    ]
    assert answer.code == 4


@pytest.mark.usefixtures("place")
def test_a_book_that_cannot_be_read_is_unknown_and_keeps_nothing_else_from_being_told() -> None:
    with Path("mine.toml").open("a", encoding="utf-8") as config:
        config.write("[accounts.another.limits]\nopen_positions = 1\n")
    answer = reconcile()
    assert accounts(answer)["another"] == ["unknown"] * 6
    assert accounts(answer)["large"][:3] == ["2", "2", "2/2"]
    assert "another: the database is unknown: there is no book at" in answer.err
    assert answer.code == 2


@pytest.mark.usefixtures("place")
def test_what_an_account_holds_that_is_not_configured_any_more_is_told() -> None:
    """In the incident one account had several names. What is not configured has no broker, and no daemon."""
    config = Path("mine.toml")
    config.write_text(config.read_text("utf-8").replace("[accounts.large.", "[accounts.renamed."), "utf-8")
    answer = reconcile()
    assert accounts(answer)["large"] == ["unknown", "2", *["unknown"] * 4]
    assert "large: the broker is unknown: it is not configured" in answer.err
    config.write_text(config.read_text("utf-8").replace("[accounts.tiny.", "[accounts.large."), "utf-8")
    assert set(accounts(reconcile())) == {"large", "renamed"}


@pytest.mark.usefixtures("place")
def test_a_broker_that_does_not_answer_is_unknown_and_never_nothing() -> None:
    """In the incident a broker's error was read as no positions, and every row as a phantom."""
    dry_runs = [DRY_RUN.format(name=name, client_id=100 + n) for n, name in enumerate(("large", "tiny"))]
    Path("mine.toml").write_text("".join([IB.format(port=1), *dry_runs]), "utf-8")
    damage("INSERT INTO book_accounts VALUES ('ib', 0, 0, 0, 0, 0, 0, 0, 0, 0)", a_position_of("ib", "MSFT"))
    answer = reconcile()
    assert accounts(answer)["ib"] == ["unknown", "1", *["unknown"] * 4]
    assert "ib: the broker is unknown: 127.0.0.1:1" in answer.err
    assert (answer.code, instruments(answer)) == (3, [])
    told = {row["account"]: row for row in json.loads(reconcile("--json").out)}
    assert (told["ib"]["broker"], told["ib"]["database"], told["ib"]["phantom"]) == ("unknown", 1, "unknown")
    assert told["ib"]["why"] != []
    assert (told["large"]["broker"], told["large"]["matched"], told["large"]["why"]) == (2, "2/2", [])
    damage(a_position_of("tiny", "QCOM"))
    assert reconcile().code == 4, "what is known to differ is worse than what is not known"


@pytest.mark.usefixtures("place")
def test_nothing_is_written() -> None:
    damage(a_position_of("tiny", "QCOM"))
    before = {path: path.read_bytes() for path in Path().iterdir() if path.is_file()}
    reconcile()
    after = {path: path.read_bytes() for path in Path().iterdir() if path.is_file()}
    assert {path: data for path, data in after.items() if not path.name.endswith(("-wal", "-shm"))} == before


@pytest.mark.usefixtures("place")
def test_of_the_account_that_is_named_all_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCOUNT_NAME", "tiny")
    assert accounts(reconcile()).keys() == {"large", "tiny"}


@pytest.mark.usefixtures("place")
def test_a_person_sees_a_table() -> None:
    damage(a_position_of("tiny", "QCOM"))
    shown = reconcile(terminal=True).out
    assert "\t" not in shown
    assert ["tiny", "0", "1", "0/1", "1", "0", "0"] in [line.split() for line in shown.splitlines()]
    assert ["tiny", "QCOM", "phantom", "29", "0"] in [line.split() for line in shown.splitlines()]


def test_the_script_is_the_command(place: Path) -> None:
    damage(a_position_of("tiny", "QCOM"))
    script = REPOSITORY / "scripts" / "sync_positions.py"
    done = subprocess.run(
        [sys.executable, script, "--config", "mine.toml"], cwd=place, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (4, reconcile().out), done.stderr


# Interactive Brokers


def holdings(**held: int) -> Holdings:
    return Holdings(held, {})


def settings_of(gateway: Gateway) -> Settings:
    Path("mine.toml").write_text(IB.format(port=gateway.port), "utf-8")
    [settings] = load_every_account(Path("mine.toml"))
    return settings


@pytest.mark.usefixtures("place")
async def test_ib_is_asked_by_a_client_of_its_own_that_places_nothing() -> None:
    async with Gateway(accounts=("DU1000001", "DU1000002")) as gateway:
        gateway.endow("DU1000001", "QQQ", 10, 500)
        gateway.endow("DU1000001", "AAPL", 5, 200)
        gateway.endow("DU1000002", "MSFT", 7, 400)
        settings = settings_of(gateway)
        look = await look_at(settings, lambda _: holdings(QQQ=10, AAPL=5))
        assert look.broker == {"QQQ": 10, "AAPL": 5}, "and nothing of the other account"
        assert look.comparison == compare({"QQQ": 10, "AAPL": 5}, {"QQQ": 10, "AAPL": 5})
        assert {request.name for request in gateway.requests} <= READS
        assert gateway.truth.orders == []


@pytest.mark.usefixtures("place")
async def test_an_execution_on_its_way_into_the_book_is_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trader.app.every_account._UNTIL_BOOKED_S", 0.01)
    async with Gateway(accounts=("DU1000001",)) as gateway:
        gateway.endow("DU1000001", "QQQ", 10, 500)
        settings = settings_of(gateway)
        books = iter([holdings(), holdings(QQQ=10)])
        look = await look_at(settings, lambda _: next(books))
        assert look.comparison is not None
        assert look.comparison.differences == ()


@pytest.mark.usefixtures("place")
async def test_who_looks_takes_no_neighbours_client_id() -> None:
    """IB has one connection of each id: a probe of this account had the one that the next account is given."""
    async with Gateway(accounts=("DU1000001", "DU1000002")) as gateway:
        settings = settings_of(gateway)
        neighbour = Address("127.0.0.1", gateway.port, settings.ibkr.client_id + 1)
        connection = Connection(neighbour, "DU1000002", SystemClock(), Sentences())
        await connection.open(PATIENCE_S)
        checks = await asyncio.to_thread(list, check_ibkr(settings, SystemClock()))
        assert checks[0].verdict is Verdict.OK
        assert (await look_at(settings, lambda _: holdings())).broker == {}
        assert connection.is_open
        await connection.close()
