"""Runs that are made by two processes with different hash seeds at the same time, for every test."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from simulation.configuration import Broker
from simulation.seeds import Ledger, Line

RUNS = 200
_SIMULATION = Path(__file__).resolve().parents[2] / "scripts" / "simulation"


class Asked(NamedTuple):
    """What is made."""

    name: str
    days: int
    days_per_run: int
    broker: Broker = Broker.PAPER
    again: int | None = None
    """So many of the days are made the second time; all of them if nothing is said."""


AGAIN = 40
TWO_HUNDRED = Asked("two_hundred_days", RUNS, 1, again=AGAIN)
"""A day each: any day of two years, without a healed one after it."""
AT_THE_GATEWAY = Asked("gateway_days", 4, 2, Broker.GATEWAY, again=2)
"""Each a day of troubles and a healed one."""


ON_ONE_BOOK = Asked("shared_days", 4, 2, Broker.SHARED, again=2)
"""The same, of three accounts each."""


class Made(NamedTuple):
    """What one of the two processes has left."""

    folder: Path

    @property
    def lines(self) -> list[Line]:
        """The ledger."""
        return Ledger(self.folder / "ledger.jsonl").lines()

    @property
    def traces(self) -> list[str]:
        """Seed and trace of each run."""
        return (self.folder / "traces").read_text().splitlines()

    @property
    def told(self) -> str:
        """Everything it has said; of violations at length."""
        return (self.folder / "told").read_text()


def made_twice(temporary: pytest.TempPathFactory, worker_id: str, asked: Asked = TWO_HUNDRED) -> tuple[Made, Made]:
    """Test processes share them: who needs them first makes them, and the others wait."""
    own = temporary.getbasetemp()
    shared = (own if worker_id == "master" else own.parent) / asked.name
    shared.mkdir(exist_ok=True)
    made = (Made(shared / "1"), Made(shared / "12345"))
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made[0].folder.exists():
            days = (asked.days, asked.again or asked.days)
            for process in [_make(each.folder, asked, wanted) for each, wanted in zip(made, days, strict=True)]:
                process.wait()
    return made


def _make(folder: Path, asked: Asked, days: int) -> "subprocess.Popen[bytes]":
    """By the command, as a person would; the folder is named by the hash seed."""
    folder.mkdir()
    jobs = max(1, len(os.sched_getaffinity(0)) // 2)
    wanted = ["--broker", asked.broker, "--days", days, "--days-per-run", asked.days_per_run]
    wanted += ["--seed", "ci", "--jobs", jobs]
    kept = ["--ledger", folder / "ledger.jsonl", "--traces", folder / "traces"]
    with (folder / "told").open("wb") as told:
        return subprocess.Popen(
            [sys.executable, str(_SIMULATION), *map(str, [*wanted, *kept])],
            env={**os.environ, "PYTHONHASHSEED": folder.name},
            stdout=told,
            stderr=subprocess.STDOUT,
        )
