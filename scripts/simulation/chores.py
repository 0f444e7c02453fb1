"""APScheduler reads the machine's clock by a name in its modules; in a simulation that name means the host's wall."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo

from apscheduler.executors import base as executors
from apscheduler.schedulers import base as schedulers

from trader.services.ports import Clock

_READERS = (schedulers, executors)


@contextmanager
def driven_by(clock: Clock) -> Iterator[None]:
    """Meanwhile chores go by this clock."""

    class Wall(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return clock.now().astimezone(tz or UTC)

    for module in _READERS:
        module.datetime = Wall
    try:
        yield
    finally:
        for module in _READERS:
            module.datetime = datetime
