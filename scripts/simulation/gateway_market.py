"""The embedded market's prices at the gateway, five seconds at a time, on the clock that gateway and daemon share.

While a daemon lives the market goes as its loop goes; while none does, it comes to where it is told to. Nights are
skipped.
"""

import asyncio
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from gateway import Gateway

from simulation.configuration import FAMILY, STOCKS
from trader.adapters.feeds.simulated_market import MINUTE, SimulatedMarket
from trader.domain.market import Bar, BarTime
from trader.domain.money import MICROS_PER_DOLLAR
from trader.domain.session import Calendar, SessionDay, new_york_date

LEAD = timedelta(minutes=2)
"""A day begins so long before its open."""
REST = timedelta(minutes=5)
"""And is over so long after its close."""

_PAST = timedelta(minutes=3)
_STEP = timedelta(seconds=5)
_STEPS = MINUTE // _STEP
_TRADED = frozenset({*FAMILY, *STOCKS})


class GatewayMarket:
    """Of one run."""

    def __init__(self, seed: int, calendar: Calendar, begins_at: datetime) -> None:
        self.calendar = calendar
        self.halted: dict[str, datetime] = {}
        """Symbols that do not trade, and until when."""
        self._market = SimulatedMarket(seed, calendar)
        self._gateway: Gateway
        self._at = self._drawn = begins_at
        self._loop: asyncio.AbstractEventLoop | None = None
        self._since_s = self._looked_s = 0.0
        self._now = begins_at
        self._minutes = lru_cache(maxsize=8)(self._minutes_of)

    def trade_at(self, gateway: Gateway) -> None:
        """Prices go there, those of the last minutes of the day before first."""
        self._gateway = gateway
        before = new_york_date(self._at) - timedelta(days=1)
        while (session := self.calendar.session(before)) is None:
            before -= timedelta(days=1)
        self._drawn = session.closes_at - _PAST
        self._draw()

    @property
    def at(self) -> datetime:
        """How far it has come."""
        return self.now()

    def now(self) -> datetime:
        """The time, aware UTC."""
        loop_s = self._loop.time() if self._loop is not None else self._since_s
        if loop_s != self._looked_s:  # it is asked after every callback
            self._looked_s, self._now = loop_s, self._at + timedelta(seconds=loop_s - self._since_s)
        return self._now

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """A life begins: time goes by its loop."""
        self._loop = loop
        self._set(self._at, loop.time())

    def end(self) -> None:
        """It is over: time stands."""
        self._set(self.now(), 0.0)
        self._loop = None

    def come_to(self, instant: datetime) -> None:
        """Go on to an instant with no daemon there; from a night to the next morning."""
        self._set(max(self._at, instant), 0.0)
        if self.is_night:
            self._set(self._next_open - LEAD, 0.0)
        self._draw()

    def _set(self, at: datetime, loop_s: float) -> None:
        self._at = self._now = at
        self._since_s = self._looked_s = loop_s

    @property
    def is_night(self) -> bool:
        """Nothing happens before the next morning."""
        session = self._session
        return session is None or self.now() >= session.closes_at + REST

    async def goes_on(self) -> None:
        """As long as a life does."""
        while True:
            now = self.now()
            ahead = _STEP - timedelta(seconds=now.second % 5, microseconds=now.microsecond)
            await asyncio.sleep(ahead.total_seconds())
            self._draw()

    @property
    def _session(self) -> SessionDay | None:
        return self.calendar.session(new_york_date(self.now()))

    @property
    def _next_open(self) -> datetime:
        today, session = new_york_date(self.now()), self._session
        is_ahead = session is not None and self.now() < session.opens_at
        return session.opens_at if session is not None and is_ahead else self.calendar.next_session(today).opens_at

    def _draw(self) -> None:
        """Everything that is over and has not been drawn."""
        since, until = self._drawn, self.now()
        self._drawn = until
        self._resume(until)
        day = new_york_date(since)
        while day <= new_york_date(until):
            session = self.calendar.session(day)
            if session is not None:
                for bar_time in self._between(day, since, until):
                    self._draw_minute(bar_time, since, until)
                if since < session.closes_at <= until:
                    self._gateway.end_day()
            day += timedelta(days=1)

    def _between(self, day: date, since: datetime, until: datetime) -> Iterator[BarTime]:
        minutes = self._minutes(day)
        opens_at = minutes[0].ends_at - MINUTE
        first = max((since - opens_at) // MINUTE, 0)
        last = max((until - opens_at) // MINUTE + 1, 0)
        return iter(minutes[first:last])

    def _minutes_of(self, day: date) -> tuple[BarTime, ...]:
        return tuple(self._market.session_bars(day))

    def _draw_minute(self, bar_time: BarTime, since: datetime, until: datetime) -> None:
        starts_at = bar_time.ends_at - MINUTE
        for step in range(_STEPS):
            if since < starts_at + (step + 1) * _STEP <= until:
                for bar in bar_time.bars:
                    if bar.symbol in _TRADED and bar.symbol not in self.halted:
                        self._draw_step(bar, step)

    def _draw_step(self, bar: Bar, step: int) -> None:
        opens, closes = _price(bar, step), _price(bar, step + 1)
        starts_at = bar.timestamp + step * _STEP
        low, high = min(opens, closes), max(opens, closes)
        self._gateway.market.bar(bar.symbol, starts_at, opens, high, low, closes, bar.volume // _STEPS)

    def _resume(self, now: datetime) -> None:
        for symbol in [symbol for symbol, until in self.halted.items() if until <= now]:
            del self.halted[symbol]
            self._gateway.market.resume(symbol)


def _price(bar: Bar, step: int) -> Decimal:
    """On the way from the minute's open by its low and high, or high and low, to its close; dollars."""
    rises = bar.close_micros >= bar.open_micros
    extremes = (bar.low_micros, bar.high_micros) if rises else (bar.high_micros, bar.low_micros)
    corners = (bar.open_micros, *extremes, bar.close_micros)
    leg, part = divmod(step * (len(corners) - 1), _STEPS)
    before, after = corners[leg], corners[min(leg + 1, len(corners) - 1)]
    cents = round((before + (after - before) * part / _STEPS) / 10_000)
    return Decimal(cents * 10_000) / MICROS_PER_DOLLAR
