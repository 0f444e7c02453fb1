"""Which facts of the journal are alarms, and how they read.

A fact is either of a kind that always is one, or of the kind `alarm`, which says itself of what type it is. Nobody
raises an alarm in any other way, so that its row is written with what has caused it or not at all.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from trader.domain.alarm import Alarm, AlarmType, plain_text
from trader.domain.events import JournalEntry, JournalType, JsonValue
from trader.domain.money import usd
from trader.domain.symbol import units_of


def alarm_of(entry: JournalEntry) -> Alarm | None:
    """The alarm that a fact of the journal is, or None. Total: nothing in it may keep a commit from being written."""
    try:
        told = _told(entry)
    except (KeyError, ValueError) as error:
        told = _Told(AlarmType.CONTRADICTION, f"{entry.type} does not say what it has to: {error}")
    if told is None:
        return None
    return Alarm.of(told.type, entry.symbol or plain_text(told.about), told.text, entry.at)


def _told(entry: JournalEntry) -> "_Told | None":
    counted = _COUNTED.get(entry.type)
    return _TOLD[entry.type](entry.data) if counted is None else counted(entry.data, units_of(entry.symbol))


class _Told(NamedTuple):
    type: AlarmType
    text: str
    about: str = ""
    """What it is about, where that is no symbol."""


_Data = Mapping[str, JsonValue]


def _said_itself(data: _Data) -> _Told:
    return _Told(AlarmType(str(data["alarm"])), str(data["what"]), str(data.get("about", "")))


def _not_flat(data: _Data) -> _Told:
    when = "after the close" if data["after_close"] else "before the close"
    return _Told(AlarmType.NOT_FLAT, f"{data['held'] or 'no position'}, {data['orders']} orders working, {when}")


def _order_state(data: _Data) -> _Told | None:
    if data["state"] != "unknown":
        return None
    return _Told(AlarmType.ORDER_UNKNOWN, f"nobody knows what became of {data['order_ref']}: {data['reason']}")


def _phase(data: _Data) -> _Told | None:
    if data["phase"] != "closed" or not data["before"]:
        return None
    return _Told(AlarmType.DAY_CLOSED, "the session has closed")


def _stopped(data: _Data) -> _Told:
    type_ = AlarmType.FAILED if data.get("failed") else AlarmType.STOPPED
    return _Told(type_, f"the daemon has stopped: {data['reason']}")


def _cash_differs(data: _Data) -> _Told:
    book, broker = (usd(amount) for amount in (data["book_micros"], data["broker_micros"]) if isinstance(amount, int))
    return _Told(AlarmType.CASH_DIFFERS, f"the book has {book}, the broker {broker}")


def _latch(data: _Data) -> str:
    return " ".join(str(data[name]) for name in ("breaker", "target") if data[name])


def _tripped(data: _Data) -> _Told:
    closes = "; what is held is closed" if data["flattens"] else ""
    return _Told(AlarmType.BREAKER, f"{data['cause']}; {data['formula']}; entries are stopped{closes}", _latch(data))


_TOLD: Mapping[JournalType, Callable[[_Data], _Told | None]] = {
    JournalType.ALARM: _said_itself,
    JournalType.NOT_FLAT: _not_flat,
    JournalType.CONFLICT_FOUND: lambda data: _Told(
        AlarmType.CONFLICT,
        f"a family is held both ways; its {'inverse' if data['closing_side'] == -1 else 'long'} side is closed",
    ),
    JournalType.CASH_DIFFERS: _cash_differs,
    JournalType.CLOCK_DIFFERS: lambda data: _Told(
        AlarmType.CLOCK_DIFFERS,
        f"the broker's clock is {data['skew_s']} s beside this host's; entries are stopped",
    ),
    JournalType.IDENTITY_BROKEN: lambda data: _Told(AlarmType.IDENTITY_BROKEN, str(data["what"])),
    JournalType.VERSION_DIFFERS: lambda data: _Told(
        AlarmType.VERSION_DIFFERS,
        f"what runs is not what is on disk: {data['what']}; ./START_TRADER.sh --restart",
    ),
    JournalType.EXECUTIONS_UNTOLD: lambda data: _Told(
        AlarmType.EXECUTIONS_UNTOLD,
        f"between {data['after']} and {data['before']}; compare the broker's statement",
    ),
    JournalType.ORDER_STATE: _order_state,
    JournalType.EPOCH_ENDED: lambda data: _Told(AlarmType.EPOCH_ENDED, str(data["reason"])),
    JournalType.HALTED: lambda data: _Told(
        AlarmType.HALTED, f"entries are stopped: {data['reason']}", str(data["target"])
    ),
    JournalType.RESUMED: lambda data: _Told(
        AlarmType.RESUMED, f"entries of {data['key']} resumed: {data['reason']}", str(data["key"])
    ),
    JournalType.BREAKER_TRIPPED: _tripped,
    JournalType.BREAKER_CLEARED: lambda data: _Told(
        AlarmType.RESUMED, f"the breaker {data['breaker']} was cleared: {data['reason']}", _latch(data)
    ),
    JournalType.RUN_STARTED: lambda data: _Told(AlarmType.STARTED, f"a {data['kind']} run has started"),
    JournalType.RUN_STOPPED: _stopped,
    JournalType.PHASE: _phase,
}

_COUNTED: Mapping[JournalType, Callable[[_Data, str], _Told]] = {
    JournalType.LEFT_OVERNIGHT: lambda data, units: _Told(
        AlarmType.LEFT_OVERNIGHT,
        f"{data['quantity']} {units} should have been closed; they are closed first",
    ),
    JournalType.DRIFT_FOUND: lambda data, units: _Told(
        AlarmType.DRIFT,
        f"the book has {data['book']} {units}, the broker {data['broker']}; entries of the family are stopped",
    ),
}
"""Those that count what is held: shares, or contracts."""

ALARMING = frozenset({*_TOLD, *_COUNTED})
"""Facts that may be alarms; of all others nothing has to be asked."""
