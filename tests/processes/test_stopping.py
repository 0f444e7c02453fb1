"""A signal stops in order, a kill is recovered from, and the book is whole after either."""

import os
import signal

import pytest

from processes.daemon import Project

_HELD = "SELECT symbol, quantity, stop_loss, take_profit FROM positions WHERE quantity > 0"


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_in_order(project: Project, by: signal.Signals) -> None:
    daemon = project.start("--speed", "3000")
    daemon.until(lambda: project.fills() >= 10, "ten executions")

    code = daemon.ended(by)

    left = {path.name for path in project.folder.iterdir() if path.suffix in (".sock", ".db-wal", ".db-shm")}
    assert code == 0, daemon.err
    assert daemon.err == ""
    assert left == set()
    assert f"STOP asked by {by.name}" in daemon.log
    assert "STOPPED positions that stay as they are:" in daemon.log.splitlines()[-1]
    assert project.rows("SELECT type FROM events ORDER BY seq DESC LIMIT 1") == [("run_stopped",)]
    project.check_book()


def test_a_second_signal_while_it_stops_changes_nothing(project: Project) -> None:
    daemon = project.start("--speed", "3000")
    daemon.until(lambda: project.fills() >= 5, "five executions")

    os.kill(daemon.pid, signal.SIGTERM)
    code = daemon.ended(signal.SIGINT)

    assert code == 0, daemon.err
    assert daemon.err == ""
    assert daemon.log.count("STOPPED") == 1
    project.check_book()


def test_positions_stay_and_the_next_start_goes_on_with_them(project: Project) -> None:
    first = project.start("--speed", "3000")
    first.until(lambda: project.fills() > 0 and project.rows(_HELD) != [], "a position")
    assert first.ended(signal.SIGTERM) == 0
    held = project.rows(_HELD)
    fills = project.fills()

    second = project.start("--speed", "0.001")  # one bar may be due; after it the market stands still
    second.until_log("READY")

    assert f" positions={len(held)} " in second.own_log()
    assert second.ended(signal.SIGTERM) == 0
    moved = {symbol for (symbol,) in project.rows("SELECT symbol FROM trades WHERE id > ?", fills)}
    stays = [row for row in held if row[0] not in moved]
    assert [row for row in project.rows(_HELD) if row[0] not in moved] == stays
    project.check_book()


@pytest.mark.parametrize("fills", [1, 7, 25])
def test_after_a_kill_the_next_start_recovers_and_goes_on(project: Project, fills: int) -> None:
    first = project.start("--speed", "3000")
    first.until(lambda: project.fills() >= fills, f"{fills} executions")
    first.killed()
    before = project.rows("SELECT execution_id FROM trades ORDER BY id")

    second = project.start("--speed", "3000")
    second.until(lambda: project.fills() > len(before) + 5, "more executions")

    assert second.ended(signal.SIGTERM) == 0
    assert "Traceback" not in second.log + second.err
    assert "DRIFT" not in second.log
    assert project.rows("SELECT execution_id FROM trades ORDER BY id")[: len(before)] == before
    project.check_book()
