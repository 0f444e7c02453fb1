"""The market: its bars are made once for a run, go on while the daemon is down, and are told badly."""

import asyncio
from bisect import bisect_right
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import lru_cache
from operator import attrgetter

from simulation.faults import Fault, Faults
from simulation.venue import Venue
from trader.adapters.feeds.simulated import Opening, Publish, SimulatedFeed
from trader.adapters.feeds.simulated_market import MINUTE, SimulatedMarket
from trader.domain.market import Bar, BarTime
from trader.domain.session import Calendar, new_york_date

_DAY = timedelta(days=1)
_ENDS_AT = attrgetter("ends_at")
_OFFSETS = tuple(timedelta(seconds=seconds) for seconds in (-5, 5, -61, 61, -3600, 3600, 0, 0, 0))
"""By which the market clock may be wrong."""
_WRONG = ("ZZZZ", "qqq", "QQQ;DROP", "", "TQQQ ")


class Market:
    """What really happens at the exchange, and how far it has come."""

    def __init__(self, seed: int, calendar: Calendar, venue: Venue, faults: Faults) -> None:
        self.calendar = calendar
        self.embedded = SimulatedMarket(seed, calendar)
        self.at: datetime | None = None
        """How far it has come; it never goes back, whatever the daemon's clock does."""
        self._venue = venue
        self._faults = faults
        self._halted: dict[str, datetime] = {}
        self._closes_at: datetime | None = None
        """When the session that is open closes."""
        self.session_bars = lru_cache(maxsize=16)(self._session_bars)

    def _session_bars(self, day: date) -> tuple[BarTime, ...]:
        return tuple(self.embedded.session_bars(day))

    @property
    def is_night(self) -> bool:
        """Nights are jumped over by the feed."""
        return False

    def come_to(self, now: datetime) -> None:
        """Go on to an instant with nobody looking."""
        if self.at is not None:
            for bar_time in self.bars_between(self.at, now):
                self.open(bar_time)
        self.at = max(now, self.at or now)

    def bars_between(self, after: datetime, until: datetime) -> Iterator[BarTime]:
        """Bar times that begin after one instant and not after another."""
        day = new_york_date(after)
        while day <= new_york_date(until):
            if self.calendar.session(day) is not None:
                bars = self.session_bars(day)
                first, end = (bisect_right(bars, at + MINUTE, key=_ENDS_AT) for at in (after, until))
                yield from bars[first:end]
            day += _DAY

    def open(self, bar_time: BarTime) -> None:
        """The bars of a minute begin: orders are filled at their opens."""
        self._halt_some(bar_time)
        starts_at = bar_time.ends_at - MINUTE
        self.end_session_before(starts_at)
        session = self.calendar.session(new_york_date(bar_time.ends_at))
        if session is not None and starts_at == session.opens_at:
            self._venue.close()  # what came after the session before had closed was for that day, too
        self._closes_at = session.closes_at if session is not None else None
        self._venue.match(self.as_traded(bar_time))

    def end_session_before(self, instant: datetime) -> None:
        """Let the session that was open end, if it is over by then."""
        if self._closes_at is not None and self._closes_at <= instant:
            self._closes_at = None
            self._venue.close()

    def as_traded(self, bar_time: BarTime) -> BarTime:
        """Without the symbols that are halted."""
        if not self._halted:
            return bar_time
        bars = tuple(bar for bar in bar_time.bars if bar.symbol not in self._halted)
        return bar_time._replace(bars=bars)

    def _halt_some(self, bar_time: BarTime) -> None:
        self._halted = {symbol: until for symbol, until in self._halted.items() if until > bar_time.ends_at}
        if self._faults.strikes(Fault.SYMBOL_HALTED, 0.003):
            chance = self._faults.chance(Fault.SYMBOL_HALTED)
            symbol = chance.choice(bar_time.bars).symbol
            self._halted[symbol] = bar_time.ends_at + timedelta(minutes=chance.randint(2, 30))


class TroubledFeed(SimulatedFeed):
    """The embedded feed of one life, whose bars and whose clock cannot be trusted."""

    def __init__(self, market: Market, calendar: Calendar, starts_at: datetime, speed: float, faults: Faults) -> None:
        market.come_to(starts_at)
        assert market.at is not None  # noqa: S101  (it has just come to some time)
        super().__init__(market.embedded, calendar, market.at, speed)
        self.minutes_told = 0
        self._truth = market
        self._faults = faults
        self._frozen: dict[str, tuple[datetime, Bar]] = {}
        self._silent_until = market.at
        self._slept_until = market.at
        self._offset = timedelta()
        self._told: BarTime | None = None

    def now(self) -> datetime:
        """The daemon's market clock, which may be wrong."""
        return super().now() + (timedelta() if self._faults.is_healed else self._offset)

    @property
    def truth(self) -> datetime:
        """The time that it is at the exchange."""
        return super().now()

    async def run(self, publish: Publish, stop: asyncio.Event, opening: Opening = lambda _: None) -> None:
        """Play the market; the broker sees what is, the daemon what it is told."""

        async def told(bar_time: BarTime) -> None:
            self.minutes_told += 1
            for said in self._as_told(self._truth.as_traded(bar_time)):
                await publish(said)
            self._truth.end_session_before(bar_time.ends_at)
            self._trouble_the_clock(bar_time.ends_at)

        await super().run(told, stop, lambda bar_time: self._truth.come_to(bar_time.ends_at - MINUTE))

    def _bars_after(self, instant: datetime) -> Iterator[BarTime]:
        day = new_york_date(instant) - _DAY
        while True:
            day = self._truth.calendar.next_session(day).day
            for bar_time in self._truth.session_bars(day):
                if bar_time.ends_at > max(instant, self._slept_until):
                    yield bar_time

    def _as_told(self, bar_time: BarTime) -> Iterator[BarTime]:
        strikes, now = self._faults.strikes, bar_time.ends_at
        if now < self._silent_until:
            return
        if strikes(Fault.FEED_SILENT, 0.003):
            self._silent_until = now + timedelta(minutes=self._faults.chance(Fault.FEED_SILENT).randint(2, 12))
            return
        bars = [told for bar in bar_time.bars for told in self._bar_as_told(bar, now)]
        if strikes(Fault.WRONG_SYMBOL, 0.01):
            bars.append(bars[0]._replace(symbol=self._faults.chance(Fault.WRONG_SYMBOL).choice(_WRONG)))
        said = bar_time._replace(bars=tuple(bars))
        yield said
        if strikes(Fault.BARS_TWICE, 0.01):
            yield said._replace()
        if self._told is not None and strikes(Fault.BARS_OUT_OF_ORDER, 0.01):
            yield self._told._replace()
        self._told = said

    def _bar_as_told(self, bar: Bar, now: datetime) -> Iterator[Bar]:
        strikes = self._faults.strikes
        if strikes(Fault.BAR_MISSING, 0.002):
            return
        frozen = self._frozen.get(bar.symbol)
        if frozen is not None and now < frozen[0]:
            close = frozen[1].close_micros
            yield bar._replace(open_micros=close, high_micros=close, low_micros=close, close_micros=close)
            return
        if strikes(Fault.BARS_FROZEN, 0.0005):
            until = now + timedelta(minutes=self._faults.chance(Fault.BARS_FROZEN).randint(2, 20))
            self._frozen[bar.symbol] = (until, bar)
        if strikes(Fault.PRICE_SPIKE, 0.0005):
            yield _times(bar, self._faults.chance(Fault.PRICE_SPIKE).choice((0.1, 0.5, 2.0, 10.0)))
        elif strikes(Fault.PRICE_CROSSED, 0.0005):
            yield bar._replace(high_micros=bar.low_micros, low_micros=bar.high_micros + 10_000)
        else:
            yield bar

    def _trouble_the_clock(self, now: datetime) -> None:
        strikes = self._faults.strikes
        if strikes(Fault.MARKET_CLOCK_JUMPS, 0.002):
            offsets = [offset for offset in _OFFSETS if offset != self._offset]
            self._offset = self._faults.chance(Fault.MARKET_CLOCK_JUMPS).choice(offsets)
        session = self._truth.calendar.session(new_york_date(now))
        if session is None:
            return
        is_ahead = now < session.flatten_at < now + 5 * MINUTE
        if strikes(Fault.SUSPENDED_OVER_FLATTEN, 0.04 if is_ahead else 0.0):
            self._sleep_until(now + timedelta(minutes=self._faults.chance(Fault.SUSPENDED_OVER_FLATTEN).randint(6, 90)))
        elif strikes(Fault.SUSPENDED, 0.001):
            self._sleep_until(now + timedelta(minutes=self._faults.chance(Fault.SUSPENDED).randint(2, 180)))

    def _sleep_until(self, instant: datetime) -> None:
        """The host sleeps: the market goes on, and then the clock is somewhere else."""
        self._truth.come_to(instant)
        self._slept_until = instant
        self._set(instant, asyncio.get_running_loop().time())


def _times(bar: Bar, factor: float) -> Bar:
    def price(micros: int) -> int:
        return max(10_000, round(micros * factor / 10_000) * 10_000)

    return bar._replace(
        open_micros=price(bar.open_micros),
        high_micros=price(bar.high_micros),
        low_micros=price(bar.low_micros),
        close_micros=price(bar.close_micros),
    )
