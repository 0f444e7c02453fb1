"""What came in -> Signal: nothing is believed of a strategy or a file before it has passed here."""

import math
import re
from dataclasses import replace
from datetime import datetime, timedelta

from trader.domain.decision import UNSTAMPED, Refusal, Rule, Signal, Stage

SYMBOL = re.compile(r"[A-Z][A-Z0-9]{0,9}(?:[.\-][A-Z]{1,3})?")
"""US stocks and ETFs, with a class suffix: BRK.B."""

_CLOCK_SKEW = timedelta(seconds=2)
_UNPRINTABLE_SYMBOL = "?"


def check_signal(raw: object, now: datetime, source: str, max_age_s: int) -> Signal | Refusal:
    """Check shape, symbol, probability and age, in that order; stamp the time where it was left out."""
    if not isinstance(raw, Signal):
        return _no(Rule.NOT_A_SIGNAL, _UNPRINTABLE_SYMBOL, detail=f"got {type(raw).__name__}")
    symbol: object = raw.symbol
    if not isinstance(symbol, str) or not SYMBOL.fullmatch(symbol):
        return _no(Rule.BAD_SYMBOL, _UNPRINTABLE_SYMBOL, detail=ascii(symbol)[:60])
    probability: object = raw.probability
    if isinstance(probability, bool) or not isinstance(probability, int | float) or not math.isfinite(probability):
        return _no(Rule.BAD_PROBABILITY, raw.symbol, detail=f"not a number: {ascii(probability)[:60]}")
    if not 0 <= probability <= 1:
        return _no(Rule.BAD_PROBABILITY, raw.symbol, float(probability), 1.0, "outside [0, 1]")
    return _dated(raw, now, source, max_age_s)


def _dated(signal: Signal, now: datetime, source: str, max_age_s: int) -> Signal | Refusal:
    if signal.timestamp is UNSTAMPED:
        return replace(signal, timestamp=now, source=source)
    timestamp: object = signal.timestamp
    if not isinstance(timestamp, datetime) or timestamp.tzinfo is None:
        return _no(Rule.NOT_A_SIGNAL, signal.symbol, detail="timestamp is not a datetime with a time zone")
    age = now - timestamp
    if age > timedelta(seconds=max_age_s):
        return _no(Rule.EXPIRED, signal.symbol, age.total_seconds(), max_age_s, "seconds")
    if age < -_CLOCK_SKEW:
        return _no(Rule.FROM_THE_FUTURE, signal.symbol, -age.total_seconds(), _CLOCK_SKEW.total_seconds(), "seconds")
    return replace(signal, source=source)


def _no(
    rule: Rule, symbol: str, measured: float | None = None, limit: float | None = None, detail: str = ""
) -> Refusal:
    return Refusal(Stage.SIGNAL, rule, symbol, measured, limit, detail)
