"""The clock seam: the only place that reads the machine's time."""

import time
from datetime import UTC, datetime

_SINCE_BOOT: int | None = getattr(time, "CLOCK_BOOTTIME", None)
"""Linux has it."""


class SystemClock:
    """The host's wall clock."""

    def now(self) -> datetime:
        """The time, aware UTC."""
        return datetime.now(UTC)  # noqa: TID251  (the seam)

    def suspended_s(self) -> float:
        """How long the host has been suspended since it was booted; 0 where the platform does not tell.

        CLOCK_MONOTONIC does not count the time that the system is suspended, CLOCK_BOOTTIME does; nobody can set either
        (clock_gettime(2)).
        """
        if _SINCE_BOOT is None:
            return 0.0
        awake_s = time.clock_gettime(time.CLOCK_MONOTONIC)  # noqa: TID251  (the seam)
        return time.clock_gettime(_SINCE_BOOT) - awake_s  # noqa: TID251  (the seam)


class SteppedClock:
    """A clock that stands where it was put: a replay's market time, or a test's."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> datetime:
        """The time it was put to."""
        return self._at

    def set(self, at: datetime) -> None:
        """Put the clock to an instant."""
        self._at = at
