"""Five seconds as they come: what can be goes on, into minutes and to the opening prices; what cannot is told.

Left out is what cannot be a bar (see `data_bars`), lies outside regular hours, or is more than a minute away from the
clock: live data are not. Told the first time for a symbol and fault, then the tenth, the hundredth, ...
"""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from trader.adapters.ibkr.data_bars import five_seconds
from trader.adapters.ibkr.messages import RealTimeBar
from trader.adapters.ibkr.minute_bars import FIVE_SECONDS, FiveSeconds, MinuteBars
from trader.adapters.ibkr.silence import Silence
from trader.domain.market import BarTime
from trader.domain.session import Calendar
from trader.services.market_data import SAID_AT
from trader.services.ports import Clock, Log

_LIVE_WITHIN = timedelta(minutes=1)

Opening = Callable[[BarTime], None]


def nobody(bar_time: BarTime) -> None:
    """Nobody fills orders on these bars."""


class LiveBars:
    """Where five-second bars come in."""

    def __init__(self, minutes: MinuteBars, silence: Silence, calendar: Calendar, clock: Clock, log: Log) -> None:
        self.opening: Opening = nobody
        """Called with each new five seconds in which a symbol was traded, each once, in the order of time."""
        self._minutes = minutes
        self._silence = silence
        self._calendar = calendar
        self._clock = clock
        self._log = log
        self._newest: dict[str, datetime] = {}
        self._left_out: Counter[tuple[str, str]] = Counter()

    def take(self, symbol: str, sent: RealTimeBar) -> None:
        """Take in a bar of a symbol that was asked for."""
        try:
            piece = five_seconds(symbol, sent)
        except ValueError as fault:
            self._leave_out(symbol, str(fault))
            return
        fault_of_time = self._fault_of_time(piece)
        if fault_of_time:
            self._leave_out(symbol, fault_of_time)
            return
        if self._silence.heard(symbol, piece.ends_at):
            self._log.info(f"BARS AGAIN of {symbol}")
        if not self._minutes.take(piece):
            self._leave_out(symbol, "its minute has been given already")
        self._open(piece)

    def _fault_of_time(self, piece: FiveSeconds) -> str:
        now, starts_at = self._clock.now(), piece.bar.timestamp
        if piece.ends_at > now + _LIVE_WITHIN:
            return "more than a minute ahead of the clock"
        if piece.ends_at < now - _LIVE_WITHIN:
            return "older than a minute, so not live"
        session = self._calendar.session_at(starts_at)
        if session is None or not session.trades_at(starts_at):
            return "outside regular hours"
        return ""

    def _open(self, piece: FiveSeconds) -> None:
        """Whoever fills at opens sees each once; an older one would fill in the past."""
        bar = piece.bar
        if piece.traded and (bar.symbol not in self._newest or bar.timestamp > self._newest[bar.symbol]):
            self._newest[bar.symbol] = bar.timestamp
            self.opening(BarTime(piece.ends_at, FIVE_SECONDS, (bar,)))

    def _leave_out(self, symbol: str, fault: str) -> None:
        self._left_out[symbol, fault] += 1
        number = self._left_out[symbol, fault]
        if number in SAID_AT:
            self._log.warning(f"FIVE SECONDS LEFT OUT of {symbol}: {fault} (number {number})")
