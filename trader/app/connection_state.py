"""The connection to the broker as `status` tells it: what the daemon answers, and in words."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field

from trader.adapters.control import Answer

OPEN = "open"
_OLD_BARS_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionState:
    """One look. Durations in seconds."""

    link: str
    epoch: int
    since: str
    heard_s: float | None
    """Since anything was heard."""
    last_error: str
    server_version: int
    skew_s: float | None
    ib_account: str
    bars_s: float | None
    """Age of the oldest of the symbols' newest bars; None before the first one."""
    bars_missing: list[str] = field(default_factory=list)
    """Symbols of which no bar has come."""
    not_live: dict[str, str] = field(default_factory=dict)
    """Symbols whose data are delayed or not to be had, and why."""
    foreign: list[str] = field(default_factory=list)
    """Orders, and positions or fractions of shares, that are there and not ours: left alone."""

    def as_answer(self) -> Answer:
        """As the daemon's socket carries it."""
        return asdict(self)

    def in_words(self) -> str:
        """One line."""
        heard = f", heard {self.heard_s:.0f} s ago" if self.heard_s is not None else ""
        skew = f", its clock {self.skew_s:+.1f} s beside ours" if self.skew_s is not None else ""
        bars = f", bars {self.bars_s:.0f} s old" if self.bars_s is not None else ", no bars yet"
        error = f", last error: {self.last_error}" if self.last_error else ""
        return f"Interactive Brokers {self.link}, epoch {self.epoch} since {self.since}{heard}{skew}{bars}{error}"

    def warnings(self, *, in_session: bool) -> Iterator[str]:
        """What of it keeps anything from being traded."""
        if self.link != OPEN:
            yield f"Interactive Brokers is {self.link} since {self.since}: {self.last_error or 'no reason was given'}"
        for symbol, why in sorted(self.not_live.items()):
            yield f"no live bars of {symbol}: {why}"
        if self.foreign:
            yield f"at the broker and not ours, left alone: {'; '.join(self.foreign)}"
        if in_session and self.bars_s is not None and self.bars_s > _OLD_BARS_S:
            yield f"the newest bar of some symbol is {self.bars_s:.0f} s old"


def read_state(answer: object) -> ConnectionState | None:
    """The state in a daemon's answer; None where there is no connection, or it is told by another version."""
    if not isinstance(answer, Mapping) or not answer:
        return None
    try:
        return ConnectionState(**answer)
    except TypeError:
        return None
