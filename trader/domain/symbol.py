"""Symbols: what a text names, and what one unit of it is.

Rule 1: the symbol is the instrument's identity in book, journal, orders and bars: `BRK.B` of a stock or ETF, and of an
option the OCC symbol without spaces, `QQQ261218C00500000`. The one padded to 21 characters means the same and is
accepted wherever a person or a file names one; it is never stored.
Rule 2: everything about an option is read off its symbol. A standard contract is 100 shares; an adjusted one, whose
root ends with a digit, has another deliverable and is no symbol here.
Rule 3: a price is dollars a share, of an option its premium a share. What so many shares or contracts are worth is
computed by `value_micros` and nowhere else.
"""

import re
from datetime import date
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from trader.domain.money import PREMIUM_TICKS, SHARE_TICKS, Ticks

CONTRACT_SHARES = 100
"""What one contract of a US equity option delivers."""

_STOCK = re.compile(r"[A-Z][A-Z0-9]{0,9}(?:[.\-][A-Z]{1,3})?")
"""US stocks and ETFs, with a class suffix: BRK.B."""
_LONGEST_STOCK = 14
_OPTION = re.compile(r"([A-Z]{1,6})([0-9]{2})([0-9]{2})([0-9]{2})([CP])([0-9]{8})")
_ALMOST = re.compile(r"[A-Z0-9.]{1,6} *[0-9]{6}[A-Z][0-9]{1,8}|.* .*[CP].*")
"""What was meant as an OCC symbol."""
_ADJUSTED = re.compile(r"[A-Z]+[0-9] *[0-9]{6}[CP][0-9]{8}")
_ROOT_WIDTH = 6
_TAIL_WIDTH = 15
_MICROS_PER_STRIKE_UNIT = 1_000
"""OCC writes a strike in thousandths of a dollar."""
_HOW_TO_WRITE = "write the OCC symbol as QQQ261218C00500000: root, year, month, day, C or P, strike in 1/1000 USD"


class Right(StrEnum):
    """What an option is the right to do."""

    CALL = "C"
    PUT = "P"


class Option(NamedTuple):
    """One standard contract on 100 shares of its underlying."""

    underlying: str
    """The root as OCC writes it: BRKB for BRK.B."""
    expiry: date
    right: Right
    strike_micros: int

    @property
    def symbol(self) -> str:
        """The OCC symbol without spaces."""
        strike = self.strike_micros // _MICROS_PER_STRIKE_UNIT
        return f"{self.underlying}{self.expiry:%y%m%d}{self.right}{strike:08d}"

    @property
    def padded(self) -> str:
        """The OCC symbol of 21 characters, as brokers write it."""
        return f"{self.underlying:{_ROOT_WIDTH}}{self.symbol[-_TAIL_WIDTH:]}"


def is_option(symbol: str) -> bool:
    """Whether a symbol is an option's. No stock's is as long, so that this costs next to nothing."""
    return len(symbol) > _LONGEST_STOCK


def value_micros(symbol: str, quantity: int, price_micros: int) -> int:
    """What so many shares, or contracts, are worth at a price: the one place where a contract is 100 shares."""
    return quantity * price_micros * (CONTRACT_SHARES if len(symbol) > _LONGEST_STOCK else 1)


def units_of(symbol: str) -> str:
    """What a quantity of it counts, for a person."""
    return "contracts" if len(symbol) > _LONGEST_STOCK else "shares"


def ticks_of(symbol: str) -> Ticks:
    """The steps in which its price moves."""
    return PREMIUM_TICKS if len(symbol) > _LONGEST_STOCK else SHARE_TICKS


def is_symbol(text: str) -> bool:
    """Whether a text is a symbol as the book has it."""
    return _STOCK.fullmatch(text) is not None or (_OPTION.fullmatch(text) is not None and not _no_such_day(text))


@lru_cache(maxsize=4096)
def option_of(symbol: str) -> Option:
    """Read an option's symbol. Raises ValueError for what is none, saying why."""
    parts = _OPTION.fullmatch(symbol)
    if parts is None or _no_such_day(symbol):
        raise ValueError(_fault_of(symbol))
    root, year, month, day, right, strike = parts.groups()
    expiry = date(2000 + int(year), int(month), int(day))
    return Option(root, expiry, Right(right), int(strike) * _MICROS_PER_STRIKE_UNIT)


def read_symbol(text: str) -> str:
    """The symbol that a person or a file has named, as the book has it. Raises ValueError saying what is wrong."""
    if _STOCK.fullmatch(text):
        return text
    is_padded = len(text) == _ROOT_WIDTH + _TAIL_WIDTH
    root = text[:_ROOT_WIDTH].rstrip(" ") if is_padded else text[:-_TAIL_WIDTH]
    compact = root + text[-_TAIL_WIDTH:]
    if not is_symbol(compact) or not is_option(compact):
        raise ValueError(_fault_of(text))
    return compact


def _no_such_day(text: str) -> bool:
    """Whether what has the shape of an option's symbol cannot be one: its day, or a strike of nothing."""
    digits = text[-_TAIL_WIDTH:]
    try:
        date(2000 + int(digits[:2]), int(digits[2:4]), int(digits[4:6]))
    except ValueError:
        return True
    return not int(digits[7:])


def _fault_of(text: str) -> str:
    shown = ascii(text)[:40]
    if _ADJUSTED.fullmatch(text):
        return f"{shown} is an adjusted option, which delivers something else than 100 shares; it is not traded"
    if _OPTION.fullmatch(text.replace(" ", "")) and _no_such_day(text):
        return f"{shown} has a strike of 0, or expires on a day that there is not; {_HOW_TO_WRITE}"
    if _ALMOST.fullmatch(text):
        return f"{shown} is no option; {_HOW_TO_WRITE}, or with its root padded to six characters"
    return f"{shown} is no symbol such as TQQQ or BRK.B"
