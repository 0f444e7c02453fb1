"""The machine that a daemon runs on: one seam for each thing that would make two runs of it differ.

The wall's time, the files that are written, threads and processes, the door for commands, the log, and the marketplace
with its bars and its broker. Everything else of the daemon is decided by what comes in by these. Who simulates hands in
a machine of his own.
"""

import asyncio
import shutil
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar

from trader.adapters.clock import SystemClock
from trader.adapters.control import Answer, ControlServer, Handler
from trader.adapters.logs import LoguruLog
from trader.adapters.run_lock import Holder, this_process
from trader.adapters.service_manager import ServiceManager
from trader.adapters.spill_file import SpillFile
from trader.adapters.sqlite.database import ThreadWriter, Writer
from trader.adapters.strategy_process import Listener
from trader.app.alarm_channels import channels_of
from trader.app.auditing import BookWatch
from trader.app.installed import Installed, Running
from trader.app.marketplace import EmbeddedMarketplace, Marketplace
from trader.app.settings import Settings
from trader.app.trying import strategy_process
from trader.app.verifying import faults_of_the_book
from trader.app.wiring import Parts
from trader.services.ports import Clock, Log, Strategies
from trader.services.telling import Channel

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


class Door(Protocol):
    """Where an operator's commands come in."""

    async def start(self) -> None:
        """Listen. Raises BookUnwritable."""
        ...

    async def keep(self) -> bool:
        """Listen anew when the door was removed. True when it had to be. Raises BookUnwritable."""
        ...

    async def stop(self) -> None:
        """Stop listening."""
        ...


class HostedStrategies(Strategies, Protocol):
    """A strategy, and the process that it runs in."""

    async def spawn(self) -> None:
        """Begin to load it. Raises ConfigurationError."""
        ...

    async def load(self) -> None:
        """Have it. Raises ConfigurationError."""
        ...

    async def begin(self, drivers: Collection[str]) -> None:
        """Tell it which symbols may be signalled. Raises ConfigurationError."""
        ...

    async def ready(self) -> None:
        """Wait, not for long, until it has seen its warm-up."""
        ...

    async def keep(self, listener: Listener) -> None:
        """Pass on what it says, and look after it, for ever."""
        ...

    async def answered(self) -> None:
        """Wait, not for long, until it has answered to everything."""
        ...

    def standing(self) -> Answer:
        """How it is, for `status`."""
        ...

    async def close(self) -> None:
        """End it."""
        ...


class Versions(Protocol):
    """What is installed, as it was at the start."""

    def on(self, schema: str) -> Running:
        """What runs on a book with this schema."""
        ...


class Host(Protocol):
    """What a daemon takes from its machine."""

    @property
    def clock(self) -> Clock:
        """The wall's time, for what is said of the run itself; trading goes by the market's."""
        ...

    def suspended_s(self) -> float:
        """How long this machine has been suspended, in all; 0 where it cannot tell."""
        ...

    def holder(self) -> Holder:
        """Who runs: the process and its code."""
        ...

    def log(self, clock: Clock) -> Log:
        """The log, with the time of this clock in each line."""
        ...

    def installed(self, settings: Settings) -> Versions:
        """What is installed at this moment."""
        ...

    def strategies(self, settings: Settings) -> HostedStrategies:
        """The configured strategy, not loaded yet. Raises ConfigurationError."""
        ...

    def marketplace(self, parts: Parts) -> Marketplace:
        """Where bars come from and orders go; not reached yet."""
        ...

    def door(self, path: Path, handler: Handler) -> Door:
        """The door at a path, not open yet."""
        ...

    async def open_writer(self, path: Path) -> Writer:
        """Open an existing or new book for writing. Raises BookError."""
        ...

    def open_spill(self, path: Path) -> SpillFile:
        """Open the file for exits that the book cannot take. Raises BookUnwritable."""
        ...

    async def aside(self, job: Callable[_Given, _Result], *given: _Given.args, **named: _Given.kwargs) -> _Result:
        """Do what takes its time beside the loop. Raises what the job raises."""
        ...

    def free_bytes(self, folder: Path) -> int:
        """What is free on the disk of a folder. Raises OSError."""
        ...

    async def verify(self, settings: Settings) -> str:
        """Look through the whole book beside the loop; gives its faults, in words. Raises BookError."""
        ...

    def channels(self, settings: Settings) -> Sequence[Channel]:
        """The ways by which alarms reach a person. Raises ConfigurationError."""
        ...

    def tell_manager(self, state: str) -> None:
        """Say something to the service manager that has started us, where there is one."""
        ...

    def watch(self, settings: Settings) -> BookWatch | None:
        """What audits the book while it is traded on; None where whoever runs the daemon looks himself."""
        ...


class ThisMachine:
    """The host as it is."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._manager = ServiceManager()

    @property
    def clock(self) -> Clock:
        """The system's clock."""
        return self._clock

    def suspended_s(self) -> float:
        """By the system's clocks."""
        return self._clock.suspended_s()

    def holder(self) -> Holder:
        """This process."""
        return this_process(self._clock.now())

    def log(self, clock: Clock) -> Log:
        """The log file, written by a thread of its own."""
        return LoguruLog(clock)

    def installed(self, settings: Settings) -> Versions:
        """On its disk."""
        return Installed(settings)

    def strategies(self, settings: Settings) -> HostedStrategies:
        """In a process of its own."""
        return strategy_process(settings, self.log(self._clock))

    def marketplace(self, parts: Parts) -> Marketplace:
        """The one that is configured."""
        if parts.settings.feed.kind == "simulated":
            return EmbeddedMarketplace(parts)
        from trader.app.interactive_brokers import InteractiveBrokers  # its library takes a third of a second to load

        return InteractiveBrokers(parts, self._clock, self.log(self._clock))

    def door(self, path: Path, handler: Handler) -> Door:
        """A socket beside the book."""
        return ControlServer(path, handler)

    async def open_writer(self, path: Path) -> Writer:
        """A connection with a thread of its own."""
        return await ThreadWriter.open(path)

    def open_spill(self, path: Path) -> SpillFile:
        """A file beside the book."""
        return SpillFile(path)

    async def aside(self, job: Callable[_Given, _Result], *given: _Given.args, **named: _Given.kwargs) -> _Result:
        """In a thread."""
        return await asyncio.to_thread(job, *given, **named)  # noqa: TID251  (the seam)

    def free_bytes(self, folder: Path) -> int:
        """For who is not root."""
        return shutil.disk_usage(folder).free

    async def verify(self, settings: Settings) -> str:
        """By `trader doctor --full`, in a process of its own."""
        return await faults_of_the_book(settings)

    def channels(self, settings: Settings) -> Sequence[Channel]:
        """Those that are configured."""
        return channels_of(settings)

    def tell_manager(self, state: str) -> None:
        """By systemd's protocol."""
        self._manager.tell(state)

    def watch(self, settings: Settings) -> BookWatch | None:
        """From connections of its own."""
        return BookWatch(settings)
