"""Money that is lost: of the day, from the highest, and to commissions.

Rule 1: prices are believed as for sizes: one that has jumped further than the collar waits for its second print.
Rule 2: cash that has come or gone otherwise than by trading is neither a gain nor a loss.
Rule 3: what the day had lost, or the equity was, when a person cleared a breaker is in the journal: a restart counts on
from there.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from trader.domain.breaker import Base, Breaker, in_dollars, lost_percent
from trader.domain.market import Prices
from trader.domain.portfolio import Day
from trader.domain.rules import Rules
from trader.services.breaker_panel import Panel
from trader.services.draft import Draft
from trader.services.step import Step


class _Highest(NamedTuple):
    """The highest equity, and what it knows of."""

    micros: int
    cleared_at: datetime | None = None
    day_began_at: datetime | None = None
    moved_micros: int = 0
    """Of the day that began then: as much of its cash movements as the highest equity has."""


class EquityWatch:
    """Of one account."""

    def __init__(
        self, panel: Panel, rules: Rules, prices: Prices, highest_micros: int, bases: Mapping[Breaker, Base]
    ) -> None:
        self._panel = panel
        self._limits_of = rules.limits_of
        self._prices = prices
        self._highest = _Highest(highest_micros)
        self._counted_from: _Highest | None = None
        """The equity when a person cleared the drawdown in this run."""
        self._bases = dict(bases)

    def begin(self, draft: Draft) -> None:
        """The first step: what the book tells has all of this already."""
        highest = self._highest._replace(cleared_at=draft.cleared.get(Breaker.DRAWDOWN))
        if draft.day is not None:
            highest = highest._replace(day_began_at=draft.day.started_at, moved_micros=draft.day.moved_micros)
        self._highest = highest

    def carry(self, draft: Draft) -> None:
        """Cash has come or gone: the highest equity goes with it at once, as the next day knows nothing of it. A step
        that is taken up again has the same sum, and changes nothing."""
        highest, day = self._highest, draft.day
        if day is None:
            return
        carried = highest.moved_micros if highest.day_began_at == day.started_at else 0
        if carried == day.moved_micros:
            return
        moved = day.moved_micros - carried if highest.micros else 0
        self._highest = highest._replace(
            micros=highest.micros + moved, day_began_at=day.started_at, moved_micros=day.moved_micros
        )

    def look(self, step: Step) -> None:
        """Measure."""
        draft = step.draft
        day = draft.day
        if day is None:
            return
        equity, opening = self._equity(draft), day.opening_equity_micros
        loss = self._above_base(draft, Breaker.DAY_LOSS, _lost(day, equity))
        percent = lost_percent(opening, loss)
        self._panel.judge(
            step,
            Breaker.DAY_LOSS,
            percent,
            f"{percent:.2f} % of the day's opening equity is lost",
            inputs={
                "equity": in_dollars(equity),
                "opening_equity": in_dollars(opening),
                "moved": in_dollars(day.moved_micros),
            },
        )
        costs = self._above_base(draft, Breaker.COSTS, day.costs_micros)
        percent = lost_percent(opening, costs)
        self._panel.judge(
            step,
            Breaker.COSTS,
            percent,
            f"commissions of the day are {percent:.2f} % of its opening equity",
            inputs={"commissions": in_dollars(day.costs_micros), "opening_equity": in_dollars(opening)},
        )
        self._look_at_drawdown(step, equity)

    def so_far(self, draft: Draft, breaker: Breaker) -> int | None:
        """Where a person clears it now: the amount that it counts from, micros; None where it counts from none. A step
        that is thrown away has cleared nothing at that time."""
        day = draft.day
        if day is not None and breaker is Breaker.DRAWDOWN:
            equity = self._equity(draft)
            self._counted_from = _Highest(equity, draft.now, day.started_at, day.moved_micros)
            return equity
        if day is None or breaker not in (Breaker.DAY_LOSS, Breaker.COSTS):
            return None
        micros = _lost(day, self._equity(draft)) if breaker is Breaker.DAY_LOSS else day.costs_micros
        self._bases[breaker] = Base(draft.now, micros)
        return micros

    def _equity(self, draft: Draft) -> int:
        return draft.cash_micros + self._prices.believed_micros(draft.positions.values(), self._collar_ppm)

    def _look_at_drawdown(self, step: Step, equity: int) -> None:
        draft = step.draft
        cleared_at = draft.cleared.get(Breaker.DRAWDOWN)
        if cleared_at != self._highest.cleared_at:
            since = self._counted_from
            if since is None or since.cleared_at != cleared_at:
                since = self._highest._replace(cleared_at=cleared_at, micros=0)
            self._highest = since
        self.carry(draft)
        if equity > self._highest.micros:
            self._highest = self._highest._replace(micros=equity)
        highest = self._highest.micros
        percent = lost_percent(highest, highest - equity)
        self._panel.judge(
            step,
            Breaker.DRAWDOWN,
            percent,
            f"equity is {percent:.2f} % below its highest",
            inputs={"equity": in_dollars(equity), "highest_equity": in_dollars(highest)},
        )

    def _above_base(self, draft: Draft, breaker: Breaker, micros: int) -> int:
        """What has come on top since a person has cleared the breaker on this day."""
        cleared_at = draft.cleared.get(breaker)
        if cleared_at is None or draft.day is None or cleared_at < draft.day.started_at:
            return micros
        base = self._bases.get(breaker)
        if base is None or base.cleared_at != cleared_at:
            base = self._bases[breaker] = Base(cleared_at, micros)
        return micros - base.micros

    def _collar_ppm(self, symbol: str) -> int:
        return self._limits_of(symbol).collar_ppm


def _lost(day: Day, equity_micros: int) -> int:
    return day.opening_equity_micros + day.moved_micros - equity_micros
