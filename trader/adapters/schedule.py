"""Chores: every so many seconds by the loop's own time, which no clock that is set can hold up; or daily by the wall's.

They carry no safety that lies in the moment: a late chore runs late, a missed one once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NamedTuple

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from trader.services.ports import Log

Chore = Callable[[], Awaitable[None]]

_LONGEST_CHORE_S = 5.0


class _Interval(NamedTuple):
    seconds: float
    name: str
    chore: Chore


class Schedule:
    """Runs chores on the daemon's loop; a chore that fails is said, and runs again at its next time.

    The same failure is said once, until the chore has done its work again.
    """

    def __init__(self, log: Log, failed: Callable[[str, str], None]) -> None:
        """`failed` is told the name of a chore and its failure."""
        self._log = log
        self._failed = failed
        self._intervals: list[_Interval] = []
        self._failing: dict[str, str] = {}
        self._running: dict[asyncio.Task[object], None] = {}
        self._ended = asyncio.Event()
        self._scheduler = AsyncIOScheduler(
            timezone="America/New_York", job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        )

    def every(self, seconds: float, name: str, chore: Chore) -> None:
        """Run a chore again and again, so many seconds after it has ended."""
        self._intervals.append(_Interval(seconds, name, chore))

    def daily(self, hour: int, minute: int, name: str, chore: Chore) -> None:
        """Run a chore once a day, New York time."""
        self._scheduler.add_job(self._once, "cron", hour=hour, minute=minute, args=(name, chore), id=name)

    async def run(self) -> None:
        """Run everything that was asked for, until `stop`."""
        self._scheduler.start()
        async with asyncio.TaskGroup() as group:
            for interval in self._intervals:
                group.create_task(self._repeat(interval))

    async def stop(self) -> None:
        """Begin no chore any more, and let those that run finish, for some seconds."""
        self._ended.set()
        if not self._scheduler.running:
            return
        self._scheduler.pause()
        if self._running:
            await asyncio.wait(self._running, timeout=_LONGEST_CHORE_S)
        for task in list(self._running):
            task.cancel()
        self._scheduler.shutdown(wait=False)

    async def _repeat(self, interval: _Interval) -> None:
        while not self._ended.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(interval.seconds):
                    await self._ended.wait()
            if not self._ended.is_set():
                await self._guarded(interval.name, interval.chore)

    async def _once(self, name: str, chore: Chore) -> None:
        with suppress(asyncio.CancelledError):  # the scheduler would write a traceback of it
            await self._guarded(name, chore)

    async def _guarded(self, name: str, chore: Chore) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  (told to the type checker)
        self._running[task] = None
        try:
            await self._said_once(name, chore)
        except asyncio.CancelledError:
            self._log.warning(f"CHORE {name} was broken off by the stop")
            raise
        finally:
            self._running.pop(task, None)

    async def _said_once(self, name: str, chore: Chore) -> None:
        try:
            await chore()
        except Exception as error:  # noqa: BLE001  (the chore's edge: it is said, and trading goes on)
            said = f"{type(error).__name__}: {error}"
            if self._failing.get(name) != said:
                self._log.error(f"CHORE {name} failed: {said}")
                self._failed(name, said)
            self._failing[name] = said
        else:
            if self._failing.pop(name, None) is not None:
                self._log.info(f"CHORE {name} works again")
