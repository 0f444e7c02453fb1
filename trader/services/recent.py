"""What happened in the last days, by id: a repeat is known at once. What is older only the book remembers."""

from collections import deque
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Generic, TypeVar

REMEMBERED = timedelta(days=10)
"""So far back a start reads, and a run remembers."""

_Value = TypeVar("_Value")


class Recent(Generic[_Value]):
    """A mapping that forgets what is old: a daemon runs for months."""

    def __init__(self, found: Mapping[str, _Value]) -> None:
        self._found = found
        """What was read at the start; it goes together, when all of it is old."""
        self._kept: dict[str, _Value] = {}
        self._since: deque[tuple[datetime, str]] = deque()

    def __contains__(self, id_: str) -> bool:
        return id_ in self._kept or id_ in self._found

    def __len__(self) -> int:
        return len(self._kept.keys() | self._found.keys())

    def get(self, id_: str) -> _Value | None:
        """What is known of an id."""
        return self._kept[id_] if id_ in self._kept else self._found.get(id_)

    def add(self, id_: str, value: _Value, at: datetime) -> None:
        """Remember one, and forget what has become old by then."""
        self._kept[id_] = value
        self._since.append((at, id_))
        while at - self._since[0][0] > REMEMBERED:
            self._kept.pop(self._since.popleft()[1], None)
            self._found = {}

    def forget(self, ids: Iterable[str]) -> None:
        """These have not happened."""
        for id_ in ids:
            self._kept.pop(id_, None)
