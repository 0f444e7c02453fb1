"""The exit scanner: at every look, every position of the ledger against its exits. It reads no copy and keeps none.

The order in which a position is asked, the first yes counts:

    1  stop         the bar's low is at or below the stop (`trailing_stop` once that was raised); a gap through it
                    exits at the market
    2  take-profit  the bar's high is at or above the target
    3  time stop    it has been held for as long as it may
    4  expiry       an option has so few days left, or its last trading day ends
    5  close        the session ends, or it should have been closed in an earlier one; what may be held overnight stays
                    where stops at the broker cover all of it

What stops or targets at the broker cover as a whole is theirs: the scanner does not act on its touch, and says so when
they have not sold it for a while. Such a position is armed whoever watches its bars. A stop that was raised above
the broker's is the scanner's own, as is everything while a part is not covered.

A trailing stop follows the close of a bar and counts from the next bar on. No gate, halt, limit or lack of cash is
asked. A position whose price is missing or old is not watched: an alarm, and *not armed*. A scan that could not look at
every position is not completed; without a completed one for a while, no entry leaves.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from trader.domain.alarm import AlarmType
from trader.domain.decision import UNSTAMPED, Close, Rule
from trader.domain.events import JournalType
from trader.domain.exit_plan import ExitReason
from trader.domain.family import Families
from trader.domain.ledger import Position, PositionState
from trader.domain.market import Bar, BarTime, Prices, by_symbol
from trader.domain.rules import Rules
from trader.domain.session import SessionDay
from trader.domain.symbol import is_option
from trader.pipeline.exits import closing_time, expiring, held_too_long, touched, unprotected_at_close
from trader.services.draft import Draft
from trader.services.execution import Execution
from trader.services.gate import Gate
from trader.services.protecting import guards_of
from trader.services.step import Level, Step


class Scan(NamedTuple):
    """One completed look at every position."""

    at: datetime
    armed: Mapping[str, int]
    """Symbol -> shares whose exits are watched or on their way; no more than the broker is known to have."""
    unarmed: Mapping[str, str]
    """Symbol -> why its exits are not watched."""


class _AtBroker(NamedTuple):
    """What stops and targets at the broker will do with one position."""

    stops_all: bool = False
    targets_all: bool = False
    all_stop_at_micros: int = 0

    def does(self, close: Close, bar: Bar) -> bool:
        """Whether the touch is theirs to act on."""
        if close.reason == ExitReason.TAKE_PROFIT:
            return self.targets_all
        return self.stops_all and (close.reason == ExitReason.STOP or bar.low_micros <= self.all_stop_at_micros)


class _Left(NamedTuple):
    """A touch that was left to the broker."""

    opened_at: datetime
    since: datetime
    reason: str


class _Moment(NamedTuple):
    """What is the same for every position of one look."""

    bars: tuple[Mapping[str, Bar], ...]
    """By symbol, one a bar time."""
    session: SessionDay | None
    newest_bar_since: datetime | None
    """A watched symbol has a bar that started then or later; None while no bar is due."""
    closes_before: datetime
    """The clock may ask for what was opened before this: for nothing, for what was left overnight, or for all."""
    at_broker: Mapping[str, _AtBroker]
    """By symbol; of those that anything protects there."""

    def broker(self, symbol: str) -> _AtBroker:
        """What is done there with a symbol."""
        return self.at_broker.get(symbol, _NOTHING)


_NOTHING = _AtBroker()
_EVER = datetime.max.replace(tzinfo=UTC)
_BROKER_PATIENCE = timedelta(seconds=120)


class ExitScanner:
    """Finds what has to go. Execution does the rest, until it is flat."""

    def __init__(self, execution: Execution, families: Families, rules: Rules, prices: Prices, gate: Gate) -> None:
        self.last = self._before = Scan(UNSTAMPED, {}, {})
        self.looks = 0
        """How often it has looked at every position, seen or not: that it works at all."""
        self._execution = execution
        self._families = families
        self._rules = rules
        self._prices = prices
        self._gate = gate
        self._touched: dict[tuple[str, datetime], Close] = {}
        """Exits that a bar has triggered in a step that has not happened yet, by symbol and time of opening."""
        self._began: datetime | None = None
        """When it looked first: before that no bar could be seen."""
        self._left: dict[str, _Left] = {}
        """By symbol."""
        self._paged: set[str] = set()
        """Symbols whose touch the broker has not acted on for too long, as somebody was told."""
        self._alarmed: set[str] = set()
        self._missed: set[str] = set()
        """Symbols of which a look failed: perhaps at the bar that mattered, so a look without a bar mends nothing."""
        self._patience = timedelta(seconds=rules.exit_scan_patience_s)
        every = (rules.exits, rules.options.exits, *rules.exits_by_symbol.values())
        self._any_follows = any(rule.trailing_ppm for rule in every)
        self._any_times_out = any(rule.time_stop_s for rule in every)
        self._any_stays = any(rule.overnight for rule in every)

    def scan(self, step: Step, bar_times: Sequence[BarTime], session: SessionDay | None) -> None:
        """Look at every position once; close the gate when that has not been possible for too long."""
        draft, self._before = step.draft, self.last
        moment = self._moment(draft, bar_times if draft.positions else (), session)
        armed: dict[str, int] = {}
        unarmed: dict[str, str] = {}
        for position in list(draft.positions.values()):
            try:
                why_not = self._look(step, position, moment)
            except Exception as error:  # noqa: BLE001  (a bug costs this position its watch, loudly, and no other one)
                self._missed.add(position.symbol)
                self._complain(step, position.symbol, f"a bug, {type(error).__name__}: {error}")
                continue
            if self._missed and self._is_missed(position.symbol, moment.bars):
                continue
            if why_not:
                unarmed[position.symbol] = why_not
            else:
                armed[position.symbol] = draft.may_sell(position)
        for symbol, why_not in unarmed.items():
            self._complain(step, symbol, why_not)
        self._judge(step, Scan(draft.now, armed, unarmed), len(draft.positions))

    def _look(self, step: Step, position: Position, moment: _Moment) -> str:
        """Close it if it has to go, else let its stop follow; say why it is not watched, or nothing."""
        close = self._due(position, moment, step.draft.now)
        if close is not None:
            self._execution.close(step, close)
            return ""
        if position.state is PositionState.CLOSING:
            return ""
        if self._left:
            self._page_what_was_left(step, position)
        if self._any_follows:
            for bars in moment.bars:
                if position.symbol in bars:
                    self._follow(step, position, bars[position.symbol])
        since = moment.newest_bar_since  # outside the session no bar is due
        return self._not_watched(position, moment, since) if since is not None else ""

    def _is_missed(self, symbol: str, bars: Sequence[Mapping[str, Bar]]) -> bool:
        if symbol in self._missed and any(symbol in of_bar_time for of_bar_time in bars):
            self._missed.remove(symbol)
        return symbol in self._missed

    def _due(self, position: Position, moment: _Moment, now: datetime) -> Close | None:
        close = self._touch(position, moment, now) if moment.bars or self._touched else None
        if close is None and self._any_times_out:
            close = held_too_long(position, self._rules.exit_rule(position.symbol), now)
        if close is None and is_option(position.symbol):
            close = expiring(position, self._rules.exit_rule(position.symbol), moment.session, now)
        if close is not None:
            return close
        if self._any_stays and self._rules.exit_rule(position.symbol).overnight:
            stopped = moment.broker(position.symbol).stops_all
            return unprotected_at_close(position, moment.session, now, stopped=stopped)
        return closing_time(position, moment.session, now) if position.opened_at < moment.closes_before else None

    def _touch(self, position: Position, moment: _Moment, now: datetime) -> Close | None:
        """What its bars have triggered, in this step or in one that has not happened; but what is the broker's."""
        for bars in moment.bars:
            bar = bars.get(position.symbol)
            if bar is None:
                continue
            close = touched(position, bar, self._prices, self._rules)
            if close is None:
                continue
            if moment.broker(position.symbol).does(close, bar):
                self._leave(position, close, now)
            else:
                self._touched.setdefault((position.symbol, position.opened_at), close)
        return self._touched.get((position.symbol, position.opened_at))

    def _leave(self, position: Position, close: Close, now: datetime) -> None:
        left = self._left.get(position.symbol)
        if left is None or left.opened_at != position.opened_at:
            self._left[position.symbol] = _Left(position.opened_at, now, close.reason)
            self._paged.discard(position.symbol)

    def _page_what_was_left(self, step: Step, position: Position) -> None:
        """The broker's own order has been touched, and has not sold: a person looks why."""
        symbol, left = position.symbol, self._left.get(position.symbol)
        if left is None or left.opened_at != position.opened_at or symbol in self._paged:
            return
        waits = step.draft.now - left.since
        if waits < _BROKER_PATIENCE:
            return
        self._paged.add(symbol)
        what = (
            f"{left.reason} of {symbol} was touched {waits.total_seconds():.0f} s ago, and the broker has not sold it"
        )
        step.draft.alarm(AlarmType.PROTECTION_NOT_DONE, symbol, what)
        step.say(Level.ERROR, f"PROTECTION NOT DONE {what}; see its orders there account={step.draft.account}")

    def _follow(self, step: Step, position: Position, bar: Bar) -> None:
        """Raise a trailing stop. A price that has jumped raises none: it may be a bad print."""
        rule = self._rules.exit_rule(position.symbol)
        if not rule.trailing_ppm or self._has_jumped(position.symbol):
            return
        leverage = self._families.instrument(position.symbol).leverage
        raised = position.tightened(rule.trailing_stop_micros(bar.close_micros, leverage), step.draft.now)
        if raised is not position and raised.exit_plan is not None:
            step.draft.set_position(raised)
            step.draft.note(JournalType.STOP_TIGHTENED, position.symbol, stop_micros=raised.exit_plan.stop_micros)

    def _has_jumped(self, symbol: str) -> bool:
        return self._prices.jump_ppm(symbol) > self._rules.limits_of(symbol).collar_ppm

    def _not_watched(self, position: Position, moment: _Moment, bar_since: datetime) -> str:
        """Why nobody would see its levels touched, where a bar is due."""
        bar = self._prices.last(position.symbol)
        if bar is not None and bar.timestamp >= bar_since:
            return ""
        if moment.broker(position.symbol).stops_all:
            return ""
        return "no bar" if bar is None else f"no bar since {bar.timestamp + self._prices.interval:%H:%M} UTC"

    def _moment(self, draft: Draft, bar_times: Sequence[BarTime], session: SessionDay | None) -> _Moment:
        now = draft.now
        self._began = self._began or now
        bars = tuple(by_symbol(bar_time.bars) for bar_time in bar_times)
        if session is None or not session.trades_at(now):
            return _Moment(bars, session, None, _closes_before(session, now), _at_broker(draft))
        patience = timedelta(seconds=self._rules.limits.stale_price_s) + self._prices.interval
        is_due = now - max(session.opens_at, self._began) > patience
        due_since = now - patience - self._prices.interval if is_due else None
        return _Moment(bars, session, due_since, _closes_before(session, now), _at_broker(draft))

    def _complain(self, step: Step, symbol: str, why: str) -> None:
        """An alarm, once until it is watched again."""
        if symbol in self._alarmed:
            return
        self._alarmed.add(symbol)
        step.draft.alarm(AlarmType.EXITS_NOT_WATCHED, symbol, f"its exits are not watched: {why}")
        step.say(Level.ERROR, f"EXITS NOT WATCHED {symbol}: {why} account={step.draft.account}")

    def _judge(self, step: Step, scan: Scan, positions: int) -> None:
        """Whether it was a whole scan; the gate follows from when there was one."""
        self.looks += 1
        for symbol in sorted(self._alarmed & scan.armed.keys()):
            step.say(Level.INFO, f"EXITS WATCHED AGAIN {symbol} account={step.draft.account}")
        self._alarmed -= scan.armed.keys()
        if len(scan.armed) + len(scan.unarmed) == positions:
            self.last = scan
            self._gate.open(Rule.EXIT_SCAN_OVERDUE)
        elif scan.at - self.last.at >= self._patience:
            why = f"no whole exit scan for {self._patience.total_seconds():.0f} s"
            if self._gate.close(Rule.EXIT_SCAN_OVERDUE, why):
                step.draft.alarm(AlarmType.EXIT_SCAN_OVERDUE, "", why)
                step.say(Level.ERROR, f"EXIT SCAN OVERDUE: {why}; entries stopped account={step.draft.account}")

    def happened(self) -> None:
        """The step is over: what its bars have triggered is in the book."""
        self._touched.clear()

    def not_happened(self) -> None:
        """The step is thrown away: what it has said is said again, what its bars have triggered is kept, and what it
        has looked at may never have been held.
        """
        self.last = self._before
        self._alarmed.clear()
        self._paged.clear()


def _closes_before(session: SessionDay | None, now: datetime) -> datetime:
    if session is None or now < session.opens_at:
        return UNSTAMPED
    return _EVER if session.must_be_flat_at(now) else session.opens_at


def _at_broker(draft: Draft) -> dict[str, _AtBroker]:
    found = {}
    for symbol in draft.protected:
        guards, position = guards_of(draft, symbol), draft.positions.get(symbol)
        shares = draft.may_sell(position) if position is not None else 0
        found[symbol] = _AtBroker(
            guards.stopped >= shares,
            guards.targeted >= shares,
            guards.all_stop_at_micros,
        )
    return found
