"""The log file: one line a sentence, whatever it quotes, and a file again when somebody removes it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import NOON
from loguru import logger

from trader.adapters.clock import SteppedClock
from trader.adapters.logs import LoguruLog, close_log, open_log

LINE = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d (\w+) +\[(\S+)\] (.*) account=paper$")


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "trader.log"
    open_log(path, "paper", "INFO", "50 MB", "1 day", on_terminal=False)
    yield path
    close_log()


def written(path: Path) -> list[tuple[str, ...]]:
    """Level, market time and sentence of each line."""
    close_log()
    found = [LINE.match(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert all(found)
    return [match.groups() for match in found if match]


def test_each_sentence_of_a_record_is_a_line_with_its_own_head(path: Path) -> None:
    LoguruLog(SteppedClock(NOON)).warning("first", "second")
    market = NOON.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert written(path) == [("WARNING", market, "first"), ("WARNING", market, "second")]


def test_a_sentence_cannot_forge_a_line(path: Path) -> None:
    LoguruLog(SteppedClock(NOON)).info(
        "reason=x\n2026-01-01T00:00:00.000+00:00 INFO [-] FILL", "{braces} {0} <red>", "\r\x1b[2K\x7f\t\0"
    )
    assert [sentence for _, _, sentence in written(path)] == [
        "reason=x\\x0a2026-01-01T00:00:00.000+00:00 INFO [-] FILL",
        "{braces} {0} <red>",
        "\\x0d\\x1b[2K\\x7f\\x09\\x00",
    ]


def test_what_names_its_account_is_left_as_it_is(path: Path) -> None:
    LoguruLog(SteppedClock(NOON)).info("Created position QQQ account=paper", "Managing positions for account: paper")
    close_log()
    assert [line.partition("] ")[2] for line in path.read_text("utf-8").splitlines()] == [
        "Created position QQQ account=paper",
        "Managing positions for account: paper",
    ]


def test_a_sentence_neither_steers_a_terminal_nor_turns_or_breaks_its_line(path: Path) -> None:
    LoguruLog(SteppedClock(NOON)).info("a\x9b31m\x85b\u2028c\u202ed\u2066\u200fe", "é €")
    assert [sentence for _, _, sentence in written(path)] == [
        "a\\x9b31m\\x85b\\u2028c\\u202ed\\u2066\\u200fe",
        "é €",
    ]


def test_what_somebody_has_said_at_length_does_not_fill_the_disk(path: Path) -> None:
    LoguruLog(SteppedClock(NOON)).error("A" * 1_000_000)
    [(_, _, sentence)] = written(path)
    assert sentence == "A" * 4_000


def test_what_a_library_says_is_a_line_too(path: Path) -> None:
    logger.warning("from afar")
    assert written(path) == [("WARNING", "-", "from afar")]


def test_the_log_is_its_owners_alone(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600


def test_each_level_has_its_own_word(path: Path) -> None:
    log = LoguruLog(SteppedClock(NOON))
    log.info("one")
    log.warning("two")
    log.error("three")
    assert [(level, said) for level, _, said in written(path)] == [
        ("INFO", "one"),
        ("WARNING", "two"),
        ("ERROR", "three"),
    ]


def test_what_is_below_the_level_is_not_written_and_a_full_file_is_followed_by_another(tmp_path: Path) -> None:
    path = tmp_path / "small.log"
    open_log(path, "paper", "WARNING", "1 KB", "1 day", on_terminal=False)
    log = LoguruLog(SteppedClock(NOON))
    for _ in range(20):
        log.warning("x" * 100)
        log.info("not this")
    close_log()
    files = sorted(tmp_path.glob("small*.log"))
    assert len(files) > 1
    assert sum(len(file.read_text().splitlines()) for file in files) == 20


def test_a_log_that_was_removed_is_made_again(path: Path) -> None:
    log = LoguruLog(SteppedClock(NOON))
    log.info("before")
    close_log()
    open_log(path, "paper", "INFO", "50 MB", "1 day", on_terminal=False)
    path.unlink()
    log.info("after")
    assert [sentence for _, _, sentence in written(path)] == ["after"]
