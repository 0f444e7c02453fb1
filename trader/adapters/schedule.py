"""Chores by the clock: heartbeat, backup. They carry no safety: a late chore runs late, a missed one once."""

import asyncio
from collections.abc import Awaitable, Callable

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from trader.services.ports import Log

Chore = Callable[[], Awaitable[None]]

_LONGEST_CHORE_S = 5.0


class Schedule:
    """Runs chores on the daemon's loop; a chore that fails is said, and runs again at its next time.

    The same failure is said once, until the chore has done its work again.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._failing: dict[str, str] = {}
        self._running: set[asyncio.Task[object]] = set()
        self._scheduler = AsyncIOScheduler(
            timezone="America/New_York", job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        )

    def every(self, seconds: float, name: str, chore: Chore) -> None:
        """Run a chore again and again."""
        self._scheduler.add_job(self._guarded, "interval", seconds=seconds, args=(name, chore), id=name)

    def daily(self, hour: int, minute: int, name: str, chore: Chore) -> None:
        """Run a chore once a day, New York time."""
        self._scheduler.add_job(self._guarded, "cron", hour=hour, minute=minute, args=(name, chore), id=name)

    def start(self) -> None:
        """Begin."""
        self._scheduler.start()

    async def stop(self) -> None:
        """Begin no chore any more, and let those that run finish, for some seconds."""
        if not self._scheduler.running:
            return
        self._scheduler.pause()
        if self._running:
            await asyncio.wait(self._running, timeout=_LONGEST_CHORE_S)
        self._scheduler.shutdown(wait=False)

    async def _guarded(self, name: str, chore: Chore) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  (told to the type checker)
        self._running.add(task)
        try:
            await self._said_once(name, chore)
        except asyncio.CancelledError:
            self._log.warning(f"CHORE {name} was broken off by the stop")
        finally:
            self._running.discard(task)

    async def _said_once(self, name: str, chore: Chore) -> None:
        try:
            await chore()
        except Exception as error:  # noqa: BLE001  (the chore's edge: it is said, and trading goes on)
            said = f"{type(error).__name__}: {error}"
            if self._failing.get(name) != said:
                self._log.error(f"CHORE {name} failed: {said}")
            self._failing[name] = said
        else:
            if self._failing.pop(name, None) is not None:
                self._log.info(f"CHORE {name} works again")
