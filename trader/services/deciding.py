"""Deciding: each signal through the chain, each decision into the draft.

The portfolio that the decisions see is made from the draft, once a step; each ticket is counted in it before the next
decision.
"""

from collections import defaultdict, deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from trader.domain.decision import Decision, Outcome, Refusal, Rule, Signal, Stage, Ticket
from trader.domain.events import JsonValue
from trader.domain.market import Prices
from trader.domain.order import OrderState, PendingLock
from trader.domain.portfolio import Day, Portfolio
from trader.domain.reference import signal_id, signal_number
from trader.domain.session import SessionDay, new_york_date
from trader.pipeline.allocate import threshold_passed
from trader.pipeline.coordinate import conflicting
from trader.pipeline.decide import Chain
from trader.pipeline.intake import decided_before
from trader.pipeline.size import entries_left
from trader.services.breakers import Breakers
from trader.services.creations import CREATION_RULES, created_last_hour
from trader.services.draft import Draft
from trader.services.execution import Execution
from trader.services.gate import Gate
from trader.services.ports import History
from trader.services.recent import Recent
from trader.services.step import Level, Step

_MINUTE = timedelta(minutes=1)


@dataclass(slots=True)
class _Memory:
    """What was remembered before a step, and what the step has added."""

    opened_at: dict[str, datetime] = field(default_factory=dict)
    newest: dict[str, Signal] = field(default_factory=dict)
    turning: dict[str, str] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)
    entries: int = 0


class Deciding:
    """Pushes signals through the chain and remembers what a later decision needs."""

    def __init__(self, chain: Chain, execution: Execution, gate: Gate, breakers: Breakers, history: History) -> None:
        self._chain = chain
        self._gate = gate
        self._breakers = breakers
        self._execution = execution
        self._seen_ids: Recent[None] = Recent(dict.fromkeys(history.signal_ids))
        self._opened_at: dict[str, datetime] = {}
        for symbol, at in sorted(history.entered_at.items(), key=lambda entered: entered[1]):
            self._opened_at[chain.families.instrument(symbol).family] = at
        self._entry_times: deque[datetime] = deque()
        self._newest: dict[str, Signal] = {}
        self._turning: dict[str, str] = {}
        self._before: _Memory | None = None
        self._max_age = timedelta(seconds=chain.rules.signal_max_age_s)

    def begin(self) -> None:
        """A step begins: what it remembers may have to be forgotten."""
        self._before = _Memory(dict(self._opened_at), dict(self._newest), dict(self._turning))

    def happened(self) -> None:
        """The step is over: what it decided is remembered."""
        self._before = None

    def not_happened(self) -> None:
        """The step is thrown away: what it decided is forgotten."""
        before, self._before = self._before, None
        if before is None:
            return
        self._seen_ids.forget(before.ids)
        for _ in range(min(before.entries, len(self._entry_times))):
            self._entry_times.pop()
        self._opened_at, self._newest, self._turning = before.opened_at, before.newest, before.turning

    def _is_known(self, own_id: str, draft: Draft) -> bool:
        """Whether a signal from outside has an id that was there before, given by somebody or by us."""
        return own_id in self._seen_ids or 0 < signal_number(own_id) <= draft.signals_seen

    def _remember(self, signal_id: str, at: datetime) -> None:
        self._seen_ids.add(signal_id, None, at)
        if self._before is not None:
            self._before.ids.append(signal_id)

    def _remember_entry(self, at: datetime) -> None:
        self._entry_times.append(at)
        if self._before is not None:
            self._before.entries += 1

    def decide(
        self, step: Step, portfolio: Portfolio, signal: Signal, prices: Prices, session: SessionDay | None
    ) -> Decision:
        """Decide one checked signal."""
        own_id = signal.id
        if own_id and self._is_known(own_id, step.draft):
            refusal = Refusal(Stage.SIGNAL, Rule.REPEATED, signal.symbol, detail=decided_before(own_id))
            return self._refused(step, self._with_id(signal, step.draft), refusal)
        if own_id:
            self._remember(own_id, step.draft.now)
        else:
            signal = self._with_id(signal, step.draft)
        family = self._chain.families.instrument(signal.symbol).family
        self._newest[family] = signal
        return self._push(step, portfolio, signal, prices, session, fold=not own_id)

    def refuse(self, step: Step, signal: Signal, refusal: Refusal) -> Decision:
        """Keep a signal that was refused before the chain, under its own id where it has one: that is used up, too."""
        has_own_id = bool(signal.id) and not self._is_known(signal.id, step.draft)
        if has_own_id:
            self._remember(signal.id, step.draft.now)
        else:
            signal = self._with_id(signal, step.draft)
        return self._refused(step, signal, refusal, fold=not has_own_id)

    @property
    def is_turning(self) -> bool:
        """Whether a family waits for its closes to fill."""
        return bool(self._turning)

    def decide_turned(self, step: Step, portfolio: Portfolio, prices: Prices, session: SessionDay | None) -> None:
        """Families whose closes have filled: decide their newest unexpired signal again (nothing is deferred)."""
        for family in sorted(self._turning):
            members = self._chain.families.family(family).members
            if any(symbol in portfolio.positions or symbol in portfolio.locks for symbol in members):
                continue
            signal = self._newest[family]
            if step.draft.now - signal.timestamp > self._max_age:
                del self._turning[family]
            else:
                self._push(step, portfolio, signal, prices, session, fold=False)

    def _push(
        self,
        step: Step,
        portfolio: Portfolio,
        signal: Signal,
        prices: Prices,
        session: SessionDay | None,
        *,
        fold: bool,
    ) -> Decision:
        try:
            decision = self._chain.decide(signal, portfolio, prices, session, step.draft.now)
        except Exception as error:  # noqa: BLE001  (a bug in the chain costs this signal, loudly, and nothing else)
            refusal = Refusal(Stage.SIGNAL, Rule.CHAIN_RAISED, signal.symbol, detail=f"{type(error).__name__}: {error}")
            step.exceptions += 1
            step.say(Level.ERROR, f"BUG in the chain, signal {signal.id} {signal.symbol} refused: {refusal.detail}")
            return self._refused(step, signal, refusal)
        barred = self._barred(step, decision.ticket) if decision.ticket is not None else None
        if barred is not None:
            decision = Decision(signal, Outcome.REFUSED, refusal=barred)
        return self._apply(step, portfolio, decision, session, fold=fold)

    def _barred(self, step: Step, ticket: Ticket) -> Refusal | None:
        """What stands in the way of an entry that the chain has admitted."""
        return self._gate.refusal(ticket.symbol) or self._execution.protecting.refusal(step.draft, ticket.symbol)

    def _apply(
        self, step: Step, portfolio: Portfolio, decision: Decision, session: SessionDay | None, *, fold: bool
    ) -> Decision:
        signal, order_ref = decision.signal, ""
        for close in decision.closes:
            self._execution.close(step, close)
        for ref in decision.cancels:
            self._execution.cancelling.ask(step, ref, f"signal {signal.id}, probability {signal.probability:.4g}")
        if decision.reduction is not None:
            self._execution.reduce(step, decision.reduction)
        if decision.ticket is not None:
            order_ref = self._open(step, portfolio, decision.ticket, session).order_ref
            step.decided[order_ref] = decision
            self._opened_at[decision.ticket.family] = step.draft.now
            self._remember_entry(step.draft.now)
            portfolio.take(decision.ticket, step.draft.locks)
        refusal = decision.refusal
        if refusal is not None and refusal.rule in CREATION_RULES:
            self._breakers.refused_creation(step, refusal)
            portfolio.latches = step.draft.latches
        family = self._chain.families.instrument(signal.symbol).family
        is_turning = refusal is not None and refusal.rule is Rule.TURNING
        if refusal is not None and is_turning:
            self._turning[family] = refusal.symbol
        else:
            self._turning.pop(family, None)
        # What may be decided again has a row of its own: in another's, it would be counted there and once more.
        step.keep(signal, decision.outcome, refusal, order_ref, fold=fold and not is_turning)
        return decision

    def _open(self, step: Step, portfolio: Portfolio, ticket: Ticket, session: SessionDay | None) -> PendingLock:
        leverage = self._chain.families.instrument(ticket.symbol).leverage
        levels = self._execution.protecting.levels(step.draft, ticket, leverage)
        return step.draft.open(ticket, self._grounds(step, portfolio, ticket, session), levels)

    def _grounds(
        self, step: Step, portfolio: Portfolio, ticket: Ticket, session: SessionDay | None
    ) -> dict[str, JsonValue]:
        """What every stage measured and compared it with, for the journal: `why` tells it."""
        leverage = self._chain.families.instrument(ticket.symbol).leverage
        limits = self._chain.rules.limits_of(ticket.symbol)
        left = session.entries_stop_at - step.draft.now if session is not None else timedelta()
        return {
            "probability": ticket.signal.probability,
            "threshold": threshold_passed(ticket.signal.probability, leverage, self._chain.rules.thresholds),
            "seconds_to_cutoff": int(left.total_seconds()),
            "price_micros": ticket.reference_micros,
            "equity_micros": portfolio.equity_micros,
            "sized_by": ticket.sized_by,
            "room_micros": ticket.room_micros,
            "entries_left": entries_left(portfolio, limits, opens=ticket.takes_slot),
        }

    def _refused(self, step: Step, signal: Signal, refusal: Refusal, *, fold: bool = True) -> Decision:
        step.keep(signal, Outcome.REFUSED, refusal, "", fold=fold)
        return Decision(signal, Outcome.REFUSED, refusal=refusal)

    def _with_id(self, signal: Signal, draft: Draft) -> Signal:
        draft.signals_seen += 1
        while (identity := signal_id(draft.signals_seen)) in self._seen_ids:
            draft.signals_seen += 1
        return Signal(signal.symbol, signal.probability, signal.timestamp, identity, signal.source)

    def repair_conflicts(self, step: Step) -> None:
        """Long and inverse held at once, found at start or made by an unexpected execution: close one side.

        It is the side against the latest signal, else the one with the smaller leveraged exposure; it closes fully.
        """
        for family in self._chain.families.families.values():
            if conflicting(family, step.draft.positions):
                self._execution.repair(step, family, self._newest.get(family.name))

    def portfolio(self, draft: Draft, prices: Prices) -> Portfolio:
        """The frozen view that decisions of this step see."""
        gross = 0
        by_family: defaultdict[str, int] = defaultdict(int)
        limits_of = self._chain.rules.limits_of
        for position in draft.positions.values():
            value = prices.sure_micros(position, limits_of(position.symbol).collar_ppm)
            gross += value
            by_family[position.family] += value
        equity = draft.cash_micros + gross
        reserved = 0
        for lock in draft.locks.values():
            reserved += lock.reserved_micros
            by_family[lock.family] += lock.reserved_micros
        while self._entry_times and draft.now - self._entry_times[0] >= _MINUTE:
            self._entry_times.popleft()
        day = draft.day or Day(new_york_date(draft.now), draft.now, equity)
        slots = len(draft.positions.keys() | draft.locks.keys())
        to_come = slots - len(draft.positions)
        unsettled = day.sold_micros if self._chain.rules.settled_cash_only else 0
        return Portfolio(
            account=draft.account,
            cash_micros=draft.cash_micros - unsettled,
            reserved_micros=reserved,
            equity_micros=equity,
            gross_micros=gross + reserved,
            family_micros=by_family,
            positions=draft.positions,
            locks=draft.locks,
            exits=draft.exits,
            unknown=frozenset(order.symbol for order in draft.orders.values() if order.state is OrderState.UNKNOWN),
            halts=draft.halts,
            latches=draft.latches,
            drift=draft.drift,
            day=day,
            slots=slots,
            day_trades=sum(draft.day_trades.values()) + slots,
            turning=self._turning,
            opened_at=self._opened_at,
            entries_last_minute=len(self._entry_times),
            created_last_hour=created_last_hour(draft) + to_come,
            past_creations=draft.past_creations,
        )
