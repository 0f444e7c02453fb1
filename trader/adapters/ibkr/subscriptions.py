"""Who is subscribed to five-second bars: everybody, at each new epoch, and again whoever goes silent.

Only live data count. Where the broker says that what it sends is delayed or frozen, or that it sends nothing, that
symbol's bars are not passed on until it is subscribed anew and nothing of the kind is said.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from trader.adapters.ibkr.codes import Kind, kind_of, meaning_of
from trader.adapters.ibkr.connection import Connection
from trader.adapters.ibkr.contracts import Contracts
from trader.adapters.ibkr.data_bars import what_to_show
from trader.adapters.ibkr.messages import Failure, MarketDataType, RealTimeBar
from trader.adapters.ibkr.pacing import Kind as Asked
from trader.adapters.ibkr.pacing import Pacing, Request
from trader.adapters.ibkr.session import Session
from trader.adapters.ibkr.silence import TOLERATED, Silence
from trader.domain.session import Calendar
from trader.services.ports import Clock, Log

LIVE = 1
_TYPES = {2: "frozen", 3: "delayed", 4: "delayed and frozen"}

_LOOK_S = 0.25
_ENDED = frozenset({10182, 10225})
"""Live updates have ended; a bust has ended the subscription: notices, but of nothing that goes on."""

Take = Callable[[str, RealTimeBar], None]


class _Line(NamedTuple):
    """A subscription, by the session that it lives in."""

    session: Session
    id: int


class _Ear:
    """Takes in what comes for one subscription."""

    def __init__(self, symbol: str, subscriptions: "Subscriptions") -> None:
        self._symbol = symbol
        self._subscriptions = subscriptions

    def hear(self, item: object) -> None:
        self._subscriptions.heard(self._symbol, item)

    def failed(self, failure: Failure) -> None:
        self._subscriptions.failed(self._symbol, failure)


class Subscriptions:
    """The lines that bars come in by."""

    def __init__(
        self,
        connection: Connection,
        contracts: Contracts,
        silence: Silence,
        pacing: Pacing,
        calendar: Calendar,
        clock: Clock,
        log: Log,
        take: Take,
    ) -> None:
        self._connection = connection
        self._contracts = contracts
        self._silence = silence
        self._pacing = pacing
        self._calendar = calendar
        self._clock = clock
        self._log = log
        self._take = take
        self._lines: dict[str, _Line] = {}
        self._wanted: dict[str, None] = {}
        self._not_live: dict[str, str] = {}
        self._waits: frozenset[str] = frozenset()
        """Who waits for the broker's pacing, as was said."""
        self._told: dict[str, str] = {}
        """What was last said of a symbol's data; the same is not said again before they are live."""

    @property
    def not_live(self) -> Mapping[str, str]:
        """Symbols whose data may not be traded on, and why."""
        return self._not_live

    def begin(self, session: Session, symbols: Iterable[str]) -> None:
        """An epoch has begun: ask for live data, and for every line that did not outlive the last one."""
        session.outgoing.request(lambda: session.client.reqMarketDataType(LIVE))
        for symbol in symbols:
            self._silence.subscribed(symbol, self._clock.now())
            line = self._lines.get(symbol)
            if line is None or line.session is not session or not session.subscriptions_kept:
                self._wanted[symbol] = None

    async def keep(self) -> None:
        """Subscribe whoever has to be, for ever."""
        while True:
            if self._connection.session is not None:
                self._look_for_silence()
                self._subscribe_some()
            await asyncio.sleep(_LOOK_S)

    def end(self) -> None:
        """Cancel all lines."""
        for line in self._lines.values():
            line.session.unsubscribe(line.id, line.session.client.cancelRealTimeBars)
        self._lines.clear()

    def _look_for_silence(self) -> None:
        now = self._clock.now()
        day = self._calendar.session_at(now)
        silent = self._silence.newly_silent(day, now)
        if silent:
            late = f"{TOLERATED.total_seconds():g} s overdue"
            self._log.warning(f"NO BARS of {', '.join(silent)}: {late}; subscribed anew until some come")
        self._wanted.update(dict.fromkeys(self._silence.to_subscribe(day, now)))

    def _subscribe_some(self) -> None:
        """Make as many lines anew as the broker's pacing allows now, of what is held first."""
        now_s, longest_s = asyncio.get_running_loop().time(), 0.0
        for symbol in self._pacing.held_first(self._wanted):
            request = Request(Asked.SUBSCRIPTION, symbol)
            wait_s = self._pacing.wait_s(request, now_s) or 0.0
            session = self._connection.session
            if not wait_s and session is not None:
                self._pacing.sent(request, now_s)
                self._subscribe(symbol, session)
            longest_s = max(longest_s, wait_s)
        waits = frozenset(self._wanted)
        if waits - self._waits:
            self._log.warning(f"SUBSCRIPTIONS WAIT {longest_s:.0f} s for IB's pacing: {', '.join(sorted(waits))}")
        self._waits = waits

    def _subscribe(self, symbol: str, session: Session) -> None:
        """Make a symbol's line anew."""
        listed = self._contracts.get(symbol)
        del self._wanted[symbol]
        self._not_live.pop(symbol, None)
        self._silence.subscribed(symbol, self._clock.now())
        if listed is None:
            self._block(symbol, "it is not qualified")
            return
        old = self._lines.pop(symbol, None)
        if old is not None:
            old.session.unsubscribe(old.id, old.session.client.cancelRealTimeBars)
        contract, client = listed.contract, session.client
        id_ = session.subscribe(
            lambda id_: client.reqRealTimeBars(id_, contract, 5, what_to_show(symbol), True, []), _Ear(symbol, self)
        )
        self._lines[symbol] = _Line(session, id_)

    def heard(self, symbol: str, item: object) -> None:
        """Take in what came for a symbol."""
        if isinstance(item, MarketDataType):
            self._hear_of_type(symbol, item.type)
        elif isinstance(item, RealTimeBar) and symbol not in self._not_live:
            if self._told.pop(symbol, None) is not None:
                self._log.info(f"DATA ARE LIVE again: {symbol}")
            self._take(symbol, item)

    def failed(self, symbol: str, failure: Failure) -> None:
        """Take in an error or a notice that names a symbol's subscription: an error has ended it, or spoilt it."""
        if failure.code in _ENDED or kind_of(failure.code) not in (Kind.FARM, Kind.NOTICE):
            self._block(symbol, _words(failure))

    def hear_of_all(self, failure: Failure) -> None:
        """Take in an error that names nobody."""
        if kind_of(failure.code) is Kind.NOT_LIVE:
            for symbol in self._lines:
                self._block(symbol, _words(failure))

    def _hear_of_type(self, symbol: str, type_: int) -> None:
        if type_ != LIVE:
            self._block(symbol, f"market data type {type_}, {_TYPES.get(type_, 'unknown')}")
        else:
            self._not_live.pop(symbol, None)

    def _block(self, symbol: str, why: str) -> None:
        """Pass nothing on of a symbol until it is subscribed anew, which is tried less and less often."""
        self._not_live[symbol] = why
        self._silence.lost(symbol)
        if self._told.get(symbol) != why:
            self._told[symbol] = why
            self._log.error(
                f"DATA NOT LIVE of {symbol}: {why}; nothing is decided on them, and they are asked for anew"
            )


def _words(failure: Failure) -> str:
    meaning = meaning_of(failure.code)
    return f"{failure} ({meaning})" if meaning else str(failure)
