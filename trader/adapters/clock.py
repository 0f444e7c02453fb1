"""The clock seam: the only place that reads the machine's time."""

from datetime import UTC, datetime


class SystemClock:
    """The host's wall clock."""

    def now(self) -> datetime:
        """The time, aware UTC."""
        return datetime.now(UTC)  # noqa: TID251  (the seam)


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
