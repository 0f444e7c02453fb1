"""The dead man's watch: from a process of its own it sees whether the daemon works, and pages when it does not.

Rule 1: it asks for work that was done (looks of the exit scanner, commits, the loop's lag), whether or not a broker is
connected; that a process lives is no work.
Rule 2: a daemon may be down only while nothing is held, nothing works at the broker, and no session is on.
Rule 3: what it cannot see is a finding. It reads the book read-only and changes nothing anywhere.
Rule 4: a book that was there and is not any more, or is another one, is as it was when it could be read.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from datetime import datetime
from typing import NamedTuple

from trader.adapters.calendar import load_calendar
from trader.adapters.service_manager import READY, STOPPING, WORKS
from trader.adapters.sqlite.database import read_only
from trader.adapters.sqlite.one_account import show_only
from trader.adapters.sqlite.rows import LIVE_STATES
from trader.app.host import ThisMachine
from trader.app.settings import Settings
from trader.app.standing import DaemonSays, ask_daemon
from trader.domain.alarm import Alarm, AlarmType
from trader.domain.errors import BookError
from trader.services.ports import Log
from trader.services.standing_alarms import StandingAlarms
from trader.services.telling import Channel, Courier

_OLDEST_SCAN_S = 10.0
_MOST_LAG_S = 5.0


class Seen(NamedTuple):
    """One look."""

    daemon: DaemonSays
    open: str
    """What is held or works at the broker, in words; or nothing."""
    unreadable: str
    """Why the book could not be read; or nothing."""
    in_session: bool
    """The exchange is open, by this host's clock. Never of the embedded market, whose time stands still without us."""
    is_there: bool = True
    """There is a book of this account. Before the first start there is none."""


def look(settings: Settings, now: datetime) -> Seen:
    """Ask the daemon, read the book. Takes some seconds when the daemon is silent."""
    daemon, unreadable = ask_daemon(settings), ""
    open_: str | None = None
    try:
        open_ = _open(settings)
    except (BookError, sqlite3.Error) as error:
        unreadable = str(error) if settings.book.db.exists() else ""
    in_session = False
    if settings.feed.kind == "ibkr":
        calendar = load_calendar(settings.session.cutoffs(), settings.session.calendar_overrides())
        session = calendar.session_at(now)
        in_session = session is not None and session.trades_at(now)
    return Seen(daemon, open_ or "", unreadable, in_session, is_there=open_ is not None or bool(unreadable))


def _open(settings: Settings) -> str | None:
    """What is open, in words; None in a book that does not know of the account."""
    with closing(read_only(settings.book.db)) as book:
        account = settings.account.name
        show_only(book, account)
        if book.execute("SELECT 1 FROM book_accounts WHERE account = ?", (account,)).fetchone() is None:
            return None
        held = book.execute(
            "SELECT symbol, quantity FROM book_positions WHERE account = ? AND quantity > 0 ORDER BY 1", (account,)
        ).fetchall()
        query = f"SELECT count(*) FROM book_orders WHERE account = ? AND state IN {LIVE_STATES}"  # noqa: S608  (our names)
        [orders] = book.execute(query, (account,)).fetchone()
    words = [f"{symbol} {quantity} held" for symbol, quantity in held]
    return ", ".join([*words, *([f"{orders} orders working"] if orders else [])])


def findings(seen: Seen) -> Iterator[tuple[str, str]]:
    """What is not as it should be: what of the work, and in words."""
    if seen.unreadable:
        yield "book", f"the book cannot be read: {seen.unreadable}"
    elif not seen.is_there and seen.daemon.answer is not None:
        yield "book", "a daemon runs, and the book is not there"
    if seen.daemon.answer is not None:
        yield from _not_done(seen.daemon.answer.get("work"))
    elif not seen.daemon.down:
        yield "daemon", f"the daemon does not answer; {seen.open or 'nothing is open'}: {seen.daemon.why}"
    elif seen.open or seen.in_session:
        yield "daemon", f"no daemon runs; {seen.open or 'nothing is open, and the session is on'}; ./START_TRADER.sh"


def _not_done(work: object) -> Iterator[tuple[str, str]]:
    if not isinstance(work, Mapping) or not {"scan_s", "commit_s", "commit_missing", "loop_lag_s"} <= work.keys():
        yield "daemon", "the daemon does not say what work it does; it is of another version"
        return
    if work["scan_s"] > _OLDEST_SCAN_S:
        yield "scan", f"the exits were looked at {work['scan_s']:.0f} s ago"
    if work["commit_missing"]:
        yield "commit", f"nothing was committed for {work['commit_s']:.0f} s of the market, although positions are held"
    if work["loop_lag_s"] > _MOST_LAG_S:
        yield "loop", f"the loop was {work['loop_lag_s']:.1f} s late within the last minute"


class Watch:
    """Looks again and again; what has stood for as long as it is patient is paged, until it is over."""

    def __init__(
        self, settings: Settings, machine: ThisMachine, log: Log, channels: Sequence[Channel], patience_s: float
    ) -> None:
        self._settings = settings
        self._machine = machine
        self._log = log
        self._patience_s = patience_s
        self._board = StandingAlarms()
        self._since_s: dict[str, float] = {}
        self._read: Seen | None = None
        """The last look at which the book could be read."""
        account = settings.account.name
        types = frozenset({AlarmType.WORK_STOPPED, AlarmType.WORKS_AGAIN})
        self.couriers = [
            Courier(self._board, channel, types, account, _no_digest, machine.clock, log) for channel in channels
        ]

    async def look(self) -> None:
        """Once."""
        now = self._machine.clock.now()
        found = dict(findings(self._remembered(await self._machine.aside(look, self._settings, now))))
        now_s = asyncio.get_running_loop().time()
        self._say(found)
        self._since_s = {about: self._since_s.get(about, now_s) for about in found}
        self._board.stand(
            [
                Alarm.of(AlarmType.WORK_STOPPED, about, what, now)
                for about, what in found.items()
                if now_s - self._since_s[about] >= self._patience_s
            ]
        )
        self._machine.tell_manager(WORKS)

    def _remembered(self, seen: Seen) -> Seen:
        """What is open in a book that cannot be read now is what was open in it."""
        if seen.is_there and not seen.unreadable:
            self._read = seen
        if self._read is None or self._read is seen:
            return seen
        gone = "it is there no more, or another one is in its place"
        return seen._replace(open=self._read.open, unreadable=seen.unreadable or gone)

    def _say(self, found: Mapping[str, str]) -> None:
        for about in found.keys() - self._since_s.keys():
            self._log.warning(f"{about}: {found[about]}")
        for about in self._since_s.keys() - found.keys():
            self._log.info(f"{about}: works again")


async def _no_digest(at: datetime) -> str:
    raise NotImplementedError(f"the watch knows of no day ({at})")


async def keep_watch(watch: Watch, every_s: float, stopping: asyncio.Event, tell: Callable[[str], None]) -> None:
    """Look, and page, until it is asked to stop."""
    async with asyncio.TaskGroup() as group:
        paging = [group.create_task(courier.run()) for courier in watch.couriers]
        tell(READY)
        while not stopping.is_set():
            await watch.look()
            with suppress(TimeoutError):
                async with asyncio.timeout(every_s):
                    await stopping.wait()
        tell(STOPPING)
        for task in paging:
            task.cancel()
