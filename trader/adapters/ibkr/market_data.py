"""The feed of Interactive Brokers: live minutes, and the finished ones that were missed.

Rule 1: bar times go out in order, each once, whether they came live or were asked for later.
Rule 2: after a gap (a lost connection, a daemon that was down since its history) the minutes that are missing are asked
for and go out first. What cannot be had is told, and left out: live data do not wait for ever.
Rule 3: a minute with a hole in it goes out mended, where the historical servers have it in time; else as it
is, and told.
Rule 4: no price that is not live, and none that cannot be, goes out (see `subscriptions`, `live_bars`); nor is a symbol
that is not live now helped out by history.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from trader.adapters.ibkr.connection import Connection
from trader.adapters.ibkr.contracts import Contracts
from trader.adapters.ibkr.history import Found, HistoricalBars
from trader.adapters.ibkr.live_bars import LiveBars, Opening, nobody
from trader.adapters.ibkr.messages import Failure, Message, RealTimeBar
from trader.adapters.ibkr.minute_bars import GRACE, MINUTE, PIECES, Minute, MinuteBars
from trader.adapters.ibkr.pacing import Pacing
from trader.adapters.ibkr.session import Session
from trader.adapters.ibkr.session_minutes import last_minutes, minutes_between
from trader.adapters.ibkr.silence import Silence
from trader.adapters.ibkr.subscriptions import Subscriptions
from trader.domain.errors import BrokerUnreachable, ConfigurationError
from trader.domain.market import BarTime, by_symbol
from trader.domain.session import Calendar
from trader.services.ports import Clock, Log

MOST_SYMBOLS = 50

_LOOK_S = 0.1
_HISTORY_S = 60.0
_GAP_S = 20.0
_MEND_S = 3.0
_NEVER = datetime.min.replace(tzinfo=UTC)

Publish = Callable[[BarTime], Awaitable[None]]
Held = Callable[[], Collection[str]]


class IbkrFeed:
    """Minutes of regular hours, from trades."""

    def __init__(
        self,
        connection: Connection,
        contracts: Contracts,
        symbols: Sequence[str],
        calendar: Calendar,
        clock: Clock,
        log: Log,
    ) -> None:
        """Raises ConfigurationError for more symbols than may be subscribed at once."""
        if len(symbols) > MOST_SYMBOLS:
            raise ConfigurationError(
                f"{len(symbols)} symbols are more than the {MOST_SYMBOLS} real-time subscriptions that are made at "
                "Interactive Brokers: leave families or members of them out of the configuration"
            )
        self._symbols = tuple(dict.fromkeys(symbols))
        self._connection = connection
        self._calendar = calendar
        self._clock = clock
        self._log = log
        self._minutes = MinuteBars()
        self._silence = Silence(symbols)
        self._pacing = Pacing()
        self._history = HistoricalBars(connection, contracts, self._pacing, log)
        self._live = LiveBars(self._minutes, self._silence, calendar, clock, log)
        self._subscriptions = Subscriptions(
            connection, contracts, self._silence, self._pacing, calendar, clock, log, self._take
        )
        self._news = asyncio.Event()
        self._published_until = _NEVER
        """The end of the newest bar time that was given."""
        self._epoch_is_new = False
        connection.listeners.append(self)

    @property
    def symbols(self) -> tuple[str, ...]:
        """What it was asked for."""
        return self._symbols

    @property
    def not_live(self) -> Mapping[str, str]:
        """Symbols whose data are delayed, frozen or not to be had, and why; nothing of them is passed on."""
        return self._subscriptions.not_live

    def now(self) -> datetime:
        """The time, aware UTC."""
        return self._clock.now()

    def ages(self) -> Mapping[str, float | None]:
        """Seconds since the end of each symbol's newest five seconds; None when none has come."""
        return self._silence.ages_s(self._clock.now())

    async def history(self, before: datetime, bars: int) -> list[BarTime]:
        """Give the last bar times that ended at or before an instant, oldest first; `run` goes on after them.

        Symbols whose answer is not whole are named in the log. Raises BrokerUnreachable when that is all of them.
        """
        ends = last_minutes(self._calendar, before, bars)
        if not ends or not self._symbols:
            return []
        found = await self._history.minutes(self._symbols, ends[0] - MINUTE, ends[-1], _HISTORY_S)
        if found.missing.keys() >= set(self._symbols):
            raise BrokerUnreachable(
                f"no history from Interactive Brokers ({_words(found.missing)}); look at the data farms in TWS, and "
                "start again"
            )
        if found.missing:
            self._log.warning(f"HISTORY MISSING of {_words(found.missing)}")
        past = found.bar_times(ends)
        if past:
            self._published_until = max(self._published_until, past[-1].ends_at)
        return past

    async def run(self, publish: Publish, stop: asyncio.Event, opening: Opening = nobody, held: Held = tuple) -> None:
        """Publish every bar time after the newest of `history`, each when it is finished, until `stop` is set.

        `opening` is called with every five seconds in which a symbol was traded, one symbol at a time, when they are
        known: that is at their end. What `held` names is asked for before everything else. Raises what `publish`
        raises, and ValueError where the calendar ends.
        """
        self._live.opening = opening
        self._pacing.held = held
        if self._published_until == _NEVER:
            self._published_until = self._clock.now()
        self._minutes.pass_over(self._published_until)
        if self._connection.session is not None:
            self.begun(self._connection.session)
        try:
            async with asyncio.TaskGroup() as group:
                keeping = group.create_task(self._subscriptions.keep())
                await self._publish_until(stop, publish)
                keeping.cancel()
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None
        finally:
            self._subscriptions.end()
            self._live.opening = nobody

    # a listener of the connection

    def begun(self, session: Session) -> None:
        """An epoch begins: subscribe, and look for what was missed."""
        self._subscriptions.begin(session, self._symbols)
        self._epoch_is_new = True

    def ended(self, reason: str) -> None:
        """The epoch has ended: nothing comes until the next one, which asks for what was missed."""

    def hear(self, message: Message) -> None:
        """Take in what came unasked."""
        if isinstance(message, Failure) and message.id == -1:
            self._subscriptions.hear_of_all(message)

    def _take(self, symbol: str, sent: RealTimeBar) -> None:
        self._live.take(symbol, sent)
        self._news.set()

    # what is published

    async def _publish_until(self, stop: asyncio.Event, publish: Publish) -> None:
        while not stop.is_set():
            if self._epoch_is_new and self._connection.session is not None:
                self._epoch_is_new = False
                await self._fill_gap(self._clock.now() - GRACE, publish, stop)
            expected = [symbol for symbol in self._symbols if symbol not in self._silence.silent]
            for minute in list(self._minutes.due(self._clock.now(), expected)):
                await self._fill_gap(minute.bar_time.ends_at - MINUTE, publish, stop)
                await self._give(await self._mended(minute, stop), publish, stop)
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await self._news.wait()

    async def _give(self, bar_time: BarTime, publish: Publish, stop: asyncio.Event) -> None:
        if bar_time.bars and not stop.is_set():
            self._published_until = bar_time.ends_at
            self._minutes.pass_over(bar_time.ends_at)
            await publish(bar_time)

    async def _fill_gap(self, until: datetime, publish: Publish, stop: asyncio.Event) -> None:
        """Publish what ended since the last bar time that was given, and not later than `until`."""
        ends = minutes_between(self._calendar, self._published_until, until)
        if not ends or stop.is_set():
            return
        found = await self._ask(self._live_ones(self._symbols), ends[0], ends[-1], _GAP_S, stop)
        if stop.is_set():
            return
        bar_times = found.bar_times(ends)
        words = f"of {len(ends)} minutes, {ends[0]:%Y-%m-%d %H:%M} to {ends[-1]:%H:%M} UTC: {len(bar_times)} were found"
        if found.missing or len(bar_times) < len(ends):
            self._log.warning(f"BACK-FILL {words}; without an answer: {_words(found.missing) or 'nobody'}")
        else:
            self._log.info(f"BACK-FILL {words}")
        for bar_time in bar_times:
            await self._give(bar_time, publish, stop)

    async def _mended(self, minute: Minute, stop: asyncio.Event) -> BarTime:
        """The minute with its holes filled, where that can be had at once, and leaves room for a back-fill of all."""
        bar_time, lacking = minute
        wanted = self._live_ones(lacking)
        if not wanted or stop.is_set():
            return bar_time
        found = Found()
        if self._history.may_be_asked(len(wanted) + len(self._symbols)):
            found = await self._ask(wanted, bar_time.ends_at, bar_time.ends_at, _MEND_S, stop)
        mended = found.bars.get(bar_time.ends_at, {})
        holes = ", ".join(
            f"{symbol} {lacking[symbol]} ({'mended' if symbol in mended else 'not mended'})" for symbol in wanted
        )
        self._log.warning(
            f"HOLES in the minute that ended {bar_time.ends_at:%H:%M} UTC, of {PIECES} five seconds: {holes}"
        )
        bars = by_symbol(bar_time.bars) | mended
        return bar_time._replace(bars=tuple(bar for _, bar in sorted(bars.items())))

    def _live_ones(self, symbols: Iterable[str]) -> list[str]:
        return [symbol for symbol in symbols if symbol not in self.not_live]

    async def _ask(
        self, symbols: Collection[str], first: datetime, last: datetime, deadline_s: float, stop: asyncio.Event
    ) -> Found:
        """Ask for the minutes that end from `first` to `last`; a stop is not kept waiting."""
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(self._history.minutes(symbols, first - MINUTE, last, deadline_s))
            stopping = group.create_task(stop.wait())
            await asyncio.wait({asking, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if not asking.done():
                asking.cancel()
        return Found() if asking.cancelled() else asking.result()


def _words(missing: Mapping[str, str]) -> str:
    return ", ".join(f"{symbol}: {why}" for symbol, why in sorted(missing.items()))
