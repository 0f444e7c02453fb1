"""The embedded market: one-minute bars of the QQQ family, of eight stocks and of options on them, made from a seed.

Rule 1: the bars of a session are a function of the seed and the date. Only levels connect the days, and they are such
a function too.
Rule 2: QQQ is the market. A stock follows it by its beta, and a path of its own besides. A fund's return since the
open is its leverage times QQQ's.
Rule 3: what a daily reset costs a leveraged fund in the long run is given back overnight, a few basis points at a
time. Else SQQQ would be worth nothing after some years, or need splits.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from math import exp
from random import Random
from typing import NamedTuple

from trader.adapters.feeds.simulated_levels import Levels, Regimes, seeded
from trader.adapters.feeds.simulated_options import premiums
from trader.adapters.feeds.simulated_paths import Path, extremes, path, volumes
from trader.domain.errors import ConfigurationError
from trader.domain.market import Bar, BarTime
from trader.domain.session import Calendar
from trader.domain.symbol import option_of

MINUTE = timedelta(minutes=1)
_CENT_MICROS = 10_000

Ohlc = tuple[float, float, float, float]
"""Open, high, low and close in dollars, not yet on the tick grid."""


class Stock(NamedTuple):
    """A price that follows the market; `volatility` is its own part, the standard deviation of a quiet session."""

    symbol: str
    usual_price: float
    beta: float
    volatility: float
    daily_volume: int


class Fund(NamedTuple):
    """A price that follows QQQ with leverage."""

    symbol: str
    usual_price: float
    leverage: int
    daily_volume: int


QQQ = Stock("QQQ", 520, 1.0, 0.0, 42_000_000)
FUNDS = (
    Fund("TQQQ", 75, 3, 68_000_000),
    Fund("PSQ", 45, -1, 9_000_000),
    Fund("SQQQ", 30, -3, 110_000_000),
)
STOCKS = (
    Stock("AAPL", 215, 1.0, 0.009, 50_000_000),
    Stock("MSFT", 430, 0.9, 0.008, 21_000_000),
    Stock("NVDA", 130, 1.6, 0.017, 240_000_000),
    Stock("AMZN", 195, 1.1, 0.012, 41_000_000),
    Stock("GOOGL", 170, 1.0, 0.011, 28_000_000),
    Stock("META", 560, 1.2, 0.014, 14_000_000),
    Stock("TSLA", 260, 1.5, 0.023, 95_000_000),
    Stock("JPM", 230, 0.7, 0.009, 9_000_000),
)
_MARKET_VOLATILITY = 0.011
_FUND_NOISE = 0.00004
"""How far a fund strays from its due price, as a share of it and per leverage."""


class SimulatedMarket:
    """Bars of any session of the calendar. The same seed gives the same bars, in every process and from any start."""

    def __init__(self, seed: int, calendar: Calendar, options: Sequence[str] = ()) -> None:
        """`options`: by their symbols. Raises ConfigurationError for one on what is not traded here."""
        listed = tuple(listing.symbol for listing in (QQQ, *FUNDS, *STOCKS))
        self._options = tuple(option_of(symbol) for symbol in sorted(set(options)))
        for option in self._options:
            if option.underlying not in listed:
                raise ConfigurationError(
                    f"feed.symbols: the embedded market has no {option.underlying}, and so no {option.symbol}; it has "
                    f"{', '.join(listed)}"
                )
        self.symbols: tuple[str, ...] = (*listed, *(option.symbol for option in self._options))
        self._seed = seed
        self._calendar = calendar
        regimes = Regimes(seed)
        self._market = Levels(seed, "market", _MARKET_VOLATILITY, regimes)
        self._own = {stock.symbol: Levels(seed, stock.symbol, stock.volatility, regimes) for stock in STOCKS}

    def session_bars(self, day: date) -> Iterator[BarTime]:
        """Give a session's bars, one bar time a minute with every symbol in it; nothing when the exchange is closed.

        Raises ValueError for a date that the calendar does not know.
        """
        session = self._calendar.session(day)
        if session is None:
            return
        starts = [session.opens_at + n * MINUTE for n in range((session.closes_at - session.opens_at) // MINUTE)]
        wild = self._market.on(day).wild
        streams: dict[str, Iterable[Bar]] = {}
        for listing, prices in self._prices(day, len(starts)):
            random = seeded(self._seed, day, listing.symbol, "volume")
            shares = volumes(listing.daily_volume, len(starts), random, wild=wild)
            streams[listing.symbol] = _bars(listing.symbol, starts, prices, shares)
        for option in self._options:
            if option.expiry >= day:
                underlying = streams[option.underlying] = list(streams[option.underlying])
                streams[option.symbol] = premiums(option, underlying, MINUTE)
        for bars in zip(*streams.values(), strict=True):
            yield BarTime(bars[0].timestamp + MINUTE, MINUTE, bars)

    def _prices(self, day: date, minutes: int) -> Iterator[tuple[Stock | Fund, Iterator[Ohlc]]]:
        level = self._market.on(day)
        market = path(level, minutes, seeded(self._seed, day, "market"))
        qqq = list(_stock_prices(QQQ, market, _at_rest(minutes), seeded(self._seed, day, QQQ.symbol)))
        yield QQQ, iter(qqq)
        for fund in FUNDS:
            yield fund, _fund_prices(fund, level.open, qqq, seeded(self._seed, day, fund.symbol))
        for stock in STOCKS:
            random = seeded(self._seed, day, stock.symbol)
            own = path(self._own[stock.symbol].on(day), minutes, random)
            yield stock, _stock_prices(stock, market, own, random)


def _at_rest(minutes: int) -> Path:
    nothing = [0.0] * minutes
    return Path(nothing, nothing, nothing)


def _stock_prices(stock: Stock, market: Path, own: Path, random: Random) -> Iterator[Ohlc]:
    usual, beta = stock.usual_price, stock.beta
    for market_open, market_close, market_variance, own_open, own_close, own_variance in zip(
        *market, *own, strict=True
    ):
        opens, closes = beta * market_open + own_open, beta * market_close + own_close
        high, low = extremes(opens, closes, beta * beta * market_variance + own_variance, random)
        yield usual * exp(opens), usual * exp(high), usual * exp(low), usual * exp(closes)


def _fund_prices(fund: Fund, opening_level: float, qqq: Sequence[Ohlc], random: Random) -> Iterator[Ohlc]:
    leverage, noise = fund.leverage, 1.0
    opening = fund.usual_price * exp(leverage * opening_level)
    qqq_opening = qqq[0][0]

    def due(price: float) -> float:
        return opening * (1 + leverage * (price / qqq_opening - 1))

    for qqq_open, qqq_high, qqq_low, qqq_close in qqq:
        opens = due(qqq_open) * noise
        noise = 1 + random.gauss(0, abs(leverage) * _FUND_NOISE)
        closes = due(qqq_close) * noise
        best, worst = (qqq_high, qqq_low) if leverage > 0 else (qqq_low, qqq_high)
        yield opens, max(due(best), opens, closes), min(due(worst), opens, closes), closes


def _bars(symbol: str, starts: list[datetime], prices: Iterator[Ohlc], shares: Iterator[int]) -> Iterator[Bar]:
    for start, (opens, high, low, closes), volume in zip(starts, prices, shares, strict=True):
        yield Bar(symbol, start, _on_grid(opens), _on_grid(high), _on_grid(low), _on_grid(closes), volume)


def _on_grid(price_usd: float) -> int:
    return round(price_usd * 100) * _CENT_MICROS
