"""Chores by the clock: heartbeat, backup. They carry no safety: a late chore runs late, a missed one once."""

from collections.abc import Awaitable, Callable

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from trader.services.ports import Log

Chore = Callable[[], Awaitable[None]]


class Schedule:
    """Runs chores on the daemon's loop; a chore that fails is said, and runs again at its next time."""

    def __init__(self, log: Log) -> None:
        self._log = log
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

    def stop(self) -> None:
        """End; a chore that runs is not waited for."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    async def _guarded(self, name: str, chore: Chore) -> None:
        try:
            await chore()
        except Exception as error:  # noqa: BLE001  (the chore's edge: it is said, and trading goes on)
            self._log.error(f"CHORE {name} failed: {type(error).__name__}: {error}")
