"""The form that clears a breaker, over a real socket and with a real daemon behind it."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping

import pytest
from replayed_book import ReplayedBook
from served_dashboard import Said, Served, served

from trader.app.cli.asking import operator_name

_CONFIG = """
[dashboard]
enabled = false
[breakers]
disk_space = { limit = 1_000_000_000.0 }
"""
"""No disk is as large: the breaker has tripped soon, and trips again."""
FAMILIES = "[QQQ]\nQQQ = 1\nTQQQ = 3\nPSQ = -1\nSQQQ = -3\n"
_PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplayedBook]:
    """Of a daemon that runs, with one breaker tripped."""
    folder = tmp_path_factory.mktemp("tripped")
    book = ReplayedBook(folder)
    book.config.write_text(_CONFIG, "utf-8")
    (folder / "families.toml").write_text(FAMILIES, "utf-8")
    command = [sys.executable, "-m", "trader", "run", "--config", str(book.config), "--db", str(book.db)]
    with (folder / "out.txt").open("w", encoding="utf-8") as out:
        daemon = subprocess.Popen(command, cwd=folder, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + _PATIENCE_S
        log = folder / "robo_trader.log"
        while not (log.exists() and "BREAKER TRIPPED disk_space" in log.read_text("utf-8")):
            assert daemon.poll() is None, (folder / "out.txt").read_text("utf-8")
            assert time.monotonic() < deadline, "nothing has tripped"
            time.sleep(0.05)
        yield book
    finally:
        daemon.terminate()
        daemon.wait(30)


@pytest.fixture(scope="module")
def dashboard(book: ReplayedBook) -> Iterator[Served]:
    """Of that book."""
    with served(book) as running:
        yield running


def clears(dashboard: Served, headers: Mapping[str, str], breaker: str, target: str = "") -> Said:
    """What the form sends."""
    typed = {"breaker": breaker, "target": target, "reason": "another disk"}
    return dashboard.ask("POST", "/api/v1/resume", headers, json.dumps(typed))


def cleared(book: ReplayedBook) -> list[tuple[object, ...]]:
    """Which were, by whom, and why."""
    return book.sql("SELECT breaker, cleared_by, cleared_reason FROM latches WHERE state = 'cleared' ORDER BY id")


def form_of(page: str) -> str:
    found = re.search(r'<form data-command="resume" class="breaker">.*?</form>', page, re.DOTALL)
    return found[0] if found else ""


def test_only_an_operator_has_the_form_and_it_knows_every_breaker(dashboard: Served) -> None:
    form = form_of(dashboard.get("/").body)
    assert all(f'name="{name}"' in form for name in ("breaker", "target", "reason"))
    assert '<option value="disk_space">' in form
    reader = dashboard.get("/", dashboard.reader).body
    assert "disk space" in reader, "it may look"
    assert form_of(reader) == ""


def test_a_reader_clears_nothing(book: ReplayedBook, dashboard: Served) -> None:
    before = cleared(book)
    assert clears(dashboard, dashboard.enter(dashboard.reader), "disk_space").status == 403
    assert clears(dashboard, {"Authorization": f"Bearer {dashboard.reader}"}, "disk_space").status == 403
    assert cleared(book) == before


@pytest.mark.parametrize("form_key", ["", "0" * 64])
def test_a_form_that_is_not_ours_clears_nothing(book: ReplayedBook, dashboard: Served, form_key: str) -> None:
    before = cleared(book)
    headers = {**dashboard.enter(dashboard.operator), "X-Trader-Form": form_key}
    assert clears(dashboard, headers, "disk_space").status == 403
    assert cleared(book) == before


@pytest.mark.parametrize(
    ("breaker", "target", "status", "said"),
    [
        ("disk_spaces", "", 400, "breaker has to be one of audit, "),
        ("day_loss", "", 409, "day_loss has not tripped (tripped: disk_space)"),
        ("disk_space", "QQQ", 400, "name a family or a symbol"),
        ("price_jump", "QQQ", 409, "price_jump:QQQ has not tripped"),
    ],
)
def test_what_has_not_tripped_is_refused(
    book: ReplayedBook, dashboard: Served, breaker: str, target: str, status: int, said: str
) -> None:
    before = cleared(book)
    answer = clears(dashboard, dashboard.enter(dashboard.operator), breaker, target)
    assert answer.status == status, answer
    assert said in answer.json()["error"]
    assert cleared(book) == before


def test_an_operator_clears_it_and_the_journal_says_who_has(book: ReplayedBook, dashboard: Served) -> None:
    before = cleared(book)
    answer = clears(dashboard, dashboard.enter(dashboard.operator), "disk_space")
    assert answer.status == 200, answer
    assert answer.json()["message"].startswith("cleared: disk_space, which had tripped at ")
    assert cleared(book) == [*before, ("disk_space", operator_name(), "another disk")]
    newest = "SELECT data FROM events WHERE type = ? ORDER BY seq DESC LIMIT 1"
    [[told]], [[asked]] = book.sql(newest, "breaker_cleared"), book.sql(newest, "command")
    told, asked = json.loads(str(told)), json.loads(str(asked))
    assert (told["breaker"], told["cleared_by"], told["reason"]) == ("disk_space", operator_name(), "another disk")
    assert (asked["name"], asked["operator"]) == ("resume", operator_name())
