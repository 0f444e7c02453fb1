"""What came in -> Signal: nothing is believed of a strategy or a file before it has passed here."""

import math
import re
from datetime import datetime, timedelta

from trader.domain.decision import UNSTAMPED, Refusal, Rule, Signal, Stage
from trader.domain.rules import LARGEST_SKEW
from trader.domain.strategy import kind_of
from trader.domain.symbol import read_symbol

NO_BAR_SEEN = "no bar of this symbol has been seen"

UNPRINTABLE_SYMBOL = "?"
_ID = re.compile(r"(?!S-)[ -~]{0,64}")
"""Ids that begin with S- are given here."""
_ABSURD = 1e9
_OF_ITS_TIME = frozenset({Rule.EXPIRED, Rule.FROM_THE_FUTURE})
"""Said of signals whose time is one."""


def check_signal(raw: object, now: datetime, source: str, max_age_s: int) -> Signal | Refusal:
    """Check shape, symbol, probability and age, in that order; stamp the time where it was left out."""
    if not isinstance(raw, Signal):
        return _no(Rule.NOT_A_SIGNAL, UNPRINTABLE_SYMBOL, f"got {kind_of(raw)}")
    symbol: object = raw.symbol
    if not isinstance(symbol, str):
        return _no(Rule.BAD_SYMBOL, UNPRINTABLE_SYMBOL, _shown(symbol))
    try:
        named = read_symbol(str.__str__(symbol))
    except ValueError as error:
        return _no(Rule.BAD_SYMBOL, UNPRINTABLE_SYMBOL, str(error))
    return _judged(raw, named, now, source, max_age_s)


def _judged(raw: Signal, symbol: str, now: datetime, source: str, max_age_s: int) -> Signal | Refusal:
    """The rest of the checks, of a signal whose symbol was read."""
    probability: object = raw.probability
    if isinstance(probability, bool) or not isinstance(probability, int | float):
        return _no(Rule.BAD_PROBABILITY, symbol, f"not a number: {_shown(probability)}")
    if not 0 <= probability <= 1:  # NaN is on neither side; a whole number may be too large for a float
        measured = float(probability) if abs(probability) < _ABSURD else None
        return _no(Rule.BAD_PROBABILITY, symbol, "outside [0, 1]", measured, 1.0)
    identity: object = raw.id
    if not isinstance(identity, str) or not _ID.fullmatch(identity):
        why = f"id is no short text of its own, or begins with S-: {_shown(identity)}"
        return _no(Rule.NOT_A_SIGNAL, symbol, why)
    return _dated(raw, symbol, now, source, max_age_s)


def decided_before(identity: str) -> str:
    """What is said of a repeated signal; the story of the first one is found by it."""
    return f"id {identity} was decided before"


def what_remains(raw: object, refusal: Refusal, now: datetime, source: str) -> Signal:
    """What can be kept of a refused signal: its id, probability and time, each as far as it is one."""
    if not isinstance(raw, Signal):
        return Signal(refusal.symbol, math.nan, now, source=source)
    probability: object = raw.probability
    is_number = (
        isinstance(probability, int | float) and not isinstance(probability, bool) and abs(probability) < _ABSURD
    )
    identity: object = raw.id
    is_identity = isinstance(identity, str) and _ID.fullmatch(identity)
    return Signal(
        refusal.symbol,
        float(raw.probability) if is_number else math.nan,
        raw.timestamp if refusal.rule in _OF_ITS_TIME else now,
        str.__str__(raw.id) if is_identity else "",
        source,
    )


def _dated(signal: Signal, symbol: str, now: datetime, source: str, max_age_s: int) -> Signal | Refusal:
    if signal.timestamp is UNSTAMPED:
        return _plain(signal, symbol, now, source)
    timestamp: object = signal.timestamp
    if not isinstance(timestamp, datetime) or timestamp.utcoffset() is None:
        return _no(Rule.NOT_A_SIGNAL, symbol, "timestamp is not a datetime with a time zone")
    age = now - timestamp
    if age > timedelta(seconds=max_age_s):
        return _no(Rule.EXPIRED, symbol, "seconds", age.total_seconds(), max_age_s)
    if age < -LARGEST_SKEW:
        return _no(Rule.FROM_THE_FUTURE, symbol, "seconds", -age.total_seconds(), LARGEST_SKEW.total_seconds())
    return _plain(signal, symbol, timestamp, source)


def _plain(signal: Signal, symbol: str, at: datetime, source: str) -> Signal:
    """The signal as plain text and number: a library's own kinds of them go no further."""
    return Signal(symbol, float(signal.probability), at, signal.id, source)


def _shown(value: object) -> str:
    """A text, cut; of anything else only its type: its own words cannot be relied upon."""
    return ascii(value)[:60] if isinstance(value, str) else kind_of(value)


def _no(rule: Rule, symbol: str, detail: str, measured: float | None = None, limit: float | None = None) -> Refusal:
    return Refusal(Stage.SIGNAL, rule, symbol, measured, limit, detail)
