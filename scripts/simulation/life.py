"""One run of the daemon on its own loop, from its start until it ends or is killed.

A killed process runs nothing any more. What Python would still run for it (`finally` blocks, the closing of files) is
run on files that nobody will read: those of the next life are copied at the moment of death.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from simulation.chores import driven_by
from simulation.host import SimulatedHost
from simulation.loop import SeededLoop, Stuck
from simulation.person import Person
from trader.app.daemon import Daemon, a_daemon
from trader.app.settings import Settings
from trader.domain.errors import TraderError

_LONGEST_END = 20_000
"""Callbacks in which a dead daemon's tasks have to be over."""


class End(StrEnum):
    """How a life ended."""

    KILLED = "killed"
    STOPPED = "stopped in order"
    REFUSED = "did not start, and said why"
    FAILED = "ended by itself"
    STUCK = "stuck: nothing is ready and nothing is due"


@dataclass(slots=True)
class Life:
    """A loop, a host, and the daemon on them."""

    settings: Settings
    loop: SeededLoop
    host: SimulatedHost
    hire: Callable[[Daemon, SimulatedHost], Person]
    """Who stands in front of it."""
    daemon: Daemon | None = None
    is_running: bool = False
    """Recovered, and told so."""
    error: BaseException | None = None

    def live(self) -> End:
        """Run until its end."""
        task = self.loop.create_task(self._run())
        task.add_done_callback(lambda _: self.loop.stop())
        try:
            with driven_by(self.host.clock):
                self.loop.run_forever()
        except Stuck:
            return End.STUCK
        if not task.done():
            return End.KILLED
        self.error = task.exception()
        if self.error is None:
            return End.STOPPED
        return End.REFUSED if isinstance(self.error, TraderError) and not self._has_opened else End.FAILED

    async def _run(self) -> None:
        async with a_daemon(self.settings, self.host) as daemon:
            self.daemon = daemon
            await daemon.recover()
            self.is_running = True
            person = asyncio.ensure_future(self.hire(daemon, self.host).watch())
            try:
                await daemon.run()
            finally:
                person.cancel()

    @property
    def _has_opened(self) -> bool:
        """It has come so far that an operator could reach it."""
        return self.host.inner_door is not None and self.host.inner_door.was_opened

    def stop(self, reason: int) -> None:
        """Send it a signal, as `kill` does."""
        handler = self.loop.signals.get(reason)
        if handler is not None:
            self.loop.call_soon(handler)

    def bury(self) -> None:
        """Run what is left of a dead one's tasks to their end; nobody sees what they do."""
        if self.host.wire is not None:
            self.host.wire.cut()
        loop = self.loop
        loop.after_each = lambda: None
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        gathered = asyncio.gather(*tasks, return_exceptions=True) if tasks else None
        if gathered is not None:
            with suppress(Stuck, RuntimeError):
                loop.run_until_complete(asyncio.wait_for(gathered, 60))
        loop.close()


def seeded_loop(seed: str, after_each: Callable[[], None]) -> SeededLoop:
    """The loop of one life."""
    return SeededLoop(Random(seed), after_each)
