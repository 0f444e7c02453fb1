"""The daemon is killed wherever it writes or sends, some hundred times; and the rig that does it is no blind one."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Protocol, get_type_hints

import pytest
from crash_rig.points import (
    MOMENTS,
    NEITHER_WRITES_NOR_SENDS,
    NOTHING_JOURNALED,
    OUT_OF_REACH,
    PORTS,
    READS,
    SPLIT,
    When,
    all_points,
    steps,
)

from crashes.planted import BUGS
from trader.domain.decision import Purpose
from trader.domain.events import JournalType
from trader.services import ports

_ROOT = Path(__file__).resolve().parents[2]
_LONGEST_S = 900


def rig(*command: str) -> "subprocess.CompletedProcess[str]":
    """Run in a process of its own: it forks, and a test runner has threads."""
    paths = [str(_ROOT / "scripts"), str(_ROOT / "tests"), str(_ROOT)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, text=True, timeout=_LONGEST_S, check=False
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_no_death_breaks_the_book_or_sends_an_order_twice(seed: int) -> None:
    ran = rig(str(_ROOT / "scripts" / "crash_rig"), "--crashes", "100", "--seed", str(seed), "--jobs", "1")
    assert ran.returncode == 0, ran.stdout + ran.stderr[-3000:]
    assert "     0 violations" in ran.stdout


def test_no_death_before_the_gateway_leaves_another_truth_than_the_gateways() -> None:
    ran = rig(str(_ROOT / "scripts" / "crash_rig"), "--broker", "gateway", "--crashes", "10", "--seed", "1")
    assert ran.returncode == 0, ran.stdout + ran.stderr[-3000:]
    assert "    10 crashes before the gateway" in ran.stdout
    assert "     0 violations" in ran.stdout


@pytest.mark.parametrize("bug", sorted(BUGS))
def test_the_rig_sees_a_planted_bug(bug: str) -> None:
    ran = rig("-m", "crashes.planted", bug, "400")
    assert ran.returncode == 0, ran.stdout + ran.stderr[-3000:]


def test_every_port_is_one_with_failpoints_or_named_as_one_without() -> None:
    found = {value for value in vars(ports).values() if isinstance(value, type) and Protocol in value.__bases__}
    known = {port.protocol for port in PORTS if port.protocol.__module__ == ports.__name__}
    assert found == known | NEITHER_WRITES_NOR_SENDS
    assert not known & NEITHER_WRITES_NOR_SENDS


def test_every_method_of_a_port_is_a_failpoint_or_named_as_a_read() -> None:
    methods = {f"{port.name}.{method}" for port in PORTS for method in port.methods()}
    assert methods >= READS, "a read is named that there is not"
    failing = {".".join(point.split(".")[:2]) for point in all_points()}
    assert methods - READS <= failing
    assert {f"{port.name}.{name}" for port in PORTS for name in _declared(port.protocol)} <= methods


def test_a_commit_has_a_failpoint_for_each_type_of_event_and_an_order_for_each_purpose() -> None:
    assert set(SPLIT["store.commit"]) == {*JournalType, NOTHING_JOURNALED}
    assert set(SPLIT["broker.place"]) == set(SPLIT["spill.append"]) == set(Purpose)
    assert set(OUT_OF_REACH) <= set(steps())
    assert len(all_points()) == len(When) * (len(list(steps())) - len(OUT_OF_REACH)) + len(MOMENTS)


def _declared(protocol: type) -> list[str]:
    return [name for name in vars(protocol) if not name.startswith("_") and name not in get_type_hints(protocol)]
