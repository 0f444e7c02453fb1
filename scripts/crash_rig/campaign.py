"""Lives in a row on one book, until everything is settled on both sides."""

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from crash_rig.broker_process import BrokerProcess
from crash_rig.checks import Checks
from crash_rig.daemon_process import BORN, Plan, Ready, Trouble
from crash_rig.life import End, Life, Lived
from crash_rig.plans import Plans
from trader.adapters.calendar import load_calendar
from trader.adapters.control import DaemonDown, ask, socket_path
from trader.app.paths import with_absolute_paths
from trader.app.settings import Settings, load_settings

LIVES = 20
"""Crashes of one book; it is settled after them."""
_SETTLES_S = 20.0
_SHORT_DAYS = 400
_CLOSES = "10:15"
_CONFIG = Path(__file__).with_name("crash.toml")
_MEMORY = Path("/dev/shm")  # noqa: S108  (a folder of our own is made in it)
_SCRATCH = _MEMORY if _MEMORY.is_dir() else None
"""What is written survives the process, which is all that is killed; a disk would only make the lives longer."""


def nothing() -> None:
    """No bug is planted."""


class Violation(NamedTuple):
    """Something that must not be, and how to see it again."""

    run: int
    life: int
    plan: Plan
    fault: str


class Outcome(NamedTuple):
    """What one run has seen."""

    number: int
    lived: list[Lived]
    violations: list[Violation]
    seconds: float
    folder: Path | None
    """Kept where something was violated."""


def run(seed: int, number: int, crashes: int, plant: Callable[[], None] = nothing) -> Outcome:
    """One book's lives, from its making to its settlement."""
    begin = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix=f"crash-{seed}-{number}-", dir=_SCRATCH))
    book = _Run(seed, number, folder, plant)
    try:
        book.crash(crashes)
        book.settle()
    finally:
        book.end()
    seconds = time.monotonic() - begin
    if not book.violations:
        shutil.rmtree(folder)
    return Outcome(number, book.lived, book.violations, seconds, folder if book.violations else None)


class _Run:
    """One book, its broker, and the lives that it has had."""

    def __init__(self, seed: int, number: int, folder: Path, plant: Callable[[], None]) -> None:
        self.lived: list[Lived] = []
        self.violations: list[Violation] = []
        self._number = number
        self._plant = plant
        self._settings = _settings(folder)
        self._checks = Checks(self._settings.book.db, self._settings.account.name)
        self._broker = BrokerProcess(folder / "broker.sock", self._settings.costs.costs(), self._settings.account.name)
        self._plans = Plans(seed, number)

    def crash(self, crashes: int) -> None:
        """So many deaths; lives that end in order come on top."""
        died = 0
        while died < crashes and not self.violations:
            plan = self._plans.next(self.lived[-1] if self.lived else None)
            self._broker.behave(plan.mischief)
            lived = self._life(plan).watch()
            died += lived.end.is_crash
            self._plans.learn(plan, lived)
            self._over(plan, lived)

    def settle(self) -> None:
        """A fair broker, a good disk: everything has to come to its end, and both sides have to say the same."""
        if self.violations:
            return
        plan = Plan(troubles=frozenset({Trouble.HALTED}))
        self._broker.behave(plan.mischief)
        life = self._life(plan)
        if not life.until_ready():
            self._over(plan, life.watch())
            return
        door = socket_path(self._settings.book.db, self._settings.account.name)
        deadline = time.monotonic() + _SETTLES_S
        _ask_until_heard(door, {"ask": "flatten", "operator": "rig", "reason": "it is over"}, deadline)
        while self._checks.still_open() and time.monotonic() < deadline:
            time.sleep(0.02)
        self._over(plan, life.stopped())
        known = self._broker.snapshot()
        for fault in (*self._checks.recovered(known), *self._checks.settled(known)):
            self._violated(plan, fault)

    def end(self) -> None:
        """End the broker."""
        self._broker.end()

    def _life(self, plan: Plan) -> Life:
        return Life(self._settings, self._broker.address, plan, self._plant, self._judge)

    def _judge(self, ready: Ready) -> list[str]:
        return self._checks.recovered(self._broker.snapshot()) if ready.is_open else []

    def _over(self, plan: Plan, lived: Lived) -> None:
        self.lived.append(lived)
        if lived.end is End.BY_ITSELF:
            self._violated(plan, f"the daemon ended by itself; see the end of {self._settings.log.file}")
        for fault in (*lived.faults, *self._checks.dead(self._broker.snapshot())):
            self._violated(plan, fault)

    def _violated(self, plan: Plan, fault: str) -> None:
        self.violations.append(Violation(self._number, len(self.lived), plan, fault))


def _settings(folder: Path) -> Settings:
    """The rig's configuration, with short sessions."""
    days = load_calendar()
    day = BORN.date()
    overrides = {}
    for _ in range(_SHORT_DAYS):
        day = days.next_session(day).day
        overrides[day] = _CLOSES
    return with_absolute_paths(
        load_settings(
            _CONFIG,
            book={"db": folder / "trading_data.db", "backups": folder / "backups"},
            log={"file": folder / "robo_trader.log"},
            session={"overrides": overrides},
        )
    )


def _ask_until_heard(door: Path, request: dict[str, object], deadline: float) -> None:
    while time.monotonic() < deadline:
        try:
            ask(door, request)
        except DaemonDown:
            time.sleep(0.01)
        else:
            return
