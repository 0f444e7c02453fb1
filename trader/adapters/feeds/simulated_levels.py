"""Where each price of the embedded market stands at the open and the close of a day.

Rule 1: a level is a function of the seed and the date alone. Every chain starts on `ORIGIN` and is grown forward, so
that it does not matter on which day a run begins; closures of the exchange do not shift it either.
Rule 2: levels are logarithms, relative to an instrument's usual price, and are pulled gently back to 0: forty years
lead neither to nothing nor to infinity.
Rule 3: days are quiet or wild, and tend to stay as they are (a two-state Markov chain shared by all prices).
"""

from array import array
from collections.abc import Iterator
from datetime import date
from itertools import islice
from random import Random
from typing import NamedTuple

ORIGIN = date(2000, 1, 3)

_TURNS_WILD, _TURNS_QUIET = 0.05, 0.20
_WILD_RATIO = 2.3
"""Volatility of a wild day over that of a quiet one."""
_OVERNIGHT_RATIO = 0.55
"""Size of the usual opening gap over the volatility of the session."""
_NEWS_CHANCE, _NEWS_RATIO = 0.02, 4.0
_PULL = 0.01
"""Share of the distance to 0 that is given back each night; half of it in 69 days."""


class DayLevel(NamedTuple):
    """One price on one day: logarithms at open and close, and the session's standard deviation."""

    open: float
    close: float
    volatility: float
    wild: bool


def seeded(seed: int, *subject: object) -> Random:
    """A generator for one subject; the same in every process."""
    return Random(":".join(map(str, (seed, *subject))))  # noqa: S311  (a market to play with, no secret)


def weekday_number(day: date) -> int:
    """How many weekdays (Monday to Friday) lie between ORIGIN and a weekday."""
    if day < ORIGIN:
        raise ValueError(f"the embedded market begins on {ORIGIN}, not {day}; choose a later date")
    weeks, weekday = divmod((day - ORIGIN).days, 7)
    return weeks * 5 + min(weekday, 4)


class Regimes:
    """Which days are wild."""

    def __init__(self, seed: int) -> None:
        self._random = seeded(seed, "regimes")
        self._wild = bytearray(1)

    def wild(self, number: int) -> bool:
        """Say whether the weekday of this number is wild."""
        while len(self._wild) <= number:
            was = self._wild[-1]
            turns = self._random.random() < (_TURNS_QUIET if was else _TURNS_WILD)
            self._wild.append(was ^ turns)
        return bool(self._wild[number])


class Levels:
    """The chain of one price's days. `volatility` is the standard deviation of a quiet session's log return."""

    def __init__(self, seed: int, subject: str, volatility: float, regimes: Regimes) -> None:
        self._volatility = volatility
        self._regimes = regimes
        self._opens, self._closes = array("d"), array("d")
        self._grow = self._chain(seeded(seed, "levels", subject))

    def on(self, day: date) -> DayLevel:
        """The level on a weekday."""
        number = weekday_number(day)
        missing = number + 1 - len(self._opens)
        for opens, closes in islice(self._grow, max(missing, 0)):
            self._opens.append(opens)
            self._closes.append(closes)
        wild = self._regimes.wild(number)
        return DayLevel(self._opens[number], self._closes[number], self._session_volatility(wild=wild), wild)

    def _session_volatility(self, *, wild: bool) -> float:
        return self._volatility * (_WILD_RATIO if wild else 1)

    def _chain(self, random: Random) -> Iterator[tuple[float, float]]:
        level, number = 0.0, 0
        while True:
            volatility = self._session_volatility(wild=self._regimes.wild(number))
            gap = random.gauss(0, volatility * _OVERNIGHT_RATIO)
            if random.random() < _NEWS_CHANCE:
                gap *= _NEWS_RATIO
            opens = level * (1 - _PULL) + gap
            level = opens + random.gauss(0, volatility)
            yield opens, level
            number += 1
