"""Cash that comes or goes otherwise than by trading, and cash that book and broker do not agree on."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from trader.domain.money import usd

_ROUNDED_MICROS = 10_000
"""A broker tells its cash in cents, and charges fractions of them."""


class CashKind(StrEnum):
    """Why cash moves."""

    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    INTEREST = "interest"
    DIVIDEND = "dividend"
    TAX = "tax"
    FEE = "fee"
    CORRECTION = "correction"
    """Of a mistake in the book; a statement has none."""

    def fault(self, amount_micros: int) -> str:
        """Why an amount cannot be of this kind, or nothing. All but two may go either way: some are undone."""
        if self is CashKind.DEPOSIT and amount_micros < 0:
            return "a deposit adds to cash; what is taken out is a withdrawal"
        if self is CashKind.WITHDRAWAL and amount_micros > 0:
            return "a withdrawal takes from cash; write its amount with a minus"
        return ""


class CashDrift(NamedTuple):
    """Cash that book and broker do not agree on, micros."""

    book_micros: int
    broker_micros: int
    since: datetime

    @property
    def difference_micros(self) -> int:
        """What the broker has more; below zero where it has less."""
        return self.broker_micros - self.book_micros

    @property
    def is_none(self) -> bool:
        """Whether the two agree, to the cent."""
        return abs(self.difference_micros) < _ROUNDED_MICROS

    def is_like(self, other: "CashDrift | None") -> bool:
        """Whether another one shows the same difference, whatever was traded since."""
        return other is not None and abs(self.difference_micros - other.difference_micros) < _ROUNDED_MICROS

    def after(self, amount_micros: int) -> "CashDrift | None":
        """What is left of it after a movement that the broker had and the book had not; None when nothing is."""
        left = self._replace(book_micros=self.book_micros + amount_micros)
        return None if left.is_none else left

    @property
    def what(self) -> str:
        """What differs, in words."""
        more = "more" if self.difference_micros > 0 else "less"
        return (
            f"the book has {usd(self.book_micros)} USD and the broker {usd(self.broker_micros)}, "
            f"{usd(abs(self.difference_micros))} {more}"
        )

    @property
    def way_out(self) -> str:
        """What a person can do about it."""
        return (
            "an execution or a commission that is found ends it, or `trader cash import STATEMENT`, or `trader cash "
            f"book {usd(self.difference_micros).replace(',', '')} --kind ... --reason ...`"
        )
