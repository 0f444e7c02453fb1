"""`trader doctor`, `config`, `calendar`, `version`, `backup`: every check is seen to fail."""

import importlib.metadata
import json
import os
import sqlite3
import subprocess
import sys
import tomllib
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from replayed_book import ReplayedBook, a_replayed_book, trader

from trader.adapters.calendar import load_calendar
from trader.adapters.clock import SteppedClock
from trader.adapters.fingerprint import code_fingerprint
from trader.adapters.run_lock import Holder, RunLock
from trader.app import checks
from trader.app.checks import Check, Verdict
from trader.app.doctor import examine
from trader.app.settings import load_settings

NOW = datetime(2025, 6, 23, 16, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> ReplayedBook:
    """An hour of the day, in a book that says it is simulated, as the configuration does."""
    book = a_replayed_book(tmp_path_factory.mktemp("morning"), until="10:30")
    book.damage("UPDATE book_stamp SET kind = 'simulated'")
    return book


@pytest.fixture
def book(morning: ReplayedBook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ReplayedBook:
    """The same, to be damaged; the packages of the test's own environment are right."""
    lock = tmp_path / "requirements.lock"
    lock.write_text(f"typer=={importlib.metadata.version('typer')} \\\n    --hash=sha256:00\n", "utf-8")
    monkeypatch.setattr(checks, "LOCK", lock)
    return morning.copy_to(tmp_path / "own")


def verdicts(book: ReplayedBook, *arguments: str) -> dict[str, Check]:
    """What the doctor says, by what it looked at."""
    answer = book.trader("doctor", "--json", *arguments)
    found = {row["what"]: Check(**row) for row in json.loads(answer.out)}
    failed = any(check.verdict == Verdict.FAIL for check in found.values())
    assert answer.code == (2 if failed else 0)
    return found


def not_ok(book: ReplayedBook, *arguments: str) -> dict[str, str]:
    """What the doctor minds."""
    return {
        what: str(check.verdict) for what, check in verdicts(book, *arguments).items() if check.verdict != Verdict.OK
    }


def test_all_is_well(book: ReplayedBook) -> None:
    answer = book.trader("doctor", terminal=True)
    assert answer.code == 0
    assert all(line.startswith("[ok]   ") for line in answer.out.splitlines())
    assert not_ok(book) == {}


def test_a_pipe_gets_the_checks_as_rows(book: ReplayedBook) -> None:
    rows = book.trader("doctor").rows()
    assert [row["what"] for row in rows] == list(verdicts(book))
    assert {row["verdict"] for row in rows} == {"ok"}
    assert set(rows[0]) == {"verdict", "what", "said", "todo"}


def test_full_looks_at_more_and_finds_nothing_either(book: ReplayedBook) -> None:
    found = verdicts(book, "--full")
    assert not_ok(book, "--full") == {}
    assert found["book's journal"].said.endswith("events is whole")
    assert "every page" in found["book's file"].said


@pytest.mark.parametrize(
    ("running", "verdict"),
    [((3, 10, 9), "FAIL"), ((3, 11, 0), "ok"), ((3, 13, 1), "ok"), ((3, 14, 0), "FAIL")],
)
def test_python(running: tuple[int, ...], verdict: str) -> None:
    assert checks.check_python(running).verdict == verdict


def test_sqlite_without_strict_tables() -> None:
    assert checks.check_sqlite((3, 36, 0)).verdict is Verdict.FAIL
    assert checks.check_sqlite((3, 37, 0)).verdict is Verdict.OK


def test_dependencies_are_compared_to_the_version(book: ReplayedBook) -> None:
    checks.LOCK.write_text("typer==0.0.1 \\\nno-such-package==1.0 \\\n", "utf-8")
    check = verdicts(book)["dependencies"]
    assert check.verdict == "FAIL"
    assert "(want 0.0.1)" in check.said
    assert "no-such-package missing (want 1.0)" in check.said
    assert check.todo == "scripts/environment requirements.lock"


def test_packages_of_another_platform_are_not_wanted(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("no-such-package==1.0 ; sys_platform == 'win32' \\\n    --hash=sha256:00\n", "utf-8")
    assert checks.check_dependencies(lock).verdict is Verdict.OK
    lock.write_text("no-such-package==1.0 ; python_version >= '3.8' \\\n", "utf-8")
    assert checks.check_dependencies(lock).verdict is Verdict.FAIL


def test_the_projects_own_lock_file_is_understood() -> None:
    lock = Path(__file__).parents[2] / "requirements.lock"
    named = {name for name, _ in checks._pins(lock.read_text("utf-8"))}
    assert {"aiosqlite", "typer", "polars", "pydantic-settings"} <= named
    assert "win32-setctime" not in named


def test_no_lock_file_is_said() -> None:
    check = checks.check_dependencies(Path("/nowhere/requirements.lock"))
    assert (check.verdict, check.said.startswith("not compared")) == (Verdict.OK, True)


def test_a_clock_of_1970() -> None:
    assert checks.check_clock(datetime(1970, 1, 1, tzinfo=UTC)).verdict is Verdict.FAIL
    assert checks.check_clock(NOW).verdict is Verdict.OK


@pytest.mark.parametrize(("year", "verdict"), [(1999, "FAIL"), (2025, "ok"), (2040, "warn"), (2041, "FAIL")])
def test_a_calendar_that_ends(year: int, verdict: str) -> None:
    assert checks.check_calendar(load_calendar(), NOW.replace(year=year)).verdict == verdict


def test_a_folder_that_is_not_there_or_takes_no_file(tmp_path: Path) -> None:
    assert checks.check_folder("folder", tmp_path).verdict is Verdict.OK
    assert list(tmp_path.iterdir()) == []
    assert checks.check_folder("folder", tmp_path / "none").verdict is Verdict.FAIL
    assert checks.check_folder("folder", Path("/proc")).verdict is Verdict.FAIL


def test_little_disk_space(tmp_path: Path) -> None:
    assert checks.check_space(tmp_path, 1).verdict is Verdict.OK
    assert checks.check_space(tmp_path, 10**18).verdict is Verdict.WARN
    assert checks.check_space(tmp_path / "none").verdict is Verdict.FAIL


def test_variables_are_named_and_their_values_are_not(book: ReplayedBook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADER_LIMITS__OPEN_POSITIONS", "4711")
    answer = book.trader("doctor")
    assert "TRADER_LIMITS__OPEN_POSITIONS" in answer.out
    assert "4711" not in answer.out


def test_a_misspelt_variable(book: ReplayedBook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADER_LIMITS__OPEN_POSITION", "4")
    check = verdicts(book)["configuration"]
    assert check.verdict == "FAIL"
    assert "did you mean TRADER_LIMITS__OPEN_POSITIONS?" in check.said


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("[limit]\nopen_positions = 3", "limit is not a setting"),
        ('[families]\nfile = "none.toml"', "cannot read the families file"),
        ('[strategy]\nentry = "no_such_module:Strategy"', "cannot import no_such_module"),
        ('[strategy]\nentry = "replayed_book:PRICES"', "has no class PRICES"),
        ("[session]\noverrides = {2025-06-21 = '13:00'}", "only weekdays have a session"),
    ],
)
def test_a_wrong_configuration(book: ReplayedBook, line: str, says: str) -> None:
    text = book.config.read_text("utf-8")
    kept = text.partition("[strategy]")[0] if line.startswith("[strategy]") else text
    book.config.write_text(f"{kept}{line}\n", "utf-8")
    check = verdicts(book)["configuration"]
    assert check.verdict == "FAIL"
    assert says in check.said
    assert book.trader("config", "check").code == 2


@pytest.mark.parametrize("name", ["HALT", "HALT.paper"])
def test_a_halt_file(book: ReplayedBook, name: str) -> None:
    book.db.with_name(name).touch()
    assert not_ok(book) == {"HALT file": "warn"}


def test_the_halt_file_of_another_account_is_none_of_ours(book: ReplayedBook) -> None:
    book.db.with_name("HALT.tiny").touch()
    assert not_ok(book) == {}


def test_a_daemon_that_runs_is_named(book: ReplayedBook) -> None:
    lock = RunLock.take(book.folder / "book.db.paper.lock", Holder(4711, "0.0.9", code_fingerprint(), "yesterday"))
    try:
        check = verdicts(book)["daemon"]
    finally:
        lock.release()
    assert (check.verdict, check.said) == ("ok", "process 4711 runs, version 0.0.9, since yesterday")


def test_a_daemon_of_other_code(book: ReplayedBook) -> None:
    lock = RunLock.take(book.folder / "book.db.paper.lock", Holder(4711, "0.0.9", "0123456789abcdef", "yesterday"))
    try:
        check = verdicts(book)["daemon"]
    finally:
        lock.release()
    assert check.verdict == "warn"
    assert "other code" in check.said


def test_a_book_that_is_not_there_yet_is_no_fault(book: ReplayedBook) -> None:
    book.db.unlink()
    assert not_ok(book) == {}


def test_a_book_of_another_kind(book: ReplayedBook) -> None:
    book.damage("UPDATE book_stamp SET kind = 'replay'")
    check = verdicts(book)["book"]
    assert check.verdict == "FAIL"
    assert "is a replay book" in check.said
    assert "mode simulated" in check.said


def test_a_book_of_another_schema(book: ReplayedBook) -> None:
    with closing(sqlite3.connect(book.db)) as connection:
        connection.execute("PRAGMA user_version = 99")
    assert "schema 99" in verdicts(book)["book"].said


def test_a_book_that_is_no_database(book: ReplayedBook) -> None:
    book.db.write_bytes(b"no database at all, but long enough to be looked at" * 100)
    assert not_ok(book) == {"book": "FAIL"}


def test_a_book_that_others_can_read(book: ReplayedBook) -> None:
    book.db.chmod(0o644)
    assert not_ok(book) == {"book's permissions": "warn"}


def test_a_torn_page(book: ReplayedBook) -> None:
    _overwrite_page_of(book, "book_fills")
    assert not_ok(book) == {"book's file": "FAIL"}


def test_an_index_that_lies_is_found_in_full_only(book: ReplayedBook) -> None:
    """A quick check does not compare an index with its table."""
    with closing(sqlite3.connect(book.db, isolation_level=None)) as connection:
        connection.execute("CREATE INDEX of_mine ON book_signals (symbol)")
        root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'of_mine'").fetchone()[0]
    data = book.db.read_bytes()
    page = data[(root - 1) * 4096 : root * 4096]
    assert b"QQQ" in page
    book.db.write_bytes(data[: (root - 1) * 4096] + page.replace(b"QQQ", b"QQX", 1) + data[root * 4096 :])
    assert not_ok(book) == {}
    assert not_ok(book, "--full") == {"book's file": "FAIL"}


def test_a_row_that_refers_to_nothing(book: ReplayedBook) -> None:
    book.damage("DELETE FROM book_orders WHERE order_ref = 'paper-1-0001'")
    check = verdicts(book, "--full")["book's file"]
    assert check.verdict == "FAIL"
    assert "a row of book_locks refers to nothing in book_orders" in check.said


@pytest.mark.parametrize(
    ("statement", "what", "verdict"),
    [
        ("DROP TRIGGER fills_are_append_only_d", "book's rules", "FAIL"),
        ("DROP INDEX one_live_exit_per_symbol", "book's rules", "FAIL"),
        ("DROP TABLE book_marks", "book's rules", "FAIL"),
        ("DROP VIEW signals", "book's views", "warn"),
    ],
)
def test_a_lost_part_of_the_schema(book: ReplayedBook, statement: str, what: str, verdict: str) -> None:
    with closing(sqlite3.connect(book.db, isolation_level=None)) as connection:
        connection.execute(statement)
    check = verdicts(book)[what]
    assert check.verdict == verdict
    assert f"{statement.split()[-1]} is missing" in check.said


def test_a_rule_that_was_weakened(book: ReplayedBook) -> None:
    with closing(sqlite3.connect(book.db, isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER fills_are_append_only_u")
        connection.execute("CREATE TRIGGER fills_are_append_only_u BEFORE UPDATE ON book_fills BEGIN SELECT 1; END")
    assert "fills_are_append_only_u is changed" in verdicts(book)["book's rules"].said


def test_a_broken_chain_is_found_in_full_only(book: ReplayedBook) -> None:
    book.damage("UPDATE book_events SET at_us = at_us + 1 WHERE seq = 3")
    assert not_ok(book) == {}
    check = verdicts(book, "--full")["book's journal"]
    assert check.verdict == "FAIL"
    assert "event 3" in check.said


def test_the_doctor_on_a_terminal(book: ReplayedBook) -> None:
    book.db.chmod(0o644)
    shown = book.trader("doctor", terminal=True).out
    assert "[warn] book's permissions: 0644, others can read it -> chmod 600" in shown.replace("\n", " ")


def _overwrite_page_of(book: ReplayedBook, table: str) -> None:
    root = int(book.one("SELECT rootpage FROM sqlite_master WHERE name = ?", table))
    with book.db.open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xff" * 4096)


# -- config -------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, with a configuration."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "default.toml").write_text(
        "[limits]\nopen_positions = 3\nposition_pct = 9\n[strategy.params]\ngain = 2.0\n"
        '[session.overrides]\n2025-06-24 = "closed"\n2025-06-25 = 13:00:00\n'
        "[exits.symbols.TQQQ]\nstop_pct = 3.0\n",
        "utf-8",
    )
    return tmp_path


def origins() -> dict[str, tuple[object, str]]:
    """Key -> value and origin, as shown."""
    return {row["key"]: (row["value"], row["origin"]) for row in json.loads(trader("config", "show", "--json").out)}


def test_every_origin_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ".env").write_text("TRADER_LIMITS__OPEN_POSITIONS=4\nTRADER_FEED__SEED=11\n", "utf-8")
    monkeypatch.setenv("TRADER_FEED__SEED", "12")
    monkeypatch.setenv("TRADER_STRATEGY__PARAMS", '{"trend_bars": 30}')
    shown = origins()
    assert shown["limits.gross_pct"] == (100.0, "default")
    assert shown["limits.position_pct"] == (9.0, "file")
    assert shown["limits.open_positions"] == (4, ".env")
    assert shown["feed.seed"] == (12, "env")
    assert shown["strategy.params.gain"] == (2.0, "file")
    assert shown["strategy.params.trend_bars"] == (30, "env")
    assert shown["exits.symbols.TQQQ.stop_pct"] == (3.0, "file")
    assert shown["exits.symbols.TQQQ.take_profit_pct"] == (2.1, "default")
    flagged = json.loads(trader("config", "show", "--db", "mine.db", "--json").out)
    assert {"key": "book.db", "value": "mine.db", "origin": "flag"} in flagged


def test_what_is_shown_is_a_configuration_that_means_the_same(folder: Path) -> None:
    shown = trader("config", "show").out
    assert tomllib.loads(shown)["limits"]["open_positions"] == 3
    (folder / "again.toml").write_text(shown, "utf-8")
    again = trader("config", "show", "--config", "again.toml", "--json")
    assert again.code == 0, again.err
    values = {row["key"]: row["value"] for row in json.loads(again.out)}
    assert values == {key: value for key, (value, _) in origins().items()}


def test_a_secret_is_masked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADER_STRATEGY__PARAMS", '{"api_key": "hunter2"}')
    assert origins()["strategy.params.api_key"] == ("********", "env")
    assert "hunter2" not in trader("config", "show").out


def test_a_right_configuration_is_said(book: ReplayedBook) -> None:
    answer = book.trader("config", "check")
    assert answer.code == 0
    assert answer.facts() == {
        "configuration": str(book.config),
        "mode": "simulated",
        "account": "paper",
        "families": "QQQ",
        "strategy": "replayed_book:Scripted",
        "verdict": "right",
    }


# -- calendar, version, backup ------------------------------------------------------------------------------------


def test_the_calendar_marks_half_days_and_leaves_out_holidays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trader.adapters.clock.SystemClock.now", lambda _: datetime(2025, 7, 2, 15, 0, tzinfo=UTC))
    rows = trader("calendar", "--days", "6").rows()
    assert [row["session"] for row in rows] == ["2025-07-02", "2025-07-03", "2025-07-07"]
    half_day = rows[1]
    assert half_day == {
        "session": "2025-07-03",
        "weekday": "Thursday",
        "opens": "09:30",
        "entries_stop": "12:45",
        "flatten": "12:50",
        "flat_by": "12:55",
        "closes": "13:00",
        "note": "half day",
    }
    assert rows[0]["closes"] == "16:00"
    assert rows[0]["note"] == ""


def test_the_calendar_heeds_the_configuration(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trader.adapters.clock.SystemClock.now", lambda _: NOW)
    rows = trader("calendar", "--days", "3").rows()
    assert [(row["session"], row["closes"]) for row in rows] == [("2025-06-23", "16:00"), ("2025-06-25", "13:00")]


def test_the_version_names_the_code() -> None:
    facts = json.loads(trader("version", "--json").out)
    assert facts["code"] == code_fingerprint()
    assert set(facts) == {"version", "code", "configuration", "schema", "python", "sqlite", "platform"}


def test_a_backup_is_a_sound_copy_where_it_was_asked_for(book: ReplayedBook, tmp_path: Path) -> None:
    answer = book.trader("backup", "--to", str(tmp_path / "elsewhere"))
    [copy] = (tmp_path / "elsewhere").iterdir()
    assert answer.facts()["backup"] == str(copy)
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("PRAGMA quick_check").fetchone() == ("ok",)
        events = connection.execute("SELECT count(*) FROM book_events").fetchone()[0]
    assert str(events) == book.one("SELECT count(*) FROM book_events")


def test_a_backup_goes_to_the_configured_folder(book: ReplayedBook) -> None:
    assert book.trader("backup").code == 0
    assert len(list((book.folder / "backups").iterdir())) == 1


def test_a_backup_of_no_book_is_refused(book: ReplayedBook) -> None:
    book.db.unlink()
    answer = book.trader("backup")
    assert answer.code == 2
    assert "there is no book" in answer.err


def test_a_live_configuration_that_tells_nobody_of_alarms_is_minded(book: ReplayedBook) -> None:
    def alarms(**section: object) -> Check:
        ibkr = {"feed": {"kind": "ibkr"}, "broker": {"kind": "ibkr"}, "ibkr": {"account": "U1234567", "port": 4001}}
        live = load_settings(book.config, mode="live", book={"db": book.db}, alarms=section, **ibkr)
        return next(check for check in examine(lambda: live, SteppedClock(NOW), full=False) if check.what == "alarms")

    assert (alarms().verdict, alarms().said) == (Verdict.WARN, "nobody is told")
    told = alarms(command=["/usr/local/bin/page"])
    assert (told.verdict, told.said) == (Verdict.OK, "are told by command; `trader alerts test` tries it")


def test_the_doctor_asks_interactive_brokers_too(tmp_path: Path) -> None:
    """In a process of its own, where nothing was loaded before; it has tried the strategy by then."""
    variables = {
        "TRADER_IBKR__ACCOUNT": "DU1000001",
        "TRADER_IBKR__PORT": "1",
        "TRADER_IBKR__PORT_IS": "paper",
        "TRADER_BOOK__DB": str(tmp_path / "book.db"),
        "TRADER_BOOK__BACKUPS": str(tmp_path / "backups"),
        "TRADER_LOG__FILE": str(tmp_path / "trader.log"),
    }
    command = (sys.executable, "-m", "trader", "doctor", "--json", "--config", "config/ibkr-paper.toml")
    asked = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False)
    last = json.loads(asked.stdout)[-1]
    assert (last["what"], last["verdict"]) == ("interactive brokers", Verdict.FAIL)
    assert "127.0.0.1:1, client id 1017: nobody listens there" in last["said"]
