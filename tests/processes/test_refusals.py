"""What cannot be started is refused before anything is made: an exit code, and one line that says what to do."""

from pathlib import Path

import pytest

from processes.daemon import Project

_MADE = ("trading_data.db", "trading_data.db.paper.lock")


def _nothing_was_made(project: Project) -> None:
    assert [name for name in _MADE if (project.folder / name).exists()] == []


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--speeed", "3000"], ["--speeed"]),
        (["--speed", "fast"], ["--speed", "number"]),
        (["--speed", "-1"], ["feed.speed"]),
        (["run"], ["run"]),
        (["--config", "config/missing.toml"], ["config/missing.toml"]),
        (["--strategy", "no.such.module:Strategy"], ["no.such.module"]),
        (["--strategy", "trader.pipeline.strategies.momentum:Momentun"], ["no class Momentun"]),
        (["--strategy", "json:JSONEncoder"], ["no method on_bar(bar)"]),
        (["--strategy", "momentum"], ["strategy.entry"]),
        (["--param", "fast=3", "--param", "wrong"], ["wrong", "name=value"]),
        (["--param", "no_such_parameter=3"], ["no_such_parameter"]),
        (["--db", "no/such/folder/book.db"], ["no/such/folder"]),
        (["--db", "config"], ["config"]),
        (["--log", "no/such/folder/log"], ["no/such/folder"]),
        (["--log", "config"], ["config"]),
    ],
    ids=" ".join,
)
def test_a_wrong_flag_is_refused(project: Project, flags: list[str], said: list[str]) -> None:
    finished = project.run(*flags)

    finished.refused(2, *said)
    _nothing_was_made(project)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[limits]\nopen_position = 6", ["limits.open_position", "did you mean limits.open_positions?"]),
        ("[limit]\nopen_positions = 6", ["limit"]),
        ('[account]\nname = "Paper Account"', ["account.name"]),
        ("[limits]\nopen_positions = 6.5", ["limits.open_positions"]),
        ("[thresholds]\nenter_1x = 0.5\nleave_1x = 0.6", ["bad.toml"]),
        ("[limits\nopen_positions = 6", ["bad.toml", "line 1"]),
        ('[families]\nfile = "missing.toml"', ["missing.toml"]),
        ('[log]\nrotation = "sometimes"', ["log.rotation"]),
        ('[log]\nretention = "a while"', ["log.retention"]),
        ('mode = "simulatd"', ["mode"]),
    ],
)
def test_a_wrong_configuration_is_refused(project: Project, line: str, said: list[str]) -> None:
    (project.folder / "config" / "bad.toml").write_text(line, "utf-8")

    finished = project.run("--config", "config/bad.toml")

    finished.refused(2, *said)
    _nothing_was_made(project)


def test_a_configuration_that_is_not_text_is_refused(project: Project) -> None:
    (project.folder / "config" / "bad.toml").write_bytes(b"mode = \xff\xfe\n")

    project.run("--config", "config/bad.toml").refused(2, "bad.toml")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TRADER_LIMITS__OPEN_POSITION", "4", "did you mean TRADER_LIMITS__OPEN_POSITIONS?"),
        ("TRADER_LIMITS_OPEN_POSITIONS", "4", "did you mean TRADER_LIMITS__OPEN_POSITIONS?"),
        ("TRADER_LIMITS__OPEN_POSITIONS", "four", "limits.open_positions"),
        ("TRADER_BOOK", "elsewhere.db", "TRADER_BOOK: a whole section"),
    ],
)
def test_a_wrong_variable_is_refused(project: Project, name: str, value: str, said: str) -> None:
    project.run(variables={name: value}).refused(2, said)
    _nothing_was_made(project)


def test_a_wrong_line_of_the_dot_env_file_is_refused(project: Project) -> None:
    (project.folder / ".env").write_text("TRADER_LIMITS__OPEN_POSITION=4\n", "utf-8")

    project.run().refused(2, ".env line 1: TRADER_LIMITS__OPEN_POSITION is not a setting")
    _nothing_was_made(project)


def test_a_strategy_that_cannot_be_imported_is_refused_with_its_own_error(project: Project) -> None:
    (project.folder / "mine.py").write_text("import no_such_library\n\nclass Mine: ...\n", "utf-8")

    project.run("--strategy", "mine:Mine").refused(2, "mine:Mine", "no_such_library")
    _nothing_was_made(project)


def test_a_path_is_named_as_it_was_looked_up(project: Project, tmp_path: Path) -> None:
    """Paths are seen from the script's folder; somebody who calls it from another one has to see that."""
    (tmp_path / "mine.toml").write_text("", "utf-8")

    finished = project.start("--config", "mine.toml", cwd=tmp_path).finished()

    finished.refused(2, str(project.folder / "mine.toml"))


@pytest.mark.parametrize("db", ["no/such/folder/book.db", "config/default.toml/book.db", "config"])
def test_the_daemon_itself_refuses_a_book_that_cannot_be_there(project: Project, db: str) -> None:
    project.run_unexamined("--db", db).refused(2, db)
