"""How the connection stands, for people."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Link(StrEnum):
    """How far the broker can be reached."""

    DOWN = "down"
    CONNECTING = "connecting"
    SERVERS_LOST = "servers lost"
    """TWS answers, but has lost IB's servers: nothing may be placed or changed."""
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Standing:
    """The connection as `status` shows it."""

    link: Link
    epoch: int
    since: datetime
    last_heard_at: datetime | None
    last_error: str
    server_version: int
    skew_s: float | None
    """How far IB's clock is ahead of ours, to half a second."""
    accounts: tuple[str, ...]
