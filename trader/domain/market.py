"""Market data: bars, and why a bar cannot be."""

from collections.abc import Callable, Iterable, KeysView
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol

from trader.domain.corporate_action import split_fitting
from trader.domain.money import MICROS_PER_DOLLAR, micros
from trader.domain.symbol import is_option, is_symbol, value_micros

PRICE_CAP_MICROS = 10**9 * MICROS_PER_DOLLAR
"""A thousand times the dearest share; up to it a float tells all micros apart."""
VOLUME_CAP = 10**15

_NIGHT = timedelta(hours=4)
"""So long without a bar, and a session has ended."""
_LONGEST_WEEKEND = timedelta(days=5)
"""Over a longer gap in the data a price may go anywhere."""


def plain_symbol(symbol: str) -> str:
    """The symbol, or a question mark for what is none and must not reach the book or the log as it is."""
    return symbol if is_symbol(symbol) else "?"


class Bar(NamedTuple):
    """One finished interval of one symbol. Made by the million, hence a tuple.

    `timestamp` is the bar's start, aware UTC; the bar is known only when it ends. Prices are exact, in micros;
    `open`, `high`, `low` and `close` give the same prices in dollars, as floats, for a strategy's statistics.
    """

    symbol: str
    timestamp: datetime
    open_micros: int
    high_micros: int
    low_micros: int
    close_micros: int
    volume: int

    @property
    def open(self) -> float:
        """First price, dollars."""
        return self.open_micros / MICROS_PER_DOLLAR

    @property
    def high(self) -> float:
        """Highest price, dollars."""
        return self.high_micros / MICROS_PER_DOLLAR

    @property
    def low(self) -> float:
        """Lowest price, dollars."""
        return self.low_micros / MICROS_PER_DOLLAR

    @property
    def close(self) -> float:
        """Last price, dollars."""
        return self.close_micros / MICROS_PER_DOLLAR

    @classmethod
    def in_dollars(
        cls,
        symbol: str,
        timestamp: datetime,
        open: float,  # noqa: A002  (the bar's own word)
        high: float,
        low: float,
        close: float,
        volume: int = 0,
    ) -> "Bar":
        """Make a bar from prices in dollars, as files and tests have them."""
        return cls(symbol, timestamp, micros(open), micros(high), micros(low), micros(close), volume)


class BarTime(NamedTuple):
    """All bars that ended at one instant: what the engine sees at once."""

    ends_at: datetime
    interval: timedelta
    bars: tuple[Bar, ...]


def bar_fault(bar: Bar) -> str | None:
    """Say why a bar cannot be, or None: asked of every bar, so a good one costs one comparison.

    NaN never gets here: micros() refuses it.
    """
    _, _, opens, high, low, close, volume = bar
    if 0 < low <= opens <= high <= PRICE_CAP_MICROS and low <= close <= high and 0 <= volume <= VOLUME_CAP:
        return None
    if max(opens, high, low, close) > PRICE_CAP_MICROS:
        return "price too large"
    if volume > VOLUME_CAP:
        return "volume too large"
    if min(opens, high, low, close) <= 0:
        return "price not positive"
    if high < low:
        return "high below low"
    if not low <= opens <= high:
        return "open outside low..high"
    if not low <= close <= high:
        return "close outside low..high"
    return "negative volume"


class Holding(Protocol):
    """Shares, or contracts, of one symbol and what they cost."""

    @property
    def symbol(self) -> str:
        """Whose shares."""
        ...

    @property
    def quantity(self) -> int:
        """How many."""
        ...

    @property
    def cost_micros(self) -> int:
        """What they cost, commission apart."""
        ...


class Prices:
    """The last two bars of each symbol. Fed by the engine, read by decisions."""

    __slots__ = ("_before", "_last", "_newest", "_not_yet_today", "interval", "newest_at", "suspected_splits")

    def __init__(self) -> None:
        self.interval = timedelta(minutes=1)
        self.newest_at = datetime.min.replace(tzinfo=UTC)
        """When the newest bars became known."""
        self.suspected_splits: dict[str, str] = {}
        """Symbols whose first price after a night fits a split, and which."""
        self._not_yet_today: set[str] = set()
        self._newest: BarTime | None = None
        self._last: dict[str, Bar] = {}
        self._before: dict[str, Bar] = {}

    def observe(self, bar_time: BarTime) -> None:
        """Take in the bars of one bar time, once: it may be decided again."""
        if bar_time is self._newest:
            return
        self._newest = bar_time
        self.interval = bar_time.interval
        last, before = self._last, self._before
        if bar_time.ends_at - self.newest_at > _NIGHT:
            self._not_yet_today = set(last)
            self.suspected_splits = {}
        self.newest_at = bar_time.ends_at
        if self._not_yet_today:
            self._compare_with_yesterday(bar_time.bars)
        for bar in bar_time.bars:
            symbol = bar.symbol
            if symbol in last:
                before[symbol] = last[symbol]
            last[symbol] = bar

    def _compare_with_yesterday(self, bars: Iterable[Bar]) -> None:
        for bar in bars:
            if bar.symbol in self._not_yet_today:
                self._not_yet_today.remove(bar.symbol)
                before = self._last[bar.symbol]
                split = split_fitting(before.close_micros, bar.open_micros)
                if split and not is_option(bar.symbol) and bar.timestamp - before.timestamp < _LONGEST_WEEKEND:
                    self.suspected_splits[bar.symbol] = split

    def last(self, symbol: str) -> Bar | None:
        """The newest finished bar, or None."""
        return self._last.get(symbol)

    def before(self, symbol: str) -> Bar | None:
        """The bar before the newest, or None."""
        return self._before.get(symbol)

    def known_at(self, symbol: str) -> datetime | None:
        """When the newest price became known: the end of its bar."""
        bar = self._last.get(symbol)
        return None if bar is None else bar.timestamp + self.interval

    def value_micros(self, symbol: str, quantity: int, otherwise_micros: int) -> int:
        """Market value of shares or contracts; `otherwise_micros` (their cost) where no price is known yet."""
        bar = self._last.get(symbol)
        return otherwise_micros if bar is None else value_micros(symbol, quantity, bar.close_micros)

    def worth_micros(self, holdings: Iterable["Holding"]) -> int:
        """Market value of everything held; what has no price yet counts at cost."""
        last = self._last
        worth = 0
        for held in holdings:
            bar = last.get(held.symbol)
            worth += held.cost_micros if bar is None else value_micros(held.symbol, held.quantity, bar.close_micros)
        return worth

    def sure_micros(self, held: Holding, collar_ppm: int) -> int:
        """Market value of a holding by which others may be sized; its cost where no price is known yet.

        Of a price that has risen by more than `collar_ppm` the one before counts, until a second print: it would
        make us richer than we are.
        """
        symbol = held.symbol
        last, before = self._last.get(symbol), self._before.get(symbol)
        if last is None:
            return held.cost_micros
        price = last.close_micros
        if before is not None and price > before.close_micros and _jump_ppm(before, last) > collar_ppm:
            price = before.close_micros
        return value_micros(symbol, held.quantity, price)

    def believed_micros(self, holdings: Iterable["Holding"], collar_ppm: Callable[[str], int]) -> int:
        """Market value of everything held. Of a price that has jumped further than its collar, either way, the one
        before counts until a second print: it would trip what counts losses, or hide one."""
        last, before = self._last, self._before
        worth = 0
        for held in holdings:
            bar, first = last.get(held.symbol), before.get(held.symbol)
            if bar is None:
                worth += held.cost_micros
                continue
            price = bar.close_micros
            if first is not None and price != first.close_micros:
                jump_ppm = abs(price - first.close_micros) * 1_000_000 // first.close_micros
                price = first.close_micros if jump_ppm > collar_ppm(held.symbol) else price
            worth += value_micros(held.symbol, held.quantity, price)
        return worth

    def jump_ppm(self, symbol: str) -> int:
        """How far the newest close is from the close before it; 0 for a first bar."""
        last, before = self._last.get(symbol), self._before.get(symbol)
        if last is None or before is None:
            return 0
        return _jump_ppm(before, last)

    def jumped(self, bars: Iterable[Bar], limit_ppm: int) -> list[Bar]:
        """Those of the newest bars whose close is so far from the close before it, within a session: over a night a
        price may go anywhere. Asked of every bar, so one that is not costs one comparison."""
        before, found = self._before, []
        more, less = 1_000_000 + limit_ppm, 1_000_000 - limit_ppm
        for bar in bars:
            first = before.get(bar.symbol)
            if first is None or first.close_micros * less < bar.close_micros * 1_000_000 < first.close_micros * more:
                continue
            if bar.timestamp - first.timestamp < _NIGHT:
                found.append(bar)
        return found

    def symbols(self) -> KeysView[str]:
        """Every symbol that has a price, at each moment."""
        return self._last.keys()

    def symbols_at(self, ends_at: datetime) -> set[str]:
        """Every symbol that has a bar of the newest instant; none of any other one."""
        if ends_at != self.newest_at:
            return set()
        return {symbol for symbol, bar in self._last.items() if bar.timestamp + self.interval == ends_at}


def _jump_ppm(before: Bar, last: Bar) -> int:
    return abs(last.close_micros - before.close_micros) * 1_000_000 // before.close_micros


def by_symbol(bars: Iterable[Bar]) -> dict[str, Bar]:
    """Index the bars of one bar time."""
    return {bar.symbol: bar for bar in bars}
