"""The daemon's couriers: for each channel one from the book, and one from what cannot be in the book at the moment.

A broker that is away in the session becomes an alarm here; it goes by the engine, so that it is a row first. That the
book cannot be written is told from memory while it lasts; the first commit after it has its row.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import chain

from trader.adapters.sqlite.alarm_board import SqliteAlarms
from trader.app.connection_state import OPEN, read_state
from trader.app.marketplace import Marketplace
from trader.app.settings import Settings
from trader.app.wiring import OpenBook
from trader.domain.alarm import Alarm, AlarmType, Telling
from trader.domain.breaker import Breaker
from trader.domain.decision import Rule
from trader.domain.events import BreakerMeasured
from trader.domain.session import Phase
from trader.services.engine import Engine
from trader.services.ports import Clock, Log
from trader.services.standing_alarms import StandingAlarms
from trader.services.telling import Channel, Courier, Digest, unheard

_BROKER_AWAY_S = 60.0
_NO_SESSION = (Phase.CLOSED, "not started")
_LAST_WORDS_S = 5.0


class Couriers:
    """All of them, and what they carry besides rows."""

    def __init__(
        self,
        settings: Settings,
        channels: Sequence[Channel],
        book: OpenBook,
        engine: Engine,
        marketplace: Marketplace,
        clock: Clock,
        log: Log,
        digest: Digest,
    ) -> None:
        self._engine = engine
        self._marketplace = marketplace
        self._standing = StandingAlarms()
        self._away_since_s: float | None = None
        account, types = settings.account.name, settings.alarms.told(Telling.ON)
        self._clock = clock
        self._cleared = engine.book.cleared.get(Breaker.ALARM_DELIVERY)
        self._cleared_at: datetime | None = None
        """When that was seen, by the host's clock."""
        self._by_channel = [
            [
                Courier(board, channel, types, account, digest, clock, log)
                for board in (SqliteAlarms(book.writer, book.store), self._standing)
            ]
            for channel in channels
        ]

    def __bool__(self) -> bool:
        """Whether anybody is told."""
        return bool(self._by_channel)

    @property
    def _couriers(self) -> Iterator[Courier]:
        return chain.from_iterable(self._by_channel)

    def measured(self) -> list[BreakerMeasured]:
        """How long nobody could be told of anything; nothing where nobody is to be told."""
        if not self:
            return []
        now, cleared = self._clock.now(), self._engine.book.cleared.get(Breaker.ALARM_DELIVERY)
        if cleared != self._cleared:  # that is the market's time
            self._cleared, self._cleared_at = cleared, now
        return [unheard(self._by_channel, now, self._cleared_at)]

    async def run(self) -> None:
        """Carry for ever, each channel for itself."""
        async with asyncio.TaskGroup() as group:
            for courier in self._couriers:
                group.create_task(courier.run())

    async def last_words(self) -> None:
        """Tell what is still open, for some seconds: the daemon ends. What is not taken by then the next one tells."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_S), asyncio.TaskGroup() as group:
                for courier in self._couriers:
                    group.create_task(courier.look())

    def look(self, now_s: float) -> None:
        """Look what is so now; `now_s` is the loop's time."""
        why, now = self._engine.trading.gate.why_closed(Rule.BOOK_UNWRITABLE), self._marketplace.clock.now()
        self._standing.stand([Alarm.of(AlarmType.BOOK_UNWRITABLE, "", why, now)] if why else [])
        self._look_at_broker(now_s)

    def _look_at_broker(self, now_s: float) -> None:
        """One that is away in the session is an alarm each minute; how often that is told, the alarm says."""
        state = read_state(self._marketplace.standing())
        if state is None or state.link == OPEN or self._engine.trading.day.phase in _NO_SESSION:
            self._away_since_s = None
            return
        if self._away_since_s is None:
            self._away_since_s = now_s
        elif now_s - self._away_since_s >= _BROKER_AWAY_S:
            self._away_since_s = now_s
            what = f"{state.link} since {state.since}: {state.last_error or 'no reason was given'}"
            self._engine.alarm(AlarmType.BROKER_DOWN, "", what)
