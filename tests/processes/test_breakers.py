"""A breaker of a real daemon: it trips, outlives a kill, and only a person clears it."""

import json

from processes.daemon import Finished, Project, wait_for

_NO_DISK_IS_LARGE_ENOUGH = {"TRADER_BREAKERS__DISK_SPACE__LIMIT": "1000000000"}


def _trader(project: Project, *words: str) -> Finished:
    return project.start("-m", "trader", *words, script=project.python).finished()


def _tripped(project: Project) -> list[tuple[object, ...]]:
    return project.rows("SELECT breaker FROM latches WHERE state = 'tripped'")


def test_a_tripped_breaker_outlives_a_kill_and_is_cleared_by_a_person(project: Project) -> None:
    first = project.start("--speed", "600", variables=_NO_DISK_IS_LARGE_ENOUGH)
    first.until_log("BREAKER TRIPPED disk_space")
    first.killed()
    assert _tripped(project) == [("disk_space",)]

    second = project.start("--speed", "600")
    second.until_log("READY")
    told = _trader(project, "breakers", "--tripped", "--json")
    assert told.code == 4, told
    [row] = json.loads(told.out)["breakers"]
    assert (row["breaker"], row["state"], row["action"]) == ("disk_space", "tripped", "stop_entries")
    assert "MB free on the disk" in row["formula"]
    status = _trader(project, "status", "--json")
    assert json.loads(status.out)["state"] == "TRIPPED"

    refused = _trader(project, "resume", "--reason", "try")
    assert refused.code == 5
    assert "trader resume --breaker disk_space" in refused.out + refused.err
    assert _trader(project, "resume", "--breaker", "disk_spaces", "--reason", "try").code == 2
    cleared = _trader(project, "resume", "--breaker", "disk_space", "--reason", "another disk")
    assert cleared.code == 0, cleared
    wait_for(lambda: _tripped(project) == [], "the latch is cleared")
    assert project.rows("SELECT cleared_reason FROM latches") == [("another disk",)]
    assert _trader(project, "breakers").code == 0
