"""The dashboard's API, asked by its own description: few cases here, ten thousand by `scripts/fuzz_dashboard`."""

from pathlib import Path

import pytest
from dashboard_fuzzing import Identity, Running, fuzz, running_in

_CASES, _SEED = 60, 1


def test_no_fault_of_the_server_and_no_command_without_a_token(tmp_path: Path) -> None:
    with running_in(tmp_path) as running:
        told = fuzz(running, _CASES, _SEED)
    assert told.findings == ()
    assert told.cases == _CASES
    assert {status for (who, status) in told.answers if who in ("nobody", "a forger", "another site")} == {401}
    assert {("the reader", 403), ("the operator", 200)} <= told.answers.keys()


def test_a_command_from_who_may_not_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_in(tmp_path) as running:
        thief = Identity("a thief", {"Authorization": f"Bearer {running.operator}"})
        monkeypatch.setattr(Running, "strangers", (thief,))
        told = fuzz(running, 20, _SEED)
    assert any("a thief: was shown something" in finding for finding in told.findings)
    assert any("commands were taken from who may change nothing" in finding for finding in told.findings)
