"""What a feed delivers -> bars that can be: nothing is believed of a feed before it has passed here.

All bars of an instant are left out when it

    lies ahead of the clock           believed, it would make every later bar late
    is older than the newest known    prices never go back, and a strategy sees bars in time order

unless the newest known lies ahead itself: the clock was set back, and what comes is the newest. The rest of the newest
instant may still come, for symbols that lack it. One bar alone is left out, and the others of its instant go on, when

    its symbol has a bar of that time      the first counts, even if this one says something else
    it starts at another time              than bars that end then
    the feed was not asked for its symbol  or it is no symbol
    its prices or its volume cannot be     see `bar_fault`

What is left out has not been: no price, exit or strategy sees it. A symbol of which nothing else comes has an old
price: no entry on it, and the exit scanner says `EXITS NOT WATCHED`. A feed that repeats an old bar under new times
cannot be told from a quiet market.

A wild price that can be stays in, for it may be true. Nothing is bought by it before a second print: that of the
instrument, of what drives it, and of what is held all count (see `size` and `Prices.sure_micros`). Nor does it sell at
once: `resize`, and stop and take-profit where the close has jumped, wait for the second print, too. Two things do sell.
A jump inside one bar whose close is back is believed by the exits; and a close that a strategy asks for never waits.
Either ends flat, at the market's price and not at the wild one.
"""

from collections.abc import Container
from datetime import datetime
from typing import NamedTuple

from trader.domain.market import Bar, BarTime, Prices, bar_fault, plain_symbol
from trader.pipeline.intake import CLOCK_SKEW


class LeftOut(NamedTuple):
    """Why a bar was left out, or with an empty symbol all bars of an instant."""

    symbol: str
    """A question mark for what is none."""
    fault: str


class Screened(NamedTuple):
    """The same bar time, where nothing is left out; else one with the bars that stay, if any."""

    bar_time: BarTime
    left_out: tuple[LeftOut, ...]


def screen(bar_time: BarTime, prices: Prices, carried: Container[str], now: datetime) -> Screened:
    """Leave out the bars that cannot be. `carried`: the symbols that the feed was asked for."""
    fault = _fault_of_instant(bar_time.ends_at, prices.newest_at, now)
    if fault is not None:
        return Screened(bar_time._replace(bars=()), (LeftOut("", fault),))
    starts_at = bar_time.ends_at - bar_time.interval
    seen, known = prices.symbols_at(bar_time.ends_at), prices.symbols()
    good: list[Bar] = []
    left_out: list[LeftOut] = []
    for bar in bar_time.bars:
        symbol = bar.symbol
        if symbol in seen:
            fault = "a second bar of its time"
        elif bar.timestamp != starts_at:
            fault = "it starts at another time than the bars that end then"
        elif symbol not in known and symbol not in carried:
            fault = "not a symbol that the feed was asked for"
        else:
            fault = bar_fault(bar)
        if fault is None:
            seen.add(symbol)
            good.append(bar)
        else:
            left_out.append(LeftOut(plain_symbol(symbol), fault))
    return Screened(bar_time._replace(bars=tuple(good)), tuple(left_out)) if left_out else Screened(bar_time, ())


def _fault_of_instant(ends_at: datetime, newest_at: datetime, now: datetime) -> str | None:
    latest = now + CLOCK_SKEW
    if ends_at > latest:
        return "ahead of the clock"
    if ends_at < newest_at <= latest:
        return "older than the newest known"
    return None
