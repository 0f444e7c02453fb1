"""Exact money.

Rule 1: every amount and price inside the process is an integer number of micros, 1e-6 US dollars.
Rule 2: shares are whole numbers. Ratios in the configuration are parts per million (ppm), integers too.
Rule 3: the only ways in and out are `micros` and `dollars`; a float is accepted at the way in because market data
and configuration files carry floats, and is rounded there, once.
"""

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import NamedTuple

MICROS_PER_DOLLAR = 1_000_000
PPM = 1_000_000


def micros(amount_usd: Decimal | str | float) -> int:
    """Convert dollars to micros, half-even. Raises ValueError for what is not a finite number."""
    try:
        exact = Decimal(str(amount_usd)) * MICROS_PER_DOLLAR
        return int(exact.to_integral_value(ROUND_HALF_EVEN))
    except (InvalidOperation, OverflowError, ValueError) as error:
        raise ValueError(f"not an amount in dollars: {amount_usd!r}") from error


def dollars(amount_micros: int) -> Decimal:
    """Convert micros to dollars, exactly."""
    return Decimal(amount_micros) / MICROS_PER_DOLLAR


def usd(amount_micros: int) -> str:
    """Format micros for a person: `1,234.50`."""
    return f"{dollars(amount_micros):,.2f}"


def percent_ppm(percent: Decimal | str | float) -> int:
    """Convert a percentage to parts per million: 1.4 -> 14_000."""
    return int((Decimal(str(percent)) * 10_000).to_integral_value(ROUND_HALF_EVEN))


def part(amount_micros: int, share_ppm: int) -> int:
    """Take a share of an amount, rounded down."""
    return amount_micros * share_ppm // PPM


class Ticks(NamedTuple):
    """Steps of a price, micros: the smaller ones below a bound."""

    bound_micros: int
    below_micros: int
    above_micros: int


SHARE_TICKS = Ticks(MICROS_PER_DOLLAR, 100, 10_000)
"""Of a US stock: a cent, or 0.0001 below one dollar (SEC Rule 612)."""
PREMIUM_TICKS = Ticks(3 * MICROS_PER_DOLLAR, 50_000, 100_000)
"""Of an option: 5 cents, or 10 from 3 dollars on. Some move in cents; a price on this grid is good for all of them."""


def tick_micros(price_micros: int, ticks: Ticks = SHARE_TICKS) -> int:
    """The smallest step of a price."""
    return ticks.above_micros if price_micros >= ticks.bound_micros else ticks.below_micros


def tick_down(price_micros: int, ticks: Ticks = SHARE_TICKS) -> int:
    """Round a price down to the tick grid; never below one tick."""
    tick = tick_micros(price_micros, ticks)
    return max(price_micros // tick * tick, tick)


def tick_up(price_micros: int, ticks: Ticks = SHARE_TICKS) -> int:
    """Round a price up to the tick grid."""
    tick = tick_micros(price_micros, ticks)
    return -(-price_micros // tick) * tick
