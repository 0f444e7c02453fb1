"""Whoever kills the simulation finds nothing of it running, and the next start finds nothing of it in memory."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
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
        until(lambda: len(_at_work(process)) == 2)
        children = process.children()
        left = next(iter(_at_work(process)))
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
        until(lambda: not any(child.is_running() and child.status() != "zombie" for child in children))
        assert left.exists()
        with scratch():
            assert not left.exists()
            assert living.exists()


def _at_work(process: psutil.Process) -> list[Path]:
    """The folders of children that work in one of their runs."""
    folders = []
    for child in process.children():
        with suppress(psutil.Error):  # one that has just ended is nowhere
            folders.append(Path(child.cwd()).parent)
    return [folder for folder in folders if folder.name.startswith("trader-simulation-")]
