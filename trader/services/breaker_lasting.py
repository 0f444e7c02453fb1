"""Conditions that close the gate, or bar a family, for as long as they last: a breaker trips when that is too long."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from trader.domain.breaker import KINDS, Breaker, InputValue, in_dollars
from trader.domain.decision import UNSTAMPED, Rule
from trader.domain.family import Families
from trader.domain.market import Prices
from trader.domain.order import OrderState
from trader.domain.session import SessionDay
from trader.services.breaker_panel import Panel
from trader.services.gate import Gate
from trader.services.step import Step

_LOOKED_AT_EVERY = timedelta(seconds=5)
_LISTENS_AT_MOST = timedelta(minutes=1)
"""Between two looks."""
_GATES: Mapping[Rule, Breaker] = {
    Rule.EXIT_SCAN_OVERDUE: Breaker.EXIT_SCANNER,
    Rule.BOOK_UNWRITABLE: Breaker.BOOK_WRITER,
}


class LastingWatch:
    """Of one account. What lasts is looked at every few seconds of the market's time."""

    def __init__(self, panel: Panel, families: Families, prices: Prices, gate: Gate) -> None:
        self._panel = panel
        self._families = families
        self._prices = prices
        self._gate = gate
        self._began = self._looked_at = UNSTAMPED
        self._heard = self._listened_at = UNSTAMPED
        self._listened_s = 0.0
        self._closed_since: dict[Rule, datetime] = {}
        self._skewed_since: datetime | None = None

    def look(self, step: Step, session: SessionDay | None) -> None:
        """Measure what is due."""
        now = step.draft.now
        if self._began is UNSTAMPED:
            self._began = now
        if not self._looked_at <= now < self._looked_at + _LOOKED_AT_EVERY:
            self._looked_at = now
            if session is not None and session.trades_at(now):
                self._look_at_silence(step, session)
            self._look_at_differences(step)
            self._look_at_unknown_orders(step)
        self._look_at_the_gate(step)

    def _look_at_differences(self, step: Step) -> None:
        draft = step.draft
        self._panel.note(Breaker.RECONCILIATION, 0)
        self._panel.note(Breaker.CASH_RECONCILIATION, 0)
        for drift in draft.drift.values():
            if drift.broker < drift.book:
                position = draft.positions.get(drift.symbol)
                family = position.family if position else self._families.instrument(drift.symbol).family
                inputs: dict[str, InputValue] = {"book": drift.book, "broker": drift.broker}
                cause = f"{drift.symbol}: {drift.what}"
                self._panel.judge_lasting(
                    step, Breaker.RECONCILIATION, drift.since, cause, target=family, inputs=inputs
                )
        cash = draft.cash_drift
        if cash is not None and self._gate.why_closed(Rule.CASH_DIFFERS):
            inputs = {"book": in_dollars(cash.book_micros), "broker": in_dollars(cash.broker_micros)}
            self._panel.judge_lasting(step, Breaker.CASH_RECONCILIATION, cash.since, cash.what, inputs=inputs)

    def _look_at_unknown_orders(self, step: Step) -> None:
        self._panel.note(Breaker.UNKNOWN_ORDER, 0)
        for order in step.draft.orders.values():
            if order.state is OrderState.UNKNOWN:
                self._panel.judge_lasting(
                    step,
                    Breaker.UNKNOWN_ORDER,
                    order.updated_at,
                    f"nobody knows what became of {order.ref} of {order.symbol}",
                    target=self._families.instrument(order.symbol).family,
                    inputs={"order_ref": order.ref},
                )

    def _look_at_silence(self, step: Step, session: SessionDay) -> None:
        """Only time in which somebody has listened: a clock that was set, or a host that slept, is no silence."""
        now, cleared_at = step.draft.now, step.draft.cleared.get(Breaker.STALE_DATA)
        heard = max(self._prices.newest_at, session.opens_at, self._began, cleared_at or UNSTAMPED)
        if heard != self._heard:
            self._heard, self._listened_s = heard, 0.0
        elif now >= heard + self._prices.interval:
            listened = min(max(now - self._listened_at, timedelta()), _LISTENS_AT_MOST)
            self._listened_s += listened.total_seconds()
        self._listened_at = now
        self._panel.judge(
            step,
            Breaker.STALE_DATA,
            round(self._listened_s, 1),
            f"no bar of any symbol has come for {self._listened_s:.0f} s of the session",
        )

    def _look_at_the_gate(self, step: Step) -> None:
        for rule, breaker in _GATES.items():
            why = self._gate.why_closed(rule)
            if why:
                since = self._closed_since.setdefault(rule, step.draft.now)
                self._panel.judge_lasting(step, breaker, since, why)
            elif self._closed_since.pop(rule, None) is not None:
                self._panel.note(breaker, 0)

    def hear_skew(self, step: Step, skew: timedelta) -> None:
        """The broker's clock is so far ahead of ours."""
        rule, seconds = self._panel.rules[Breaker.CLOCK_SKEW], abs(skew.total_seconds())
        now = step.draft.now
        if not KINDS[Breaker.CLOCK_SKEW].reached(seconds, rule.limit):
            step.heeded = step.heeded or self._skewed_since is not None
            self._skewed_since = None
        elif self._skewed_since is None or self._skewed_since > now:
            self._skewed_since, step.heeded = now, True
        since = max(self._skewed_since or now, step.draft.cleared.get(Breaker.CLOCK_SKEW, UNSTAMPED))
        lasts_s = (now - since).total_seconds()
        if self._skewed_since is not None and lasts_s >= rule.within_s:
            self._panel.judge(
                step,
                Breaker.CLOCK_SKEW,
                seconds,
                f"the broker's clock has been {skew.total_seconds():+.1f} s beside ours for {lasts_s:.0f} s",
            )
        else:
            self._panel.note(Breaker.CLOCK_SKEW, round(seconds, 3))
