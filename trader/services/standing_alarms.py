"""A board in memory, of what cannot be a row: the book cannot be written, or the daemon is not there to write it."""

from collections.abc import Collection, Sequence
from datetime import datetime

from trader.domain.alarm import Alarm, AlarmType
from trader.services.telling import OpenAlarm


class StandingAlarms:
    """Each stands for as long as it is so, and is told again meanwhile; when it is over, that is told, too."""

    def __init__(self) -> None:
        self.news = 0
        self._made = 0
        self._standing: dict[tuple[AlarmType, str], OpenAlarm] = {}
        self._over: dict[tuple[AlarmType, str], OpenAlarm] = {}
        self._told: dict[tuple[str, int], tuple[int, datetime]] = {}
        """By channel and number: how often, and when last."""

    def stand(self, alarms: Collection[Alarm]) -> None:
        """What is so now. What was so before and is not any more is over."""
        now = {(alarm.type, alarm.subject): alarm for alarm in alarms}
        for key in self._standing.keys() - now.keys():
            self._end(key)
        for key, alarm in now.items():
            known = self._standing.get(key)
            if known is None:
                self._over.pop(key, None)
                self._standing[key] = self._new(alarm)
            else:
                self._standing[key] = known._replace(alarm=alarm)

    def _new(self, alarm: Alarm) -> OpenAlarm:
        self.news += 1
        self._made += 1
        return OpenAlarm(self._made, alarm, alarm.at, 1, 0, None)

    def _end(self, key: tuple[AlarmType, str]) -> None:
        ended = self._standing.pop(key)
        if any(number == ended.id for _, number in self._told):
            text = f"no more: {ended.alarm.headline}, since {ended.first_at:%H:%M} UTC"
            self._over[key] = self._new(Alarm.of(AlarmType.WORKS_AGAIN, ended.alarm.subject, text, ended.alarm.at))
        self._told = {told: when for told, when in self._told.items() if told[1] != ended.id}

    async def untold(self, channel: str, types: Collection[AlarmType]) -> list[OpenAlarm]:
        """What stands; and of what is over, what was not told."""
        found = []
        for one in (*self._standing.values(), *self._over.values()):
            times, at = self._told.get((channel, one.id), (0, None))
            if one.alarm.type in types and not (times and one.alarm.type is AlarmType.WORKS_AGAIN):
                found.append(one._replace(occurrences=times + 1, times=times, told_at=at))
        return found

    async def told(self, channel: str, alarms: Sequence[OpenAlarm], at: datetime) -> None:
        """Remember it."""
        for one in alarms:
            self._told[channel, one.id] = (one.times + 1, at)
