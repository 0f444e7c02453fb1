"""Telling people of alarms: from a board, where they are kept, to a channel, by a courier of its own.

Rule 1: at least once. What a channel has taken is kept on the board; who dies between the two tells it again.
Rule 2: what a channel does not take is tried again until it does, and holds up no other channel.
Rule 3: alarms that are due at one moment are one message.
Rule 4: how long nobody could be told of anything is measured. Knight Capital's notices reached nobody who had to act
(SEC order 34-70694): who cannot be told must not go on trading for ever.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from trader.domain.alarm import Alarm, AlarmType, Severity, tell_again_after
from trader.domain.breaker import Breaker
from trader.domain.errors import BookError
from trader.domain.events import BreakerMeasured
from trader.services.ports import Clock, Log

_LOOK_S = 1.0
_TRIED_AGAIN_S = (5, 15, 60, 300)
_NOTHING_WAITS = timedelta(days=365)
_LINES = 20
"""Of one message."""


class OpenAlarm(NamedTuple):
    """An alarm that nobody has acknowledged, as one channel has told it."""

    id: int
    alarm: Alarm
    """Its newest occurrence."""
    first_at: datetime
    occurrences: int
    times: int
    """So many messages of this channel had it."""
    told_at: datetime | None
    """When the newest of them was taken, by this host's clock."""

    def due_in(self, now: datetime) -> timedelta:
        """How long until it may be told. By a clock that was set, nobody knows: then not long."""
        if self.told_at is None:
            return timedelta()
        return tell_again_after(self.times) - abs(now - self.told_at)

    @property
    def line(self) -> str:
        """For a person."""
        again = f" ({self.occurrences} times since {self.first_at:%H:%M} UTC)" if self.occurrences > 1 else ""
        return f"{self.alarm.severity.upper()} {self.alarm.headline}: {self.alarm.text}{again} #{self.id}"


class Message(NamedTuple):
    """What a channel is given."""

    account: str
    severity: Severity
    title: str
    body: str
    alarms: tuple[OpenAlarm, ...]


def message_of(account: str, due: Sequence[OpenAlarm], more: Sequence[str] = ()) -> Message:
    """Alarms as one message; `more` is put below them."""
    worst = max(due, key=lambda one: one.alarm.severity.rank).alarm
    what = worst.headline if len(due) == 1 else f"{len(due)} alarms"
    lines = [one.line for one in due[:_LINES]]
    if len(due) > _LINES:
        lines.append(f"and {len(due) - _LINES} more; see `trader alerts`")
    for text in more:
        lines += ["", text]
    title = f"[{worst.severity.upper()}] trader {account}: {what}"
    return Message(account, worst.severity, title, "\n".join(lines), tuple(due))


class Board(Protocol):
    """Where alarms are kept, and what was told of them."""

    @property
    def news(self) -> int:
        """Another number whenever there may be something to tell."""
        ...

    async def untold(self, channel: str, types: Collection[AlarmType]) -> list[OpenAlarm]:
        """Open ones of these types that have happened since this channel told them. Raises BookError."""
        ...

    async def told(self, channel: str, alarms: Sequence[OpenAlarm], at: datetime) -> None:
        """Keep that a channel has taken them. Raises BookError."""
        ...


class Channel(Protocol):
    """One way to a person."""

    @property
    def name(self) -> str:
        """By which its deliveries are known."""
        ...

    @property
    def least(self) -> Severity:
        """What is less bad is not told there."""
        ...

    async def deliver(self, message: Message) -> str:
        """Deliver; give why that failed, or nothing. Ends within its deadline."""
        ...


Digest = Callable[[datetime], Awaitable[str]]
"""What a day was, in words."""


class Courier:
    """Carries what one board has to one channel."""

    def __init__(
        self,
        board: Board,
        channel: Channel,
        types: Collection[AlarmType],
        account: str,
        digest: Digest,
        clock: Clock,
        log: Log,
    ) -> None:
        self._board = board
        self._channel = channel
        self._types = types
        self._account = account
        self._digest = digest
        self._clock = clock
        self._log = log
        self._seen = -1
        """The board's news at the last look."""
        self._looked_at: datetime | None = None
        self._rests = timedelta()
        """How long after that look the next one comes, if nothing is new."""
        self._failures = 0
        self._unkept: list[OpenAlarm] = []
        """Taken by the channel, and not kept on the board yet: the book could not be written."""
        self._said = ""
        self.waits_since: datetime | None = None
        """Since when the channel has not taken what is due to it."""
        self.taken_at: datetime | None = None
        """When it has last taken something."""

    async def run(self) -> None:
        """Carry for ever."""
        while True:
            await self.look()
            await asyncio.sleep(_LOOK_S)

    async def look(self) -> None:
        """Deliver what is due. Whatever is wrong with it is said, once, and costs nothing but the delivery."""
        try:
            await self._look()
        except BookError as error:
            self._say_once(f"ALARMS for {self._channel.name} could not be looked up, or kept as delivered: {error}")
        except Exception as error:  # noqa: BLE001  (the courier's edge: trading goes on)
            self._put_off(f"ALARMS for {self._channel.name} failed: {type(error).__name__}: {error}")

    async def _look(self) -> None:
        now, news = self._clock.now(), self._board.news
        waits = self._looked_at is not None and self._looked_at <= now < self._looked_at + self._rests
        if waits and (self._failures or news == self._seen):
            return
        if self._unkept:
            await self._keep()
        untold = [
            one
            for one in await self._board.untold(self._channel.name, self._types)
            if one.alarm.severity.rank >= self._channel.least.rank
        ]
        self._looked_at, self._seen = now, news
        due = [one for one in untold if one.due_in(now) <= timedelta()]
        self._rests = min((one.due_in(now) for one in untold), default=_NOTHING_WAITS)
        if due:
            await self._deliver(due)
        else:
            self.waits_since = None

    async def _deliver(self, due: list[OpenAlarm]) -> None:
        days = [one.alarm.at for one in due if one.alarm.type is AlarmType.DAY_CLOSED]
        why = await self._channel.deliver(message_of(self._account, due, [await self._of_day(day) for day in days]))
        if why:
            self._put_off(f"ALARMS NOT DELIVERED by {self._channel.name}: {why}; they are kept, and tried again")
            return
        self._failures, self._said = 0, ""
        self.waits_since, self.taken_at = None, self._clock.now()
        self._seen = -1
        headlines = "; ".join(one.alarm.headline for one in due[:_LINES])
        self._log.info(f"ALARMS DELIVERED by {self._channel.name}: {headlines} account={self._account}")
        self._unkept += due
        await self._keep()

    def _put_off(self, sentence: str) -> None:
        """Try again later, and the later the more often it has failed."""
        self._rests = timedelta(seconds=_TRIED_AGAIN_S[min(self._failures, len(_TRIED_AGAIN_S) - 1)])
        self._failures += 1
        self.waits_since = self.waits_since or self._clock.now()
        self._say_once(sentence)

    async def _of_day(self, at: datetime) -> str:
        """A day's digest; one that cannot be made keeps no alarm back."""
        try:
            return await self._digest(at)
        except Exception as error:  # noqa: BLE001  (it is said where it would stand)
            return f"its digest could not be made: {type(error).__name__}: {error}"

    async def _keep(self) -> None:
        await self._board.told(self._channel.name, self._unkept, self._clock.now())
        self._unkept.clear()

    def _say_once(self, sentence: str) -> None:
        if sentence != self._said:
            self._said = sentence
            self._log.warning(f"{sentence} account={self._account}")


def unheard(
    channels: Iterable[Sequence[Courier]], now: datetime, cleared_at: datetime | None = None
) -> BreakerMeasured:
    """How long nobody could be told of anything, for the breaker of that; from when a person has cleared it."""
    since = _unheard_since(channels)
    if since is not None and cleared_at is not None:
        since = max(since, cleared_at)
    seconds = max(0.0, (now - since).total_seconds()) if since is not None else 0.0
    return BreakerMeasured(
        Breaker.ALARM_DELIVERY, round(seconds, 1), f"no channel has taken an alarm for {seconds:.0f} s", {}
    )


def _unheard_since(channels: Iterable[Sequence[Courier]]) -> datetime | None:
    """Since when alarms wait that no channel takes, each given by its couriers; None while somebody can be told.

    A channel that has taken something since another one has failed reaches a person: it may have nothing to tell.
    """
    waiting, taken = [], []
    for couriers in channels:
        since = min((one.waits_since for one in couriers if one.waits_since is not None), default=None)
        if since is not None:
            waiting.append(since)
        else:
            taken += [one.taken_at for one in couriers if one.taken_at is not None]
    if not waiting or any(at >= min(waiting) for at in taken):
        return None
    return max(waiting)
