"""What a broker holds against what a book says it holds, instrument by instrument."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple


class Differs(StrEnum):
    """How an instrument differs between the two."""

    PHANTOM = "phantom"
    """Only the book has it."""
    MISSING = "missing"
    """Only the broker has it: a foreign one."""
    QUANTITY = "quantity_differs"


class Difference(NamedTuple):
    """An instrument of which the two have another quantity; the broker's is negative where the account is short."""

    symbol: str
    book: int
    broker: int

    @property
    def kind(self) -> Differs:
        """How it differs."""
        if self.broker and self.book:
            return Differs.QUANTITY
        return Differs.MISSING if self.broker else Differs.PHANTOM


class Comparison(NamedTuple):
    """Numbers are of instruments."""

    broker: int
    book: int
    instruments: int
    """Held by either."""
    differences: tuple[Difference, ...]

    @property
    def matched(self) -> int:
        """Held by both, in the same quantity."""
        return self.instruments - len(self.differences)

    def count(self, kind: Differs) -> int:
        """Differences of a kind."""
        return sum(difference.kind is kind for difference in self.differences)


def compare(book: Mapping[str, int], broker: Mapping[str, int]) -> Comparison:
    """Compare two whole lists of quantities by symbol; what has none is not held."""
    symbols = sorted(symbol for symbol in {*book, *broker} if book.get(symbol) or broker.get(symbol))
    both = [Difference(symbol, book.get(symbol, 0), broker.get(symbol, 0)) for symbol in symbols]
    return Comparison(
        broker=sum(bool(one.broker) for one in both),
        book=sum(bool(one.book) for one in both),
        instruments=len(both),
        differences=tuple(one for one in both if one.book != one.broker),
    )
