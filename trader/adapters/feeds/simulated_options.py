"""Options of the embedded market: what the formula of Black and Scholes makes of their underlying's price.

    S the underlying's price, K the strike, T the years to 16:00 of the day on which it expires, v = 25 % a year
    d = (ln(S / K) + v^2 T / 2) / (v sqrt(T))
    call = S N(d) - K N(d - v sqrt(T));   put = call - S + K

No interest, no dividends, one volatility for all and for ever, no spread. That is enough to see a premium follow its
underlying and melt away; it is no market in options. Whole cents, one at least.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, time, timedelta
from math import erf, log, sqrt

from trader.domain.market import Bar
from trader.domain.money import MICROS_PER_DOLLAR
from trader.domain.session import NEW_YORK
from trader.domain.symbol import Option, Right

_VOLATILITY = 0.25
_YEAR_S = 365 * 24 * 3600
_CENT_MICROS = 10_000


def premiums(option: Option, underlying: Iterable[Bar], interval: timedelta) -> Iterator[Bar]:
    """Bars of an option beside those of its underlying; the high of a put comes from the low there."""
    expires_at = datetime.combine(option.expiry, time(16), NEW_YORK)
    for bar in underlying:
        starts, ends = _years(bar.timestamp, expires_at), _years(bar.timestamp + interval, expires_at)
        opens, closes = _premium_micros(option, bar.open, starts), _premium_micros(option, bar.close, ends)
        best, worst = (bar.high, bar.low) if option.right is Right.CALL else (bar.low, bar.high)
        high = max(opens, closes, _premium_micros(option, best, ends))
        low = min(opens, closes, _premium_micros(option, worst, ends))
        yield Bar(option.symbol, bar.timestamp, opens, high, low, closes, bar.volume // 10_000)


def _years(now: datetime, expires_at: datetime) -> float:
    return max((expires_at - now).total_seconds(), 0.0) / _YEAR_S


def _premium_micros(option: Option, price_usd: float, years: float) -> int:
    strike_usd = option.strike_micros / MICROS_PER_DOLLAR
    call_usd = max(price_usd - strike_usd, 0.0)
    spread = _VOLATILITY * sqrt(years)
    if spread:
        d = log(price_usd / strike_usd) / spread + spread / 2
        call_usd = price_usd * _normal(d) - strike_usd * _normal(d - spread)
    premium_usd = call_usd if option.right is Right.CALL else call_usd - price_usd + strike_usd
    return max(round(premium_usd * 100), 1) * _CENT_MICROS


def _normal(x: float) -> float:
    """The share of a normal distribution below so many standard deviations."""
    return (1 + erf(x / sqrt(2))) / 2
