"""One run: a seed, some trading days, as many lives of the daemon as it takes, and what was found."""

import shutil
import signal
import traceback
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from simulation.configuration import SIM, Broker, make_settings, moved
from simulation.embedded import EmbeddedPlace
from simulation.faults import Fault, Faults
from simulation.history import History
from simulation.host import Machine, SimulatedHost
from simulation.invariants import When, broken
from simulation.life import End, Life
from simulation.loop import SeededLoop
from simulation.lost_power import put
from simulation.person import Person, Post
from simulation.power import Power
from simulation.scene import Scene
from simulation.seen_disk import DISK
from simulation.strategies import FAULTS
from trader.adapters.calendar import load_calendar
from trader.app.daemon import Daemon
from trader.domain.portfolio import Book
from trader.domain.rules import Protection
from trader.domain.session import Calendar, SessionDay, new_york_date

if TYPE_CHECKING:
    from simulation.gateway_place import GatewayPlace

_MORE_DAYS = 3
"""Who sleeps over the healed day gets another one."""
_LAST_LINES = 60
_FILLS = "SELECT execution_id, symbol, side, quantity FROM book_fills ORDER BY id"
_FIRST_DAY, _LAST_DAY = date(2000, 2, 1), date(2001, 12, 1)
"""Early: the embedded market grows its levels from the year 2000 on. Both years have half days and clock changes."""
_A_MINUTE = timedelta(minutes=1)
_A_WEEK = timedelta(days=7)
_LONGEST_LIFE = 3_000_000
_STALLS_AT = 500
"""Every so many callbacks the loop may stand still."""
_WATCHED = 0.3
"""The share of lives whose disk is watched; that takes its time."""
_MOST_REFUSALS = 20
"""One after another, while a disk or a broker may fail; none where nothing does."""
_CLOCK_CHANGES = (date(2000, 4, 2), date(2000, 10, 29), date(2001, 4, 1), date(2001, 10, 28))


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that must not be."""

    number: int
    """Of the invariant; 0 where the daemon itself has failed."""
    fault: str
    life: int
    at: datetime | None
    """Market time."""
    strikes: int
    """So many faults had struck."""


@dataclass(slots=True)
class Outcome:
    """What one run has seen."""

    seed: str
    days: int = 0
    lives: int = 0
    events: int = 0
    """Steps of the daemon after which everything was checked."""
    callbacks: int = 0
    struck: Counter[Fault] = field(default_factory=Counter)
    latest: list[Fault] = field(default_factory=list)
    """The last that struck, in order."""
    trace: str = ""
    violation: Violation | None = None
    last_lines: list[str] = field(default_factory=list)
    traceback: str = ""
    """Of what the daemon died of, where it died of itself."""
    ends: Counter[End] = field(default_factory=Counter)
    orders: int = 0
    fills: int = 0


class World:
    """What survives every life."""

    def __init__(
        self,
        seed: str,
        days: int,
        folder: Path,
        limit: int | None = None,
        *,
        healed_days: int = 1,
        broker: Broker = Broker.PAPER,
        account: str = SIM,
        first_day: date | None = None,
    ) -> None:
        """Some days on which anything may go wrong, then days on which nothing does; these may be none.

        `first_day`: where others begin with it on the same book; else it is up to the seed.
        """
        self._seed = seed
        self._random = Random(f"{seed}:world")
        self._folder = folder
        self._faults = Faults(seed, limit)
        self._history = History()
        self._calendar = load_calendar()
        first = first_day or a_first_day(self._random, self._calendar)
        self._born_at = datetime.combine(first - timedelta(days=1), time(12), tzinfo=UTC)
        self._sessions = _sessions(self._calendar, first, days + healed_days)
        protection = Random(f"{seed}:protection").choice(list(Protection))
        is_gateway = broker is Broker.GATEWAY
        short = _sessions(self._calendar, first, days + healed_days + _MORE_DAYS) if is_gateway else ()
        self._settings = make_settings(folder / "0", self._random, protection, short, account)
        if is_gateway:
            self._calendar = load_calendar(overrides=self._settings.session.calendar_overrides())
        self._place = self._gateway_place() if is_gateway else self._embedded_place()
        self._venue, self._market = self._place.venue, self._place.market
        self._venue.executed = self._history.executed
        self._has_healed_days = healed_days > 0
        healed = self._calendar.next_session(self._sessions[days - 1])
        self._heals_at = healed.opens_at - timedelta(minutes=1)
        self._ends_at = self._place.end_of(self._sessions[-1])
        self._closes_at = self._calendar.next_session(first - timedelta(days=1)).closes_at + _A_MINUTE
        self._lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._scene = Scene(
            self._settings, self._venue, self._market, self._history, self._faults, is_alone=account == SIM
        )
        self._life: Life | None = None
        self._dies_at = 0
        self._book_seen: object = None
        self._positions_seen: object = None
        self._held: dict[str, int] = {}
        self._entries_seen = 0
        self._is_settled = self._is_sent_to_bed = False
        self._looked_at: datetime | None = None
        self._refusals = 0
        self.outcome = Outcome(seed, days=len(self._sessions))

    def _embedded_place(self) -> EmbeddedPlace:
        return EmbeddedPlace(self._settings, self._calendar, self._faults, self._random, self._born_at)

    def _gateway_place(self) -> "GatewayPlace":
        from simulation.gateway_place import GatewayPlace  # the client library takes its time to load

        random = Random(f"{self._seed}:gateway")
        return GatewayPlace(random, self._sessions[0], self._calendar, self._faults, self._history)

    def run(self) -> Outcome:
        """Live until the days are over, or something is violated."""
        while not self.is_over:
            self.live()
        return self.end()

    @property
    def is_over(self) -> bool:
        """No life comes any more."""
        return self.outcome.violation is not None or self._is_over

    def live(self) -> None:
        """One life, from its start to its death."""
        token = FAULTS.set(self._faults)
        try:
            self._next_life()
        finally:
            FAULTS.reset(token)

    def take_over(self, book: Path) -> None:
        """Go on with the book as another account's life has left it: with its log of writes, as a process finds it."""
        self._scene.turn_the_page()
        for left in self.db.parent.glob(f"{self.db.name}*"):
            left.unlink()
        for path in sorted(book.parent.glob(f"{book.name}*")):
            if not path.name.endswith("-shm"):
                shutil.copy2(path, self.db.parent / path.name)

    @property
    def db(self) -> Path:
        """The book of the next life, or of the last one."""
        return self._settings.book.db

    def end(self) -> Outcome:
        """Look at all of it once more, and tell."""
        if self.outcome.violation is None:
            self._check(When.OVER)
        outcome = self.outcome
        outcome.struck, outcome.trace, outcome.last_lines = self._faults.struck, self._history.trace, list(self._lines)
        outcome.latest = list(self._faults.latest)
        outcome.orders, outcome.fills = len(self._history.orders), len(self._venue.executions)
        return outcome

    @property
    def _is_over(self) -> bool:
        return self._market.at is not None and self._market.at >= self._ends_at

    def _next_life(self) -> None:
        number = self.outcome.lives
        self.outcome.lives += 1
        self._heal_when_due(self._market.at or self._born_at)
        was_healed = self._faults.is_healed
        loop = SeededLoop(Random(f"{self._seed}:loop:{number}"), self._after_each)
        self._history.begin(number, loop.time, str(self._settings.book.db.parent))
        host = self._place.host(Machine(loop, self._faults, self._history, self._lines.append, self._committed))
        self._life = Life(self._settings, loop, host, self._power(loop), self._hire)
        self._scene.host, self._scene.engine, self._scene.life = host, None, number
        self._scene.person = self._scene.recovered_at = None
        self._is_settled = self._is_sent_to_bed = False
        self._looked_at = None
        self._plan_death()
        end = self._life.live()
        self._history.end(end)
        self.outcome.ends[end] += 1
        self.outcome.callbacks += loop.callbacks
        self._refusals = self._refusals + 1 if end is End.REFUSED else 0
        if self._refusals > (0 if was_healed else _MOST_REFUSALS):
            self.violated(39, f"a daemon starts again: this one refuses to: {self._life.error}")
        self._over(end)

    def _over(self, end: End) -> None:
        assert self._life is not None  # noqa: S101
        if end in (End.FAILED, End.STUCK) and self.outcome.violation is None:
            self.violated(0, f"the daemon {end}: {self._life.error!r}")
            self.outcome.traceback = "".join(traceback.format_exception(self._life.error))
        self._scene.engine = None
        self._scene.turn_the_page()
        self._move_to_new_files()
        self._life.bury()
        if self._place.errors:
            self.violated(0, f"the protocol was broken: {self._place.errors}")
        if self._scene.has_begun:
            self._history.written(self._scene.rows(_FILLS))
            self._check(When.DEATH)
        if not self._is_over:
            self._be_down()

    def _move_to_new_files(self) -> None:
        """What was written is there for the next life; what a dead process would still write goes elsewhere."""
        before = self._settings.book.db.parent
        after = self._folder / str(self.outcome.lives)
        after.mkdir()
        for path in sorted(before.iterdir()):
            if path.is_file() and not path.name.endswith("-shm"):
                shutil.copy2(path, after / path.name)
        self._lose_power(after)
        self._settings = moved(self._settings, after)
        self._scene.settings = self._settings

    def _lose_power(self, folder: Path) -> None:
        """Where the power has failed, the book's files are what the disk has kept of them."""
        power = self._life.power if self._life is not None else None
        if power is None or power.left_on_disk is None:
            return
        db = folder / self._settings.book.db.name
        for ending in ("", "-wal", "-journal"):
            db.with_name(f"{db.name}{ending}").unlink(missing_ok=True)
        put(power.left_on_disk, folder)

    def _power(self, loop: SeededLoop) -> Power | None:
        """A book that is being made is renamed, which is no business of SQLite's and not seen."""
        db = self._settings.book.db
        if DISK is None or not db.exists() or self._random.random() > _WATCHED:
            return None
        return Power(db, self._faults, self._random, loop.stop)

    def _be_down(self) -> None:
        at = self._market.at
        if at is None:
            return
        minutes = self._random.choice((0, 0, 0.2, 1, 5))
        if self._faults.strikes(Fault.DOWN_OVERNIGHT, 0.1):
            minutes = self._random.choice((60, 400, 1440, 2000))
        self._market.come_to(at + timedelta(minutes=minutes))

    def _plan_death(self) -> None:
        recovery = self._place.longest_recovery
        if self._random.random() < 0.15:
            self._dies_at, self._death = self._random.randint(1, recovery), Fault.KILLED_IN_RECOVERY
        else:
            self._dies_at = self._random.randint(recovery, self._place.longest_life)
            self._death = self._random.choice((Fault.KILLED, Fault.KILLED, Fault.STOPPED))
        self._writes_left = self._random.randint(1, 400) if self._random.random() < 0.3 else 0

    def _death_of(self, life: Life) -> Fault:
        """What it dies of now: one that was to be killed in its recovery may have come through."""
        has_come_through = self._death is Fault.KILLED_IN_RECOVERY and life.is_running
        return Fault.KILLED if has_come_through else self._death

    def _committed(self) -> None:
        """A transaction is on the disk, and nobody has heard of it."""
        life = self._life
        if self._writes_left and life is not None and not life.is_over:
            self._writes_left -= 1
            if not self._writes_left and self._faults.strikes(Fault.KILLED_AT_A_WRITE, 1.0):
                life.loop.stop()

    def _after_each(self) -> None:
        life = self._life
        assert life is not None  # noqa: S101
        loop = life.loop
        if life.daemon is not None:
            self._look(life, life.daemon)
        if self.outcome.violation is not None:
            loop.stop()
        elif loop.callbacks == self._dies_at and self._faults.strikes(self._death_of(life), 1.0):
            life.stop(signal.SIGTERM) if self._death is Fault.STOPPED else loop.stop()
        elif loop.callbacks % _STALLS_AT == 0 and self._faults.strikes(Fault.LOOP_STALLS, 0.01):
            loop.stall(self._faults.chance(Fault.LOOP_STALLS).choice((0.3, 2, 11)))
        elif loop.callbacks > _LONGEST_LIFE:
            self.violated(0, "the life does not end")
            loop.stop()

    def _look(self, life: Life, daemon: Daemon) -> None:
        """After a callback: has anything changed?"""
        scene, engine = self._scene, daemon.engine
        scene.engine = engine
        is_news = life.is_running and scene.recovered_at is None
        if is_news:
            scene.recovered_at = self._market.at
        if engine.book is not self._book_seen:
            self._note_what_is_held(engine.book)
        entries = len(self._history.entries)
        if is_news or engine.book is not self._book_seen or entries != self._entries_seen:
            self._book_seen, self._entries_seen = engine.book, entries
            self.outcome.events += 1
            self._check(When.STEP)
        feed = life.host.feed_
        if self._market.at is None or feed is None:
            return
        at = max(self._market.at, feed.truth)
        if at != self._looked_at:
            self._looked_at = at
            self._look_at_the_time(life, at)

    def _look_at_the_time(self, life: Life, at: datetime) -> None:
        if at >= self._closes_at:
            self._close_until(at)
            self._check(When.CLOSE)
        self._heal_when_due(at)
        if self._is_over and not self._is_settled:
            self._is_settled = True
            if self._has_healed_days:
                self._check(When.SETTLED)
        if (self._is_over or self._market.is_night) and not self._is_sent_to_bed:
            self._is_sent_to_bed = True
            life.stop(signal.SIGTERM)

    def _heal_when_due(self, at: datetime) -> None:
        """From then on nothing strikes, whether or not a daemon is there to see it."""
        if at < self._heals_at or self._faults.is_healed:
            return
        self._faults.is_healed, self._scene.healed_at = True, at
        if self._has_healed_days:
            seen_whole = self._opens_after(at)
            self._ends_at = max(self._ends_at, self._place.end_of(seen_whole.day))

    def _opens_after(self, at: datetime) -> SessionDay:
        """The next session that is seen whole: a daemon may sleep over the one on which nothing was to strike."""
        today = self._calendar.session(new_york_date(at))
        return today if today is not None and at < today.opens_at else self._calendar.next_session(new_york_date(at))

    def _close_until(self, at: datetime) -> None:
        """Of the sessions that are over the newest is looked at: nobody has seen those before it close."""
        while at >= self._closes_at:
            closed_on = new_york_date(self._closes_at)
            self._scene.closed = self._calendar.session(closed_on)
            self._note_what_day_it_was(closed_on)
            self._closes_at = self._calendar.next_session(closed_on).closes_at + _A_MINUTE

    def _note_what_day_it_was(self, day: date) -> None:
        calendar = load_calendar()
        session, before = calendar.session(day), calendar.next_session(day - _A_WEEK)
        if session is not None and session.half_day:
            self._faults.seen(Fault.HALF_DAY)
        if session is not None and session.opens_at.time() != before.opens_at.time():
            self._faults.seen(Fault.CLOCKS_CHANGED)

    def _note_what_is_held(self, book: Book) -> None:
        """The ledger shows other shares than at the look before, if need be one of an earlier life."""
        if book.positions is self._positions_seen:
            return
        self._positions_seen = book.positions
        held = {symbol: position.quantity for symbol, position in book.positions.items()}
        for symbol in sorted({*self._held, *held}):
            if self._held.get(symbol, 0) != held.get(symbol, 0):
                self._history.booked(symbol, held.get(symbol, 0))
        self._held = held

    def _check(self, when: When) -> None:
        for number, fault in broken(self._scene, when):
            self.violated(number, fault)
            return

    def _hire(self, daemon: Daemon, host: SimulatedHost) -> Person:
        assert host.inner_door is not None  # noqa: S101
        inbox = self._settings.inbox_path()
        assert inbox is not None  # noqa: S101
        halt_file = self._settings.book.halt_file
        post = Post(self._faults, self._venue, self._place.market_speed)
        self._scene.person = Person(post, daemon.engine, host.inner_door, inbox, halt_file)
        return self._scene.person

    def violated(self, number: int, fault: str) -> None:
        """Something is that must not be; the first of it ends the run."""
        if self.outcome.violation is None:
            life = self.outcome.lives - 1
            self.outcome.violation = Violation(number, fault, life, self._market.at, self._faults.strikes_made)


def a_first_day(random: Random, calendar: Calendar) -> date:
    """Any session; now and then one before a half day, or before the clocks change."""
    span = (_LAST_DAY - _FIRST_DAY).days
    day = calendar.next_session(_FIRST_DAY + timedelta(days=random.randrange(span))).day
    if random.random() < 0.25:
        half_days = sorted(early for early in calendar.early_closes if _FIRST_DAY < early < _LAST_DAY)
        day = calendar.next_session(random.choice(half_days) - timedelta(days=3)).day
    elif random.random() < 0.25:
        day = calendar.next_session(random.choice(_CLOCK_CHANGES) - timedelta(days=3)).day
    return day


def _sessions(calendar: Calendar, first: date, number: int) -> list[date]:
    days = [first]
    while len(days) < number:
        days.append(calendar.next_session(days[-1]).day)
    return days
