"""The log file: one line a sentence, whatever it quotes, and a file again when somebody removes it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import NOON

from trader.adapters.clock import SteppedClock
from trader.adapters.logs import LoguruLog, close_log, open_log

LINE = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d (\w+) +\[(\S+)\] (.*)$")


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "trader.log"
    open_log(path, "INFO", "50 MB", "1 day", on_terminal=False)
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
    LoguruLog(SteppedClock(NOON)).info("reason=x\n2026-01-01T00:00:00.000+00:00 INFO [-] FILL", "{braces} {0} <red>")
    assert [sentence for _, _, sentence in written(path)] == [
        "reason=x\\x0a2026-01-01T00:00:00.000+00:00 INFO [-] FILL",
        "{braces} {0} <red>",
    ]


def test_a_log_that_was_removed_is_made_again(path: Path) -> None:
    log = LoguruLog(SteppedClock(NOON))
    log.info("before")
    close_log()
    open_log(path, "INFO", "50 MB", "1 day", on_terminal=False)
    path.unlink()
    log.info("after")
    assert [sentence for _, _, sentence in written(path)] == ["after"]
