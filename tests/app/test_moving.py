"""`trader move-book`: the book of a single account becomes that account's among several, or stays untouched."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from builders import Market, a_machine, an_order, new_york
from replayed_book import Answer, trader

from trader.adapters.run_lock import Holder, RunLock, lock_path
from trader.adapters.spill_file import SpillFile, spill_path
from trader.adapters.sqlite.moving import accounts_in
from trader.app.former_book import check_former_book, former_book_check, undeclared_check
from trader.app.settings import load_settings
from trader.domain.errors import ConfigurationError

SEVERAL = "[accounts.paper]\n[accounts.tiny]\n"
FORMER, NEW = Path("trading_data.db"), Path("trading_data-paper.db")


@pytest.fixture
async def former(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the book of one account, which holds something, and a configuration that declares two now."""
    async with a_machine(tmp_path) as market:
        await market.bars(2, {"AAPL": 0.8, "JD": 0.8})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ACCOUNT_NAME", "paper")
    declare(SEVERAL)
    (tmp_path / "families.toml").write_text("", "utf-8")
    return tmp_path


def declare(accounts: str) -> None:
    """Write the configuration."""
    Path("mine.toml").write_text(accounts, "utf-8")


def move(*more: str) -> Answer:
    return trader("move-book", str(FORMER), "--config", "mine.toml", *more)


def rows(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as book:
        return [line for line in book.iterdump() if line.startswith("INSERT")]


def assert_untouched(before: list[str]) -> None:
    assert rows(FORMER) == before
    assert not NEW.exists()


def test_a_book_is_not_begun_anew_beside_the_former_one(former: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"has the account paper.*`ACCOUNT_NAME=paper trader move-book") as no:
        check_former_book(load_settings(Path("mine.toml")))
    assert 'write db = "trading_data.db" under [accounts.paper.book]' in str(no.value)
    answer = trader("run", "--config", "mine.toml")
    assert answer.code == 2
    assert str(no.value) in answer.err
    assert not NEW.exists()


def test_the_doctor_sees_an_account_that_nobody_looks_after(former: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    declare("[accounts.large]\n[accounts.tiny]\n")
    monkeypatch.setenv("ACCOUNT_NAME", "tiny")
    settings = load_settings(Path("mine.toml"))
    check_former_book(settings)
    assert former_book_check(settings).verdict == "ok"
    check = undeclared_check(settings)
    assert check.verdict == "warn"
    assert "trading_data.db has paper, not declared" in check.said


@pytest.mark.parametrize("book", ["trading_data-paper.db", "trading_data-tiny.db"])
def test_the_doctor_sees_an_account_that_was_renamed(former: Path, monkeypatch: pytest.MonkeyPatch, book: str) -> None:
    """Its book is beside that of its new name, or is shared with those that are declared."""
    declare("[accounts.small]\n[accounts.tiny]\n")
    monkeypatch.setenv("ACCOUNT_NAME", "tiny")
    FORMER.rename(book)
    Path("trading_data-20250623T120000Z.db").write_text("a copy of it", "utf-8")
    check = undeclared_check(load_settings(Path("mine.toml")))
    assert (check.verdict, f"{book} has paper, not declared" in check.said) == ("warn", True)


def left_of_the_book() -> list[str]:
    """Files of the former book itself."""
    return [name for ending in ("", "-wal", "-shm", "-journal") if Path(name := f"{FORMER}{ending}").exists()]


def test_without_yes_it_is_only_looked_at(former: Path) -> None:
    before = rows(FORMER)
    answer = move()
    assert answer.code == 5
    assert "would move trading_data.db of account paper to trading_data-paper.db" in answer.out
    assert_untouched(before)


async def test_the_account_goes_on_where_its_book_was_moved_to(former: Path) -> None:
    before = rows(FORMER)
    answer = move("--yes")
    assert answer.code == 0, answer.err
    assert rows(NEW) == before
    assert left_of_the_book() == []
    check_former_book(load_settings(Path("mine.toml")))
    assert former_book_check(load_settings(Path("mine.toml"))).verdict == "ok"

    market = Market(former / NEW, {}, new_york("10:00"), threaded=False)
    await market.start()
    assert set(market.held()) == {"AAPL", "JD"}
    assert market.engine.trading.exits.last.armed == market.held()
    await market.bar({"AAPL": 0.5})
    await market.bar()
    assert set(market.held()) == {"JD"}
    assert market.one("SELECT max(order_ref) FROM orders") == "paper-1-0003"
    market.check()
    await market.stop()


def test_it_may_be_shared_where_it_is(former: Path) -> None:
    declare(f'{SEVERAL}[accounts.paper.book]\ndb = "trading_data.db"\n[accounts.tiny.book]\ndb = "trading_data.db"\n')
    check_former_book(load_settings(Path("mine.toml")))
    assert trader("positions", "--config", "mine.toml").code == 0


def test_a_book_that_is_there_is_not_overwritten(former: Path) -> None:
    before = rows(FORMER)
    NEW.write_text("mine", "utf-8")
    answer = move("--yes")
    assert answer.code == 2
    assert "there is a file at trading_data-paper.db already; nothing was moved" in answer.err
    assert (rows(FORMER), NEW.read_text("utf-8")) == (before, "mine")


def test_a_move_that_was_killed_halfway_is_finished_by_the_next(former: Path) -> None:
    """The book has both names then, and is opened under neither."""
    before = rows(FORMER)
    NEW.hardlink_to(FORMER)
    for db in (FORMER, NEW):
        start = trader("run", "--config", "mine.toml", "--db", str(db))
        assert (start.code, "second name" in start.err) == (2, True), start
    answer = move("--yes")
    assert answer.code == 0, answer.err
    assert (rows(NEW), FORMER.exists()) == (before, False)


def test_the_account_keeps_its_name(former: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = rows(FORMER)
    monkeypatch.setenv("ACCOUNT_NAME", "tiny")
    answer = move("--yes")
    assert answer.code == 2
    assert "it has paper, and this is tiny" in answer.err
    assert_untouched(before)


def test_a_running_daemon_keeps_its_book(former: Path) -> None:
    before = rows(FORMER)
    lock = RunLock.take(lock_path(FORMER, "paper"), Holder(4711, "1", "x", "now"))
    answer = move("--yes")
    lock.release()
    assert answer.code == 6
    assert "`trader stop --db trading_data.db`" in answer.err
    assert_untouched(before)


def test_a_book_that_somebody_has_open_stays(former: Path) -> None:
    before = rows(FORMER)
    with closing(sqlite3.connect(FORMER)) as reader:
        reader.execute("SELECT * FROM book_fills").fetchone()
        answer = move("--yes")
    assert answer.code == 2
    assert "somebody has trading_data.db open" in answer.err
    assert_untouched(before)


def test_exits_that_the_book_has_not_are_booked_first(former: Path) -> None:
    before = rows(FORMER)
    spill = SpillFile(spill_path(FORMER, "paper"))
    spill.append(an_order())
    spill.close()
    answer = move("--yes")
    assert answer.code == 2
    assert "start the trader once where the book is now" in answer.err
    assert_untouched(before)


def test_what_is_no_book_has_no_accounts(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no book" * 1000, "utf-8")
    assert accounts_in(tmp_path / "text.db") == accounts_in(tmp_path / "nothing.db") == accounts_in(tmp_path) == ()
