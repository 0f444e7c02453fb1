"""What the daemon and a strategy's process say to each other: one JSON object a line, each asked for by its number.

    daemon   {"n": 7, "do": "bars", "bars": [[symbol, start_us, open, high, low, close, volume], ...]}
    child    {"n": 7, "said": [[symbol of the bar, [answer, ...]], ...]}   or   {"n": 7, "fault": "a sentence"}

An answer is a JSON value as it is, or {"signal": [symbol, probability, time_us, id]}, {"raised": [name, text]}, or
{"foreign": type} for what JSON has no value for. Prices are micros, times microseconds UTC. What comes from the child
is data, whatever it is: only these shapes are taken.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from trader.domain.decision import UNSTAMPED, Signal
from trader.domain.market import Bar
from trader.domain.strategy import Foreign, Raised, Said

LONGEST_LINE = 1_000_000
"""Bytes. What a strategy may say of a bar time is far less."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LONGEST_TEXT = 200
_LARGEST_INT = 10**15
"""Of what is larger than anything meant, this is said."""

Frame = dict[str, object]


class Nonsense(ValueError):
    """What the child has written is none of the shapes above."""


def line_of(frame: Frame) -> bytes:
    """One line."""
    return json.dumps(frame, separators=(",", ":")).encode() + b"\n"


def read_line(line: bytes) -> Frame:
    """The frame of a line. Raises Nonsense."""
    try:
        frame: object = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Nonsense(f"{line[:40]!a} is no JSON") from error
    if not isinstance(frame, dict):
        raise Nonsense(f"{line[:40]!a} is no JSON object")
    return frame


# bars


def plain_bars(bars: Iterable[Bar]) -> list[list[object]]:
    """Bars as arrays."""
    return [[bar.symbol, (bar.timestamp - _EPOCH) // _MICROSECOND, *bar[2:]] for bar in bars]


def read_bars(plain: Iterable[Sequence[object]]) -> list[Bar]:
    """The bars again; the daemon is believed."""
    return [Bar(symbol, _EPOCH + start_us * _MICROSECOND, *rest) for symbol, start_us, *rest in plain]  # type: ignore[operator,arg-type]


# what is said to them


def plain_said(said: Iterable[Said]) -> list[list[object]]:
    """What a strategy has said, in the child."""
    return [[symbol, [_plain_answer(answer) for answer in answers]] for symbol, answers in said]


def _plain_answer(answer: object) -> object:
    if isinstance(answer, Signal):
        at = None if answer.timestamp is UNSTAMPED else _plain_time(answer.timestamp)
        return {"signal": [_plain_value(answer.symbol), _plain_value(answer.probability), at, _plain_value(answer.id)]}
    if isinstance(answer, Raised):
        return {"raised": [answer.name[:_LONGEST_TEXT], answer.said[:_LONGEST_TEXT]]}
    return _plain_value(answer)


def _plain_time(at: object) -> object:
    if isinstance(at, datetime) and at.utcoffset() is not None:
        return (at - _EPOCH) // _MICROSECOND
    return _foreign(at)


def _plain_value(value: object) -> object:
    if isinstance(value, str):
        return str.__str__(value)[:_LONGEST_TEXT]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, int):
        return max(-_LARGEST_INT, min(int(value), _LARGEST_INT))
    return _foreign(value)


def _foreign(value: object) -> Frame:
    return {"foreign": type(value).__name__[:_LONGEST_TEXT]}


def read_said(plain: object, ends_at: datetime) -> tuple[Said, ...]:
    """What a strategy has said, in the daemon; a signal without a time is of the end of its bar. Raises Nonsense."""
    if not isinstance(plain, list):
        raise Nonsense("what is said is no list")
    return tuple(_read_said(at_a_bar, ends_at) for at_a_bar in plain)


def _read_said(plain: object, ends_at: datetime) -> Said:
    match plain:
        case [str(symbol), list(answers)]:
            return Said(symbol, [_read_answer(answer, ends_at) for answer in answers])
    raise Nonsense("what is said is of no bar")


def _read_answer(answer: object, ends_at: datetime) -> object:
    match answer:
        case {"signal": [symbol, probability, at, identity], **rest} if not rest:
            when = ends_at if at is None else _read_time(at)
            return Signal(_read_value(symbol), _read_value(probability), when, _read_value(identity))  # type: ignore[arg-type]
        case {"raised": [str(name), str(said)], **rest} if not rest:
            return Raised(_printable(name), _printable(said))
    return _read_value(answer)


def _printable(text: str) -> str:
    return (text if text.isprintable() else ascii(text))[:_LONGEST_TEXT]


def _read_time(at: object) -> object:
    if type(at) is not int:
        return _read_value(at)
    try:
        return _EPOCH + at * _MICROSECOND
    except OverflowError:
        raise Nonsense(f"{str(at)[:40]} is no time") from None


def _read_value(value: object) -> object:
    match value:
        case {"foreign": str(kind), **rest} if not rest:
            return Foreign(kind[:_LONGEST_TEXT])
        case None | bool() | int() | float() | str():
            return value
    raise Nonsense(f"a {type(value).__name__} is no answer")
