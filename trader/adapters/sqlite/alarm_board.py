"""The Board port on SQLite: an account's open alarms, and where they were told."""

import json
from collections.abc import Collection, Sequence
from datetime import datetime

from trader.adapters.sqlite.one_account import AccountWriter
from trader.adapters.sqlite.queries import QUERIES
from trader.adapters.sqlite.rows import from_us, to_us
from trader.adapters.sqlite.store import SqliteStore
from trader.domain.alarm import Alarm, AlarmType, Severity
from trader.services.telling import OpenAlarm


class SqliteAlarms:
    """Alarms are raised by the store's commits; here they are only read, and kept as told."""

    def __init__(self, writer: AccountWriter, store: SqliteStore) -> None:
        self._writer = writer
        self._store = store

    @property
    def news(self) -> int:
        """So many alarms were raised in this run."""
        return self._store.alarms_raised

    async def untold(self, channel: str, types: Collection[AlarmType]) -> list[OpenAlarm]:
        """Open ones of these types that have happened since this channel told them, the oldest first."""
        asked = {"account": self._writer.account, "channel": channel, "types": json.dumps(sorted(types))}
        return await self._writer.transact(
            lambda connection: [_read(row) for row in connection.execute(QUERIES["untold_alarms"], asked)]
        )

    async def told(self, channel: str, alarms: Sequence[OpenAlarm], at: datetime) -> None:
        """Keep that a channel has taken them."""
        rows = [(self._writer.account, one.id, channel, one.occurrences, to_us(at)) for one in alarms]
        await self._writer.transact(lambda connection: connection.executemany(QUERIES["insert_delivery"], rows))


def _read(row: tuple[object, ...]) -> OpenAlarm:
    seq, type_, severity, subject, text, first_us, last_us, count, times, told_us = row
    alarm = Alarm(AlarmType(str(type_)), Severity(str(severity)), str(subject), str(text), from_us(_int(last_us)))
    told_at = from_us(_int(told_us)) if told_us is not None else None
    return OpenAlarm(_int(seq), alarm, from_us(_int(first_us)), _int(count), _int(times), told_at)


def _int(value: object) -> int:
    assert isinstance(value, int)  # noqa: S101  (STRICT tables; told to the type checker)
    return value
