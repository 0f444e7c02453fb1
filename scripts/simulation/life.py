"""One run of the daemon on its own loop, from its start until it ends or is killed.

A killed process runs nothing any more. What Python would still run for it (`finally` blocks, the closing of files) is
run on files that nobody will read: those of the next life are copied at the moment of death.
"""

import asyncio
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from enum import StrEnum

from simulation.chores import driven_by
from simulation.host import SimulatedHost
from simulation.loop import SeededLoop, Stuck
from simulation.person import Person
from simulation.power import Power
from simulation.seen_disk import listening
from trader.app.daemon import Daemon, a_daemon
from trader.app.settings import Settings
from trader.domain.errors import TraderError

_LONGEST_END_S = 60
"""Virtual: a dead daemon's tasks are given so long to be over."""


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
    power: Power | None
    """None where its disk is not watched."""
    hire: Callable[[Daemon, SimulatedHost], Person]
    """Who stands in front of it."""
    daemon: Daemon | None = None
    is_running: bool = False
    """Recovered, and told so."""
    error: BaseException | None = None
    """What it ended by itself with."""
    person_error: BaseException | None = None
    is_over: bool = False
    """What it still does is seen by nobody."""

    def live(self) -> End:
        """Run until its end."""
        task = self.loop.create_task(self._run())
        task.add_done_callback(self._has_ended)
        try:
            with driven_by(self.host.clock), listening(self.power.listen) if self.power else nullcontext():
                self.loop.run_forever()
        except Stuck:
            return End.STUCK
        finally:
            task.remove_done_callback(self._has_ended)
        if self.person_error is not None:
            raise self.person_error
        if not task.done():
            return End.KILLED
        self.error = task.exception()
        if self.error is None:
            return End.STOPPED
        return End.REFUSED if isinstance(self.error, TraderError) and not self._has_opened else End.FAILED

    def _has_ended(self, task: asyncio.Task[None]) -> None:
        del task
        if not self.is_over:  # it may end at the very callback after which it is killed
            self.loop.stop()

    async def _run(self) -> None:
        await self.host.open()
        async with a_daemon(self.settings, self.host) as daemon:
            self.daemon = daemon
            await daemon.recover()
            self.is_running = True
            person = asyncio.ensure_future(self.hire(daemon, self.host).watch())
            person.add_done_callback(self._person_has_gone)
            try:
                await daemon.run()
            finally:
                person.cancel()

    def _person_has_gone(self, task: asyncio.Task[None]) -> None:
        """Before the daemon has: that is a bug of the simulation, and not to be passed over."""
        if not self.is_over and not task.cancelled() and task.exception() is not None:
            self.person_error = task.exception()
            self.loop.stop()

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
        self.host.cut()
        loop = self.loop
        loop.after_each = lambda: None
        self.is_over = True
        with driven_by(self.host.clock), suppress(Stuck):
            loop.run_until_complete(self._end(asyncio.all_tasks(loop)))
        loop.close()

    async def _end(self, tasks: set[asyncio.Task[object]]) -> None:
        await self.host.leave()
        await _cancelled(tasks)


async def _cancelled(tasks: set[asyncio.Task[object]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=_LONGEST_END_S)
