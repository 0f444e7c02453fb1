"""The machine under one life of the daemon: the seams of `trader.app.host`, without time and without chance."""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import ParamSpec, TypeVar

from simulation.faults import Fault, Faults
from simulation.history import History
from simulation.loop import SeededLoop
from simulation.market import Market, TroubledFeed
from simulation.venue import Venue
from simulation.wire import Wire
from trader.adapters.control import Handler
from trader.adapters.feeds.simulated_market import SimulatedMarket
from trader.adapters.logs import LoguruLog
from trader.adapters.run_lock import Holder
from trader.adapters.spill_file import SpillFile
from trader.adapters.sqlite.backup import backup
from trader.adapters.sqlite.database import InlineWriter, connect
from trader.app.book_checks import check_book
from trader.app.checks import Verdict
from trader.app.marketplace import EmbeddedMarketplace, Emit
from trader.app.settings import Settings
from trader.app.wiring import Parts
from trader.domain.order import Order
from trader.domain.rules import Costs
from trader.services.ports import Clock

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")

_COMMIT_S = 0.001
_SLOW_COMMIT_S = 0.3
_BAD_DISK_S = 3.0
"""Virtual seconds."""


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


class SimulatedHost:
    """Of one life."""

    def __init__(
        self,
        loop: SeededLoop,
        wall_begins_at: datetime,
        market: Market,
        venue: Venue,
        faults: Faults,
        history: History,
        keep: Callable[[str], None],
        committed: Callable[[], None],
    ) -> None:
        self.wire: Wire | None = None
        self.feed_: TroubledFeed | None = None
        self.inner_door: InnerDoor | None = None
        self._loop = loop
        self._clock = WallClock(wall_begins_at, loop, faults)
        self._market = market
        self._venue = venue
        self._faults = faults
        self._history = history
        self._keep = keep
        self._committed = committed
        self._disk = BadDisk(faults, loop)

    @property
    def clock(self) -> Clock:
        """The wall's time."""
        return self._clock

    def holder(self) -> Holder:
        """The same process in every run."""
        return Holder(4711, "simulated", "simulated", f"{self._clock.now():%Y-%m-%dT%H:%M:%S}")

    def log(self, clock: Clock) -> TracedLog:
        """Into the trace."""
        return TracedLog(clock, self._history, self._keep)

    def marketplace(self, parts: Parts) -> "TroubledMarketplace":
        """The run's market and venue, told badly."""
        return TroubledMarketplace(parts, self)

    def troubled_feed(self, parts: Parts, starts_at: datetime) -> TroubledFeed:
        """The run's market, told badly."""
        speed = parts.settings.feed.speed
        self.feed_ = TroubledFeed(self._market, parts.calendar, starts_at, speed, self._faults)
        return self.feed_

    def bad_wire(self, emit: Emit) -> Wire:
        """A wire to the venue, which has costs of its own and knows better what is held."""
        assert self.feed_ is not None  # noqa: S101  (the daemon has its clock before it has a broker)
        self.wire = Wire(self._venue, self._faults, self._history, emit, self.feed_, self._loop)
        return self.wire

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

    async def verify(self, settings: Settings) -> str:
        """Look through the whole book here."""
        self._history.chore("verify", self._clock.now())
        await asyncio.sleep(_COMMIT_S)
        checks = check_book(settings.book.db, settings.mode, full=True)
        return "; ".join(check.said for check in checks if check.verdict is Verdict.FAIL)


class TroubledMarketplace(EmbeddedMarketplace):
    """The embedded one, with a feed and a wire that misbehave."""

    def __init__(self, parts: Parts, host: SimulatedHost) -> None:
        super().__init__(parts)
        self._host = host

    def make_feed(self, market: SimulatedMarket, starts_at: datetime) -> TroubledFeed:
        """Of the same market, made once for the run."""
        del market
        return self._host.troubled_feed(self._parts, starts_at)

    def make_broker(self, emit: Emit, costs: Costs, positions: Mapping[str, int]) -> Wire:
        """To the venue."""
        del costs, positions
        return self._host.bad_wire(emit)
