"""The daemon's pulse: what work it does, and only while it does it is the service manager told so.

Rule 1: the watchdog is fed by work that was done since it was fed last: the exit scanner has looked at every position.
Time that has passed feeds nothing.
Rule 2: it is not fed while the loop is late, nor while a commit is missing that should be there: as long as something
is held in the session, the book gets its prices each minute.
Rule 3: a book that cannot be written is an alarm and no reason to end: exits go on without it, and a start could not.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from trader.adapters.control import Answer
from trader.adapters.service_manager import WORKS
from trader.domain.decision import Rule
from trader.domain.session import Phase
from trader.services.engine import Engine
from trader.services.ports import Clock

_FED_EVERY_S = 1.0
_MOST_LAG_S = 5.0
COMMIT_MISSING = timedelta(minutes=5)
"""By the market's clock."""

_LAG_REMEMBERED_S = 60.0


class Pulse:
    """Looks at the engine, from the loop."""

    def __init__(self, engine: Engine, clock: Clock, tell: Callable[[str], None]) -> None:
        self._engine = engine
        self._clock = clock
        self._tell = tell
        self._looks = 0
        self._looked_at_s = asyncio.get_running_loop().time()
        self._commits = -1
        self._committed_at = clock.now()
        self._fed_at_s = 0.0
        self._fed_looks = 0
        self._longest_lag_s = 0.0
        self._longest_at_s = 0.0

    def beat(self, now_s: float, lag_s: float) -> None:
        """Look; `now_s` is the loop's time, and `lag_s` by how much it came too late."""
        scans, engine = self._engine.trading.exits.looks, self._engine
        if scans != self._looks:
            self._looks, self._looked_at_s = scans, now_s
        if engine.commits != self._commits or not self._needs_commits():
            self._commits, self._committed_at = engine.commits, self._clock.now()
        if lag_s >= self._longest_lag_s or now_s - self._longest_at_s > _LAG_REMEMBERED_S:
            self._longest_lag_s, self._longest_at_s = lag_s, now_s
        engine.latencies.loop_lag.observe(max(lag_s, 0.0))
        if now_s - self._fed_at_s >= _FED_EVERY_S and self._has_worked(lag_s):
            self._fed_at_s, self._fed_looks = now_s, self._looks
            self._tell(WORKS)

    def _has_worked(self, lag_s: float) -> bool:
        return self._looks > self._fed_looks and lag_s <= _MOST_LAG_S and not self._misses_commit()

    def _needs_commits(self) -> bool:
        trading = self._engine.trading
        is_unwritable = trading.gate.why_closed(Rule.BOOK_UNWRITABLE)
        return bool(self._engine.book.positions) and trading.day.phase != Phase.CLOSED and not is_unwritable

    def _misses_commit(self) -> bool:
        return self._clock.now() - self._committed_at > COMMIT_MISSING

    def as_answer(self) -> Answer:
        """For `status`, and for who watches from outside."""
        now_s = asyncio.get_running_loop().time()
        return {
            "scan_s": round(now_s - self._looked_at_s, 1),
            "commit_s": round((self._clock.now() - self._committed_at).total_seconds(), 1),
            "commit_missing": self._misses_commit(),
            "commit_took_s": round(self._engine.latencies.newest_commit_s, 6),
            "loop_lag_s": round(self._longest_lag_s, 3),
            "unwritable": self._engine.trading.gate.why_closed(Rule.BOOK_UNWRITABLE),
        }
