"""What happens to a price, and to the volume, between an open and a close.

Rule 1: a path is a Brownian motion held at both ends by the day's level; busier at both ends of the day and in wild
spells, which come and go by the minute (a Markov chain).
Rule 2: highs and lows are drawn from the exact law of such a path's extremes.
"""

from collections.abc import Iterator
from functools import cache
from math import exp, log, sqrt
from random import Random
from typing import NamedTuple

from trader.adapters.feeds.simulated_levels import DayLevel

_SPELL_STARTS, _SPELL_ENDS, _SPELL_RATIO = 1 / 120, 1 / 25, 2.0
_OPEN_STRAY = 0.15
"""Distance of a minute's open from the close before it, in standard deviations of that minute."""
_VOLUME_SPREAD = 0.35
_WILD_VOLUME_RATIO = 1.6


class Path(NamedTuple):
    """One price's minutes, as logarithms: where each opens and closes, and its variance in between."""

    opens: list[float]
    closes: list[float]
    variances: list[float]


def path(level: DayLevel, minutes: int, random: Random) -> Path:
    """Walk from the day's opening level to its closing level."""
    gauss = random.gauss
    weights = list(_weights(minutes, random))
    variance = level.volatility**2 / sum(weights)
    variances = [weight * variance for weight in weights]
    steps = [gauss(0, sqrt(v)) for v in variances]
    # What the free walk misses of the close is spread over the day, most where it moves most.
    missing = level.close - level.open - sum(steps)
    total = sum(weights)
    opens, closes, last = [], [], level.open
    for step, weight, v in zip(steps, weights, variances, strict=True):
        opens.append(last + gauss(0, _OPEN_STRAY * sqrt(v)))
        last += step + missing * weight / total
        closes.append(last)
    opens[0] = level.open
    return Path(opens, closes, variances)


def extremes(opens: float, closes: float, variance: float, random: Random) -> tuple[float, float]:
    """Draw how high and how low a Brownian path from `opens` to `closes` came (logarithms)."""
    move, spread = closes - opens, 2 * variance
    # 1 - random() is never 0.
    up = sqrt(move * move - spread * log(1 - random.random()))
    down = sqrt(move * move - spread * log(1 - random.random()))
    return opens + (move + up) / 2, opens + (move - down) / 2


def volumes(daily: int, minutes: int, random: Random, *, wild: bool) -> Iterator[int]:
    """Give each minute's shares of a day that trades about `daily` when it is quiet; at least one."""
    shape = _volume_shape(minutes)
    mean = daily * (_WILD_VOLUME_RATIO if wild else 1) / sum(shape)
    for share in shape:
        yield max(1, round(mean * share * random.lognormvariate(0, _VOLUME_SPREAD)))


def _weights(minutes: int, random: Random) -> Iterator[float]:
    spell = random.random() < _SPELL_STARTS / (_SPELL_STARTS + _SPELL_ENDS)
    for usual in _variance_shape(minutes):
        yield usual * (_SPELL_RATIO**2 if spell else 1)
        if random.random() < (_SPELL_ENDS if spell else _SPELL_STARTS):
            spell = not spell


@cache
def _variance_shape(minutes: int) -> tuple[float, ...]:
    return tuple((0.75 + 1.3 * exp(-t / 0.07) + 0.45 * exp((t - 1) / 0.06)) ** 2 for t in _day_fractions(minutes))


@cache
def _volume_shape(minutes: int) -> tuple[float, ...]:
    return tuple(0.55 + 2.2 * exp(-t / 0.06) + 1.8 * exp((t - 1) / 0.05) for t in _day_fractions(minutes))


def _day_fractions(minutes: int) -> Iterator[float]:
    return ((n + 0.5) / minutes for n in range(minutes))
