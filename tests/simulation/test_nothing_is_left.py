"""Whoever kills the simulation finds nothing of it running, and the next start finds nothing of it in memory."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil  # type: ignore[import-untyped]
from simulation.scratch import scratch

_SIMULATION = Path(__file__).resolve().parents[2] / "scripts" / "simulation"
_LONGEST_S = 60


def until(is_so: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + _LONGEST_S
    while not is_so():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def test_who_is_killed_takes_its_children_along_and_leaves_a_folder_that_the_next_start_clears(tmp_path: Path) -> None:
    with scratch() as living:
        asked = ["--days", "50", "--days-per-run", "25", "--jobs", "2", "--ledger", str(tmp_path / "ledger.jsonl")]
        killed = subprocess.Popen([sys.executable, str(_SIMULATION), *asked], stderr=subprocess.DEVNULL)
        process = psutil.Process(killed.pid)
        until(lambda: process.children() and all(_folder(child) for child in process.children()))
        children = process.children()
        left = _folder(children[0])
        assert left is not None
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
        until(lambda: not any(child.is_running() and child.status() != "zombie" for child in children))
        assert left.exists()
        with scratch():
            assert not left.exists()
            assert living.exists()


def _folder(child: psutil.Process) -> Path | None:
    """That of all its runs, once it works in one of them."""
    folder = Path(child.cwd()).parent
    return folder if folder.name.startswith("trader-simulation-") else None
