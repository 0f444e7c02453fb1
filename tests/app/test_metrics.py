"""A scrape is what book and daemon say; what is not known is left out; nobody scrapes without a token."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from replayed_book import PretendedDaemon, ReplayedBook, a_replayed_book
from served_dashboard import Served, served

from trader.services.latencies import BOUNDS_S

_CONFIG = Path(__file__).resolve().parents[2] / "config"
_OURS = re.compile(r"\btrader_\w+")
_OF_HISTOGRAMS = re.compile(r"_(bucket|sum|count)$")

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> ReplayedBook:
    """The day up to 12:20: TQQQ is held."""
    return a_replayed_book(tmp_path_factory.mktemp("noon"), until="12:20")


@pytest.fixture(scope="module")
def dashboard(book: ReplayedBook) -> Iterator[Served]:
    """No daemon runs."""
    with served(book) as running:
        yield running


def samples_of(text: str) -> Samples:
    """Every sample, by name and labels without the account; each has to name that."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = dict(sample.labels)
            assert labels.pop("account") == "paper", sample
            found[sample.name, tuple(sorted(labels.items()))] = sample.value
    return found


def scraped(dashboard: Served) -> Samples:
    """By the reader's token, which is enough."""
    answer = dashboard.get("/metrics", dashboard.reader)
    assert answer.status == 200, answer
    return samples_of(answer.body)


def exported(text: str) -> set[str]:
    """Names of every metric of a scrape, also of those without a sample."""
    return set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))


def alert_expressions() -> list[str]:
    """Of the alert rules that are shipped."""
    rules = (_CONFIG / "prometheus" / "alerts.yml").read_text("utf-8")
    return re.findall(r"^\s+expr: (.+)$", rules, re.MULTILINE)


def dashboard_expressions() -> list[str]:
    """Of the Grafana dashboard that is shipped."""

    def within(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            yield from (text for key, text in value.items() if key in ("expr", "definition"))
            for part in value.values():
                yield from within(part)
        elif isinstance(value, list):
            for part in value:
                yield from within(part)

    return list(within(json.loads((_CONFIG / "grafana" / "trader.json").read_text("utf-8"))))


@pytest.mark.parametrize("expressions", [alert_expressions(), dashboard_expressions()], ids=["alerts", "grafana"])
def test_every_name_in_the_shipped_files_is_scraped(dashboard: Served, expressions: list[str]) -> None:
    names = {_OF_HISTOGRAMS.sub("", name) for expression in expressions for name in _OURS.findall(expression)}
    assert len(names) > 15
    assert names <= exported(dashboard.get("/metrics").body)


def test_the_numbers_are_those_of_the_book(book: ReplayedBook, dashboard: Served) -> None:
    found = scraped(dashboard)
    assert found["trader_cash_dollars", ()] == float(book.one("SELECT cash FROM account"))
    assert found["trader_equity_dollars", ()] == float(book.one("SELECT equity FROM account"))
    assert found["trader_positions", ()] == 1
    refused = found["trader_refusals_today", (("rule", "symbol_locked"), ("stage", "conflict"))]
    assert refused == int(book.one("SELECT sum(count) FROM signals WHERE rule = 'symbol_locked'"))
    assert found["trader_signals_today", ()] == int(book.one("SELECT sum(count) FROM signals"))
    assert found["trader_fills_today", ()] == 3
    assert found["trader_cutoff_seconds", (("cutoff", "entries_stop"),)] > 0


def test_without_a_daemon_it_is_down_and_what_only_it_knows_is_left_out(dashboard: Served) -> None:
    found = scraped(dashboard)
    assert found["trader_up", ()] == 0
    assert found["trader_state", (("state", "STOPPED"),)] == 1
    names = {name for name, _ in found}
    assert names.isdisjoint(
        {"trader_scan_age_seconds", "trader_commits_total", "trader_commit_seconds_bucket", "trader_audit_rules"}
    )


def test_nobody_scrapes_without_a_token(dashboard: Served) -> None:
    assert dashboard.ask("GET", "/metrics").status == 401
    assert dashboard.ask("GET", "/metrics", {"Authorization": "Bearer wrong"}).status == 401
    other = {"Host": "evil.example", "Authorization": f"Bearer {dashboard.reader}"}
    assert dashboard.ask("GET", "/metrics", other).status == 421


def test_no_token_is_in_a_scrape(dashboard: Served) -> None:
    text = dashboard.get("/metrics").body
    assert dashboard.reader not in text
    assert dashboard.operator not in text


def test_a_book_that_cannot_be_read_is_a_sample(book: ReplayedBook, tmp_path: Path) -> None:
    other = book.copy_to(tmp_path / "other")
    with served(other) as running:
        other.db.write_bytes(b"\xff" * 100_000)
        found = scraped(running)
    assert found["trader_book_readable", ()] == 0
    assert "trader_equity_dollars" not in {name for name, _ in found}


_COUNTS = [0, 3, *[0] * (len(BOUNDS_S) - 2), 1]
_TELLS: dict[str, object] = {
    "version": "9",
    "signals": 7,
    "commits": 5,
    "work": {"scan_s": 0.2, "commit_s": 1, "commit_missing": False, "loop_lag_s": 0.004, "commit_took_s": 0.001},
    "audit": {"rules": {"holds": 61, "violated": 2, "could not check": 0, "warning": 1}, "age_s": 12.5},
    "barriers": [{"kind": "gate", "name": "unreconciled", "why": "not asked"}],
    "latencies": {"commit": {"counts": _COUNTS, "sum_s": 12.5}, "loop_lag": {"counts": [1], "sum_s": 0}},
}


def test_what_the_daemon_measures_is_a_histogram(book: ReplayedBook, tmp_path: Path) -> None:
    own = book.copy_to(tmp_path / "own")
    with PretendedDaemon(own, _TELLS), served(own) as running:
        found = scraped(running)
    assert found["trader_commit_seconds_bucket", (("le", "0.0001"),)] == 0
    assert found["trader_commit_seconds_bucket", (("le", "0.00025"),)] == 3
    assert found["trader_commit_seconds_bucket", (("le", "10.0"),)] == 3
    assert found["trader_commit_seconds_bucket", (("le", "+Inf"),)] == 4
    assert found["trader_commit_seconds_sum", ()] == 12.5
    assert found["trader_up", ()] == 1
    assert found["trader_commits_total", ()] == 5
    assert found["trader_entries_barred", (("kind", "gate"), ("name", "unreconciled"))] == 1
    rules = {dict(labels)["verdict"]: count for (name, labels), count in found.items() if name == "trader_audit_rules"}
    assert rules == {"holds": 61, "violated": 2, "could_not_check": 0, "warning": 1}
    assert found["trader_audit_age_seconds", ()] == 12.5
    assert "trader_loop_lag_seconds_bucket" not in {name for name, _ in found}, "it told other classes than ours"


def test_however_many_scrape_the_daemon_is_asked_once_a_second(book: ReplayedBook, tmp_path: Path) -> None:
    own = book.copy_to(tmp_path / "own")
    with PretendedDaemon(own, _TELLS) as daemon, served(own) as running, ThreadPoolExecutor(20) as many:
        answers = list(many.map(lambda _: running.get("/metrics").status, range(100)))
        assert set(answers) == {200}
        assert len(daemon.asked) < 20
