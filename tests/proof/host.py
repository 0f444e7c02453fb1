"""The machine under one life of the daemon. It can die: from then on nothing of that life is written any more."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from builders import Sentences

from trader.adapters.control import Handler
from trader.adapters.run_lock import Holder
from trader.adapters.spill_file import SpillFile
from trader.adapters.sqlite.database import InlineWriter, connect
from trader.app.host import ThisMachine
from trader.app.inline_strategy import InlineStrategy
from trader.app.installed import NothingChanges
from trader.app.interactive_brokers import InteractiveBrokers
from trader.app.settings import Settings
from trader.app.wiring import Parts, inline_strategy
from trader.domain.errors import BookUnwritable
from trader.domain.order import Order
from trader.services.ports import Clock

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


class ThinWall:
    """A door that nobody comes in by."""

    async def start(self) -> None:
        """Nothing to open."""

    async def keep(self) -> bool:
        """Nobody removes it."""
        return False

    async def stop(self) -> None:
        """Nothing to close."""


class MortalHost(ThisMachine):
    """Of one life."""

    def __init__(self, clock: Clock, log: Sentences) -> None:
        super().__init__()
        self._walls = clock
        self._log = log
        self.is_dead = False
        self.market: InteractiveBrokers | None = None
        self.handler: Handler | None = None

    @property
    def clock(self) -> Clock:
        """The loop's."""
        return self._walls

    def holder(self) -> Holder:
        """The same process in every run."""
        return Holder(4711, "proof", "proof", f"{self._walls.now():%Y-%m-%dT%H:%M:%S}")

    def log(self, clock: Clock) -> Sentences:
        """Kept for whoever looks into a failure."""
        del clock
        return self._log

    def installed(self, settings: Settings) -> NothingChanges:
        """Nobody works on it meanwhile."""
        del settings
        return NothingChanges()

    def strategies(self, settings: Settings) -> InlineStrategy:
        """Here: a process would answer whenever it likes."""
        return inline_strategy(settings)

    def marketplace(self, parts: Parts) -> InteractiveBrokers:
        """By the gateway's socket."""
        self.market = InteractiveBrokers(parts, self._walls, self._log)
        return self.market

    def door(self, path: Path, handler: Handler) -> ThinWall:
        """The test knocks itself."""
        del path
        self.handler = handler
        return ThinWall()

    async def open_writer(self, path: Path) -> "_MortalWriter":
        """On this thread, and for this test: it waits for no disk."""
        connection = connect(path)
        connection.execute("PRAGMA synchronous = OFF")
        return _MortalWriter(connection, self)

    def open_spill(self, path: Path) -> SpillFile:
        """Beside the book."""
        return _MortalSpill(path, self)

    async def aside(self, job: Callable[_Given, _Result], *given: _Given.args, **named: _Given.kwargs) -> _Result:
        """Here and now."""
        return job(*given, **named)

    async def verify(self, settings: Settings) -> str:
        """The tests look themselves."""
        del settings
        return ""

    def watch(self, settings: Settings) -> None:
        """The tests look themselves."""
        del settings


class _MortalWriter(InlineWriter):
    def __init__(self, connection: sqlite3.Connection, host: MortalHost) -> None:
        super().__init__(connection)
        self._host = host

    async def transact(self, job: Callable[[sqlite3.Connection], _Result]) -> _Result:
        if self._host.is_dead:
            raise BookUnwritable("this life has ended")
        return await super().transact(job)


class _MortalSpill(SpillFile):
    def __init__(self, path: Path, host: MortalHost) -> None:
        super().__init__(path)
        self._host = host

    def append(self, order: Order) -> None:
        if self._host.is_dead:
            raise OSError("this life has ended")
        super().append(order)

    def clear(self) -> None:
        if self._host.is_dead:
            raise OSError("this life has ended")
        super().clear()
