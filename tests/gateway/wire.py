"""The wire: a message is a four-byte length and fields of text, each ended by a zero byte.

Values become text here and come back here, in both directions, so that a field's kind is the only thing a layout
has to name.
"""

import asyncio
import struct
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation

Cell = str | int | Decimal | None
"""What one field holds. None: an empty field, or one of the numbers that stand for "not set"."""

_LENGTH = struct.Struct(">I")
_MAX_FRAME_BYTES = 0xFFFFFF
_UNSET_WHOLE = frozenset({"", "2147483647", "9223372036854775807"})
_UNSET_NUMBER = Decimal("1E308")
_FLAGS: Mapping[str, bool] = {"": False, "0": False, "1": True, "false": False, "true": True}


class Malformed(ValueError):
    """A message that does not follow its layout. Says which field, and what stood there."""


def frame(fields: Iterable[str]) -> bytes:
    """One message as it travels."""
    body = "".join(f"{field}\0" for field in fields).encode()
    return _LENGTH.pack(len(body)) + body


async def read_body(reader: asyncio.StreamReader) -> bytes:
    """The next message without its length; IncompleteReadError when the peer has gone."""
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    if length > _MAX_FRAME_BYTES:
        raise Malformed(f"A frame of {length} bytes; the longest is {_MAX_FRAME_BYTES}.")
    return await reader.readexactly(length)


def fields_of(body: bytes) -> list[str]:
    """The fields of one message."""
    if not body.endswith(b"\0"):
        raise Malformed(f"The last field of {body[:60]!r} has no end.")
    return body[:-1].decode().split("\0")


def text_of(value: Cell) -> str:
    """How a value is written."""
    match value:
        case None:
            return ""
        case bool():
            return "1" if value else "0"
        case Decimal():
            return format(value.normalize() + 0, "f")
        case _:
            return str(value)


def _whole(text: str) -> int | None:
    if text in _UNSET_WHOLE:
        return None
    try:
        return int(text)
    except ValueError:
        raise Malformed(f"{text!r} is not a whole number") from None


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text or "1E400")
    except InvalidOperation:
        raise Malformed(f"{text!r} is not a number") from None
    return number if number < _UNSET_NUMBER else None


def _flag(text: str) -> bool:
    if text not in _FLAGS:
        raise Malformed(f"{text!r} is neither 0 nor 1")
    return _FLAGS[text]


def _nothing(text: str) -> int:
    if text not in ("", "0"):
        raise Malformed(f"{text!r} things of a kind that this gateway does not know")
    return 0


READERS: Mapping[str, Callable[[str], Cell]] = {
    "text": str,
    "int": _whole,
    "num": _number,
    "flag": _flag,
    "none": _nothing,
}
"""What turns the text of a field back into its value, by the field's kind. `none` counts things, and finds none."""
