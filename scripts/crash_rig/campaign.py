"""Lives in a row on one book, until everything is settled. Which ends are tried follows from a seed."""

import shutil
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple

from crash_rig.broker_process import BrokerProcess
from crash_rig.checks import Checks
from crash_rig.daemon_process import BORN, Plan, Ready, Trouble
from crash_rig.life import End, Life, Lived
from crash_rig.messages import Mischief
from crash_rig.points import all_points
from trader.adapters.calendar import load_calendar
from trader.adapters.control import DaemonDown, ask, socket_path
from trader.app.paths import with_absolute_paths
from trader.app.settings import Settings, load_settings

LIVES = 20
"""Crashes of one book; it is settled after them."""
_AIMED = 11
"""Of which so many are aimed at a named failpoint."""
_DEEPEST = 3
_TRIED_AGAIN = 2
_SETTLES_S = 20.0
_SHORT_DAYS = 400
_CLOSES = "10:15"
_CONFIG = Path(__file__).with_name("crash.toml")
_MEMORY = Path("/dev/shm")  # noqa: S108  (a folder of our own is made in it)
_SCRATCH = _MEMORY if _MEMORY.is_dir() else None
"""What is written survives the process, which is all that is killed; a disk would only make the lives longer."""
_FIRST = (
    "book.make_book.before",
    "book.connect",
    "book.make_book.after",
    "store.stamp",
    "store.ensure_account",
    "store.commit.account_opened",
)
"""What happens once in a book's life, in this order: each can still be reached after a death at the one before."""
_ONCE = (
    *_FIRST,
    "recovery.",
    "broker.evidence",
    *(f"store.commit.{event}" for event in ("run_started", "day_started", "flat_proven", "not_flat", "left_overnight")),
    *(f"store.commit.{event}" for event in ("drift_", "conflict_found", "unexpected_fill", "nothing_journaled")),
)
"""What happens seldom in a life."""

_CALLS_FOR = {
    "spill.": Trouble.BAD_DISK,
    "store.commit.command": Trouble.OPERATOR,
    "store.commit.halted": Trouble.OPERATOR,
    "store.commit.resumed": Trouble.OPERATOR,
    "store.commit.cash_moved": Trouble.OPERATOR,
    "broker.place.manual": Trouble.OPERATOR,
    "spill.append.manual": Trouble.OPERATOR,
    "store.commit.run_stopped": Trouble.STOP,
    "backup.": Trouble.BACKUP,
}
_CALLS_FOR_MISCHIEF = {
    "store.commit.drift_found": "holds_foreign",
    "store.commit.conflict_found": "trades_by_hand",
    "store.commit.unexpected_fill": "trades_by_hand",
    "store.commit.alarm": "trades_by_hand",
    "store.commit.not_flat": "is_stubborn",
    "store.commit.left_overnight": "is_stubborn",
}
"""What a failpoint needs, to be likely to be reached."""


_SPILLED = Plan("spill.append.exit.after", troubles=frozenset({Trouble.BAD_DISK}))
_PREPARED_BY = {
    "store.commit.drift_ended.before": Plan(after_s=0.4, mischief=Mischief(holds_foreign=True)),
    "store.commit.drift_ended.after": Plan(after_s=0.4, mischief=Mischief(holds_foreign=True)),
    "recovery.take_up_spilled.before": _SPILLED,
    "recovery.take_up_spilled.after": _SPILLED,
}
"""What a failpoint needs of the life before."""


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


class Plans:
    """Which end comes next. Every failpoint has its turn: each run takes the next few, in an order of the seed's."""

    def __init__(self, seed: int, number: int) -> None:
        self._random = Random(f"{seed}:{number}")
        points = all_points()
        Random(seed).shuffle(points)
        start = number * _AIMED
        mine = [points[at % len(points)] for at in range(start, start + _AIMED)]
        self._aims = deque(sorted(mine, key=_order_in_life))
        self._missed: Counter[str] = Counter()
        self._depth = 1
        self._prepared: str | None = None
        """An aim for which the life before has made the conditions."""

    def next(self, before: Lived | None) -> Plan:
        """The next life's plan; after a death, sometimes one that ends in the recovery from it."""
        random = self._random
        died = before is not None and before.end is not End.IN_ORDER
        if died and self._depth < _DEEPEST and random.random() < 0.3:
            self._depth += 1
            return Plan(start_step=random.randint(1, 60), mischief=self._mischief())
        self._depth = 1
        if self._prepared is not None:
            aim, self._prepared = self._prepared, None
            return self._aimed(aim)
        if self._aims and self._aims[0] in _PREPARED_BY:
            self._prepared = self._aims.popleft()
            return _PREPARED_BY[self._prepared]
        if self._aims and random.random() < 0.75:
            return self._aimed(self._aims.popleft())
        return Plan(after_s=random.uniform(0.005, 0.6), troubles=self._troubles(), mischief=self._mischief())

    def learn(self, plan: Plan, lived: Lived) -> None:
        """A failpoint that was not reached is tried again, later."""
        if plan.point and plan.point not in lived.names and self._missed[plan.point] < _TRIED_AGAIN:
            self._missed[plan.point] += 1
            self._aims.append(plan.point)

    def _aimed(self, point: str) -> Plan:
        called_for = {trouble for prefix, trouble in _CALLS_FOR.items() if point.startswith(prefix)}
        mischief = self._mischief()
        for prefix, name in _CALLS_FOR_MISCHIEF.items():
            if point.startswith(prefix):
                mischief = mischief._replace(**{name: True})  # type: ignore[arg-type]
        is_rare = called_for or point.startswith(_ONCE) or point in self._missed
        nth = 1 if is_rare else self._random.choice((1, 1, 2, 3, 5))
        return Plan(point, nth, troubles=frozenset(called_for) or self._troubles(), mischief=mischief)

    def _troubles(self) -> frozenset[Trouble]:
        return frozenset({Trouble.BAD_DISK} if self._random.random() < 0.35 else ())

    def _mischief(self) -> Mischief:
        luck = self._random.random
        return Mischief(
            seed=f"{luck()}",
            is_slow=luck() < 0.35,
            is_stubborn=luck() < 0.35,
            is_vague=luck() < 0.2,
            trades_by_hand=luck() < 0.08,
            holds_foreign=luck() < 0.08,
        )


def _order_in_life(point: str) -> int:
    return next((number for number, first in enumerate(_FIRST) if point.startswith(first)), len(_FIRST))


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
