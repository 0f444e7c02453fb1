"""A trading daemon is scraped: the numbers are its own, and whoever scrapes badly never touches it."""

import re
import socket
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from processes.daemon import Daemon, Project, wait_for

_HUNG = 200
_BROKERS_OWN = ("broker_", "bars_age")
"""Told of Interactive Brokers' connection alone."""
_AFTER_A_MINUTE = {"trader_audit_rules", "trader_audit_age_seconds"}
"""The first look at everything is taken then."""


@pytest.fixture
def port() -> int:
    """One that nobody listens on at the moment."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def daemon(project: Project, port: int) -> Daemon:
    """It trades, with its dashboard."""
    dashboard = {"TRADER_DASHBOARD__ENABLED": "true", "TRADER_DASHBOARD__PORT": str(port)}
    started = project.start("--speed", "60", variables=dashboard)
    started.until(lambda: "Created position" in started.own_log(), "a position", seconds=120)
    started.until(lambda: is_served(port), "the dashboard")
    return started


def is_served(port: int) -> bool:
    """Whether somebody listens."""
    with closing(socket.socket()) as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


def scrape(project: Project, port: int) -> str:
    """With the reader's token, as a Prometheus does."""
    [token] = Path(project.folder).glob("*.reader.token")
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    with closing(connection):
        connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {token.read_text('utf-8').strip()}"})
        answer = connection.getresponse()
        assert answer.status == 200
        return answer.read().decode()


def value_of(text: str, name: str) -> float:
    """The one sample of a name."""
    found = re.search(rf'^{name}{{account="paper"}} (\S+)$', text, re.MULTILINE)
    assert found is not None, name
    return float(found[1])


def sampled(text: str) -> set[str]:
    """Names that have a sample."""
    return set(re.findall(r"^(trader_\w+)\{", text, re.MULTILINE))


def test_a_trading_daemon_tells_everything_but_a_connection(project: Project, daemon: Daemon, port: int) -> None:
    text = scrape(project, port)
    without = {
        name
        for name in re.findall(r"^# TYPE (trader_\w+) (?!histogram)", text, re.MULTILINE)
        if name not in sampled(text) and not name.removeprefix("trader_").startswith(_BROKERS_OWN)
    }
    assert without - _AFTER_A_MINUTE <= {"trader_entries_barred", "trader_refusals_today"}
    assert value_of(text, "trader_up") == 1
    assert value_of(text, "trader_exit_coverage_ratio") == 1
    assert value_of(text, "trader_signal_to_order_seconds_count") >= 1
    assert value_of(text, "trader_fill_to_durable_seconds_count") >= 1
    assert value_of(text, "trader_commit_seconds_count") <= value_of(text, "trader_commits_total") + 1
    assert daemon.runs


def test_who_hangs_and_who_floods_never_touches_trading(project: Project, daemon: Daemon, port: int) -> None:
    """Half a request on each of many connections, others that never read; the daemon's own loop stays on time."""
    with ExitStack() as held:
        for number in range(_HUNG):
            connection = held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n" + (b"\r\n" * (number % 2)))
        text = scrape(project, port)
        before = value_of(text, "trader_commits_total")
        wait_for(lambda: value_of(scrape(project, port), "trader_commits_total") > before, "it goes on")
        assert value_of(scrape(project, port), "trader_loop_lag_longest_seconds") < 1
    assert daemon.runs


def test_a_taken_port_is_said_and_trading_goes_on(project: Project, port: int) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        dashboard = {"TRADER_DASHBOARD__ENABLED": "true", "TRADER_DASHBOARD__PORT": str(port)}
        started = project.start("--speed", "600", variables=dashboard)
        started.until(lambda: "NO DASHBOARD and no metrics" in started.own_log(), "that it is taken", seconds=60)
        started.until(lambda: "Created position" in started.own_log(), "a position", seconds=120)
        assert started.runs
