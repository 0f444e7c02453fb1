"""What a strategy says, before anything of it is believed."""

from typing import NamedTuple


class Raised(NamedTuple):
    """What a strategy raised, in words: the exception itself is not kept."""

    name: str
    said: str


class Foreign(NamedTuple):
    """A value that another process could only name."""

    kind: str
    """Its type there."""


class Said(NamedTuple):
    """What a strategy said at one bar."""

    symbol: str
    """Of the bar."""
    answers: list[object]


def kind_of(value: object) -> str:
    """The name of a value's type, also of one that stayed in another process."""
    return value.kind if isinstance(value, Foreign) else type(value).__name__
