"""Lives in a row before the gateway of the tests: real processes, a real socket, SIGKILL at a failpoint.

Two clocks would tell two truths: daemon and gateway go by one, some times as fast as the host's.
"""

import asyncio
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import NamedTuple

from gateway.faults import FillWhileDown
from proof.fast_time import FastLoop
from proof.own_process import ProcessDaemon
from proof.rig import BROKER, DAEMON, NAME, Given, Rig, a_rig
from proof.truth import differences

from crash_rig.checks import Checks
from crash_rig.gateway_daemon import GATEWAY_PORTS
from crash_rig.messages import Snapshot
from crash_rig.points import all_points

LIVES = 20
"""Crashes of one book; a last life, which nobody kills, has to put everything right."""

_BEGINS_AT = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
_SETTINGS: Given = {
    "limits": {
        "position_pct": 8.0,
        "openings_per_day": 10_000,
        "creations_per_hour": 10_000,
        "regular_creations": 10_000,
        "orders_per_minute": 10_000,
        "daily_notional_pct": 10_000.0,
    },
}
_EXITS = {"stop_pct": 0.2, "take_profit_pct": 0.4}
_PROTECTION = (BROKER, DAEMON)
_SYMBOLS = ("QQQ", "AAPL", "MSFT")
_MINDS = (0.02, 0.2, 0.5, 0.8, 0.95)
_OFTEN = (
    *("broker.place.entry", "broker.place.exit", "broker.hear", "broker.evidence", "writer.", "recovery."),
    *("store.commit.fill", "store.commit.order_", "store.commit.position_", "store.commit.commission"),
)
"""What happens in every life."""
_LONGEST_S = 15.0
_RIGHT_WITHIN_S = 120.0
_LOOK_S = 1.0
"""Of the shared clock."""


class Death(NamedTuple):
    """Where a life is to end: at a passing of a failpoint, or at a step of its start."""

    point: str = ""
    nth: int = 1
    start_step: int = 0

    def command(self, last_word: Path) -> tuple[str, ...]:
        """The daemon that dies there."""
        return ("crash_rig.gateway_daemon", self.point, str(self.nth), str(self.start_step), str(last_word))


class Seen(NamedTuple):
    """What one book has gone through."""

    number: int
    crashes: int
    places: frozenset[str]
    """Names of the failpoints at which it died."""
    orders: int
    executions: int
    violations: list[str]
    seconds: float
    folder: Path | None
    """Kept where something was violated."""


def live(seed: int, number: int, crashes: int) -> Seen:
    """One book's lives, until its settlement."""
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix=f"crash-gateway-{seed}-{number}-"))
    loop = FastLoop()
    asyncio.set_event_loop(loop)
    try:
        book = loop.run_until_complete(_lived(folder, Random(f"{seed}:{number}"), crashes))
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    kept = folder if book.violations else None
    if kept is None:
        shutil.rmtree(folder)
    return Seen(number, *book.counted, book.violations, time.monotonic() - began, kept)


async def _lived(folder: Path, random: Random, crashes: int) -> "_Book":
    daemon = ProcessDaemon(folder)
    settings = _SETTINGS | {"exits": _EXITS | {"protection": random.choice(_PROTECTION)}}
    async with a_rig(folder, _BEGINS_AT, daemon, settings, random.randrange(1_000)) as rig:
        daemon.by(rig.clock)
        book = _Book(rig, daemon, folder / "last-word", random)
        for death in _deaths(random, crashes):
            if not book.violations:
                await book.live_until(death)
        if not book.violations:
            await book.settle()
        return book


def _deaths(random: Random, number: int) -> Iterator[Death]:
    points = all_points(GATEWAY_PORTS)
    often = [point for point in points if point.startswith(_OFTEN)]
    for _ in range(number):
        if random.random() < 0.25:
            yield Death(start_step=random.randint(1, 40))
        else:
            point = random.choice(often if random.random() < 0.8 else points)
            yield Death(point, 1 if point.startswith("recovery.") else random.choice((1, 1, 2, 4)))


class _Book:
    """One book, its gateway, and the lives before it."""

    def __init__(self, rig: Rig, daemon: ProcessDaemon, last_word: Path, random: Random) -> None:
        self.violations: list[str] = []
        self._rig = rig
        self._daemon = daemon
        self._last_word = last_word
        self._random = random
        self._places: set[str] = set()
        self._deaths = 0

    @property
    def counted(self) -> tuple[int, frozenset[str], int, int]:
        """Crashes, places, orders, executions."""
        truth = self._rig.gateway.truth
        return self._deaths, frozenset(self._places), len(truth.orders), len(truth.executions)

    async def live_until(self, death: Death) -> None:
        """One life: it recovers, both sides say the same, it trades, it dies."""
        self._daemon.command = death.command(self._last_word)
        await self._rig.start()
        await self._until_right(death)
        if self._random.random() < 0.3:
            self._rig.gateway.faults.add(FillWhileDown())
        await self._trade()
        self._daemon.kill()
        await self._daemon.is_buried()
        self._deaths += 1
        self._rig.gateway.faults.clear()
        if self._last_word.exists():
            self._places.update(self._last_word.read_text().split())
            self._last_word.unlink()
        self._violated(death, Checks(self._rig.book, NAME).dead(self._snapshot()))

    async def settle(self) -> None:
        """A life that nobody ends puts everything right."""
        self._daemon.command = ("proof.daemon_process",)
        await self._rig.start()
        await self._until_right(Death())
        await self._daemon.stop()

    async def _until_right(self, death: Death) -> None:
        wrong: list[str] = []
        for _ in range(int(_RIGHT_WITHIN_S / _LOOK_S)):
            if not self._daemon.is_alive:
                return
            wrong = await differences(self._rig)
            if not wrong:
                return
            await self._rig.passes(_LOOK_S)
        self._violated(death, wrong if self._daemon.is_alive else [])

    async def _trade(self) -> None:
        ends_at = self._rig.clock.now().timestamp() + _LONGEST_S
        while self._daemon.is_alive and self._rig.clock.now().timestamp() < ends_at:
            symbol = self._random.choice(_SYMBOLS)
            self._rig.move(symbol, f"{self._random.uniform(-0.3, 0.3):.3f}")
            await self._rig.signal(symbol, self._random.choice(_MINDS))
            if self._random.random() < 0.03:
                self._rig.gateway.disconnect()
            await self._rig.passes(_LOOK_S)

    def _snapshot(self) -> Snapshot:
        """What a dead book is compared with: every order that ever came, and those that came twice."""
        sent = Counter(order.order_ref for order in self._rig.gateway.truth.orders if order.order_ref)
        twice = tuple(f"order {ref} was received {times} times" for ref, times in sent.items() if times > 1)
        return Snapshot(tuple(sent), (), frozenset(), {}, {}, twice)

    def _violated(self, death: Death, faults: list[str]) -> None:
        self.violations += [f"life {self._deaths}, {death}: {fault}" for fault in faults]
