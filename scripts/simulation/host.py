"""The machine under one life of the daemon: the seams of `trader.app.host`, without time and without chance."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple, ParamSpec, Protocol, TypeVar

from simulation.faults import Fault, Faults
from simulation.history import History
from simulation.loop import SeededLoop
from trader.adapters.control import Handler
from trader.adapters.logs import LoguruLog
from trader.adapters.run_lock import Holder
from trader.adapters.spill_file import SpillFile
from trader.adapters.sqlite.backup import backup
from trader.adapters.sqlite.database import InlineWriter, connect
from trader.app.book_checks import check_book
from trader.app.checks import Verdict
from trader.app.inline_strategy import InlineStrategy
from trader.app.installed import NothingChanges
from trader.app.marketplace import Marketplace
from trader.app.settings import Settings
from trader.app.wiring import Parts, inline_strategy
from trader.domain.events import Evidence
from trader.domain.order import Order
from trader.services.ports import Clock
from trader.services.telling import Channel

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")

_COMMIT_S = 0.001
_SLOW_COMMIT_S = 0.3
_BAD_DISK_S = 3.0
"""Virtual seconds."""


class Machine(NamedTuple):
    """What one life is given."""

    loop: SeededLoop
    faults: Faults
    history: History
    keep: Callable[[str], None]
    """Takes the lines of the log."""
    committed: Callable[[], None]
    """Called when a transaction is on the disk."""


class WallClock:
    """The wall's time: that of the loop, from wherever the life began, and wherever it has jumped to."""

    def __init__(self, begins_at: datetime, loop: SeededLoop, faults: Faults) -> None:
        self._begins_at = begins_at
        self._loop = loop
        self._faults = faults

    def now(self) -> datetime:
        """The time, aware UTC."""
        if self._faults.strikes(Fault.WALL_JUMPS, 0.002):
            hours = self._faults.chance(Fault.WALL_JUMPS).choice((-1, 1, -0.002, 0.002, 23))
            self._begins_at += timedelta(hours=hours)
        return self._begins_at + timedelta(seconds=self._loop.time())


class BadDisk:
    """Says when nothing can be written: a disk that is full stays full for a while."""

    def __init__(self, faults: Faults, loop: SeededLoop) -> None:
        self._faults = faults
        self._loop = loop
        self._bad_until_s = -1.0
        self._error = ""

    def check(self) -> None:
        """Raises sqlite3.OperationalError in the middle of a transaction."""
        now_s = self._loop.time()
        if self._faults.is_healed:
            return
        if now_s >= self._bad_until_s:
            for fault, error in (
                (Fault.DISK_FULL, "database or disk is full"),
                (Fault.DISK_ERROR, "disk I/O error"),
                (Fault.BOOK_BUSY, "database is locked"),
            ):
                if self._faults.strikes(fault, 0.002):
                    self._error = error
                    self._bad_until_s = now_s + _BAD_DISK_S * self._faults.chance(fault).random()
        if now_s < self._bad_until_s:
            raise sqlite3.OperationalError(self._error)


class SlowWriter:
    """The writer: its jobs run here and now, and yet take their time; the disk under it may be bad."""

    def __init__(
        self, connection: sqlite3.Connection, faults: Faults, disk: BadDisk, committed: Callable[[], None]
    ) -> None:
        self._inline = InlineWriter(connection)
        self._faults = faults
        self._disk = disk
        self._committed = committed

    async def transact(self, job: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Run the job as one transaction, some time after it was asked for; say so some time after it was done."""

        def on_this_disk(connection: sqlite3.Connection) -> _Result:
            result = job(connection)
            self._disk.check()
            return result

        chance = self._faults.chance(Fault.COMMIT_SLOW)
        await asyncio.sleep(_COMMIT_S * chance.random())
        result = await self._inline.transact(on_this_disk)
        self._committed()
        slow = self._faults.strikes(Fault.COMMIT_SLOW, 0.01)
        await asyncio.sleep((_SLOW_COMMIT_S if slow else _COMMIT_S) * chance.random())
        return result

    async def close(self) -> None:
        """Close the connection."""
        await self._inline.close()


class BadSpill(SpillFile):
    """The spill file on the same bad disk."""

    def __init__(self, path: Path, faults: Faults, history: History) -> None:
        super().__init__(path)
        self._faults = faults
        self._history = history

    def append(self, order: Order) -> None:
        """Write an exit down. Raises OSError."""
        if self._faults.strikes(Fault.SPILL_FAILS, 0.1):
            self._history.not_written(order.ref)
            raise OSError(28, "the simulated disk is full")
        super().append(order)


class InnerDoor:
    """The door for commands, of which the operator has the key."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.is_open = self.was_opened = False

    async def start(self) -> None:
        """Listen."""
        self.is_open = self.was_opened = True

    async def keep(self) -> bool:
        """Nobody removes it."""
        return False

    async def stop(self) -> None:
        """Stop listening."""
        self.is_open = False


class TracedLog(LoguruLog):
    """The log: what is said counts for the trace, and its last lines are kept for who looks into a failure."""

    def __init__(self, clock: Clock, history: History, keep: Callable[[str], None]) -> None:
        super().__init__(clock)
        self._history = history
        self._keep = keep

    def _say(self, level: str, messages: tuple[str, ...]) -> None:
        for message in messages:
            line = f"{self._clock.now():%Y-%m-%dT%H:%M:%S} {level: <7} {message}"
            self._history.said(line)
            self._keep(line)


class Heard(Protocol):
    """What this life has heard of its market."""

    @property
    def minutes_told(self) -> int:
        """Minutes that it has been told."""
        ...

    @property
    def truth(self) -> datetime:
        """The time that it is at the exchange."""
        ...

    def now(self) -> datetime:
        """The time that the daemon takes it for."""
        ...


class Line(Protocol):
    """What this life has to its broker."""

    told: Evidence | None
    """The newest complete answer that has come through."""
    true_answers: int
    """So many complete ones were true."""

    @property
    def has_told_all(self) -> bool:
        """A complete answer has come through; who hears it cannot know whether it is true."""
        ...

    def cut(self) -> None:
        """It is over: nothing comes through any more."""
        ...


class SimulatedHost:
    """Of one life. Whose marketplace it is, the kind of the day says."""

    def __init__(self, machine: Machine, clock: Clock) -> None:
        self.wire: Line | None = None
        self.feed_: Heard | None = None
        self.inner_door: InnerDoor | None = None
        self._loop = machine.loop
        self._clock = clock
        self._faults = machine.faults
        self._history = machine.history
        self._keep = machine.keep
        self._committed = machine.committed
        self._disk = BadDisk(machine.faults, machine.loop)

    async def open(self) -> None:
        """The world around it goes on."""

    def cut(self) -> None:
        """It is dead: nothing more leaves it, and nobody sees what it still does."""
        if self.wire is not None:
            self.wire.cut()

    async def leave(self) -> None:
        """What it had sent has its time to arrive."""

    def installed(self, settings: Settings) -> NothingChanges:
        """Nobody works on it meanwhile."""
        del settings
        return NothingChanges()

    def strategies(self, settings: Settings) -> InlineStrategy:
        """Here: a process would answer whenever it likes."""
        return inline_strategy(settings)

    def marketplace(self, parts: Parts) -> Marketplace:
        """Where bars come from and orders go."""
        raise NotImplementedError

    @property
    def clock(self) -> Clock:
        """The wall's time."""
        return self._clock

    def suspended_s(self) -> float:
        """Who sleeps here hears of the market's time, or is late."""
        return 0.0

    def holder(self) -> Holder:
        """The same process in every run."""
        return Holder(4711, "simulated", "simulated", f"{self._clock.now():%Y-%m-%dT%H:%M:%S}")

    def log(self, clock: Clock) -> TracedLog:
        """Into the trace."""
        return TracedLog(clock, self._history, self._keep)

    def door(self, path: Path, handler: Handler) -> InnerDoor:
        """No socket."""
        del path
        self.inner_door = InnerDoor(handler)
        return self.inner_door

    async def open_writer(self, path: Path) -> SlowWriter:
        """A connection on this thread."""
        await asyncio.sleep(0)
        return SlowWriter(connect(path), self._faults, self._disk, self._committed)

    def open_spill(self, path: Path) -> BadSpill:
        """On the same disk."""
        return BadSpill(path, self._faults, self._history)

    async def aside(self, job: Callable[_Given, _Result], *given: _Given.args, **named: _Given.kwargs) -> _Result:
        """Do it here, some time later."""
        if job is backup:
            self._history.chore("backup", self._clock.now())
        await asyncio.sleep(_COMMIT_S)
        result = job(*given, **named)
        await asyncio.sleep(_COMMIT_S)
        return result

    def free_bytes(self, folder: Path) -> int:
        """A disk that never fills up; one that takes no more is the business of its faults."""
        del folder
        return 10**11

    async def verify(self, settings: Settings) -> str:
        """Look through the whole book here."""
        self._history.chore("verify", self._clock.now())
        await asyncio.sleep(_COMMIT_S)
        checks = check_book(settings.book.db, settings.mode, full=True)
        return "; ".join(check.said for check in checks if check.verdict is Verdict.FAIL)

    def channels(self, settings: Settings) -> Sequence[Channel]:
        """Nobody is told."""
        del settings
        return ()

    def tell_manager(self, state: str) -> None:
        """There is none."""

    def watch(self, settings: Settings) -> None:
        """The simulation looks itself, after every callback."""
        del settings
