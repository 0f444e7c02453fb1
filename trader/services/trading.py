"""What one step decides: what happened, then what has to go, then what may come. Synchronous, from the draft alone."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from trader.domain.decision import Decision, Outcome, Refusal, Rule, Signal, Stage
from trader.domain.events import (
    AlarmRaised,
    BadLine,
    Command,
    EpochEnded,
    Event,
    EvidenceGiven,
    FillReported,
    OrderIdentified,
    OrderShown,
    SignalReceived,
    StrategyAnswered,
    StrategySilent,
    Tick,
)
from trader.domain.market import BarTime, Prices
from trader.domain.order import Fill, Order
from trader.domain.portfolio import Halt, Portfolio
from trader.domain.reference import is_order_ref
from trader.domain.session import Calendar, SessionDay
from trader.pipeline.decide import Chain
from trader.pipeline.intake import NO_BAR_SEEN, check_signal, what_remains
from trader.services.breakers import Breakers
from trader.services.cash_reconciliation import CashReconciliation
from trader.services.clock_watch import ClockWatch
from trader.services.commands import Commands
from trader.services.corrections import corrected
from trader.services.deciding import Deciding
from trader.services.execution import Execution, OrderReport
from trader.services.exit_scanner import ExitScanner
from trader.services.flattening import flatten
from trader.services.gate import Gate
from trader.services.identity import Identity
from trader.services.inquiry import Inquiry
from trader.services.market_data import SAID_AT, MarketData
from trader.services.market_day import MarketDay
from trader.services.ports import Booking, Given, History, SignalRow, Strategies
from trader.services.reconciliation import Reconciliation
from trader.services.settlement import Settlement
from trader.services.step import Level, Step
from trader.services.strategy_watch import StrategyWatch
from trader.services.untold import Untold
from trader.services.version_guard import VersionGuard

_NONSENSE = frozenset({Rule.STRATEGY_RAISED, Rule.NOT_A_SIGNAL, Rule.BAD_PROBABILITY, Rule.BAD_SYMBOL, Rule.TOO_MANY})


class Trading:
    """The parts that a step is decided with, in the order in which they are asked."""

    def __init__(self, chain: Chain, calendar: Calendar, strategies: Strategies, history: History) -> None:
        self.prices = Prices()
        self.market_data = MarketData(self.prices)
        self.families = chain.families
        self.day = MarketDay(calendar, chain.rules)
        self.signals = 0
        self._nonsense = 0
        self.gate = Gate()
        self._rules = chain.rules
        self._strategies = strategies
        self._strategy_watch = StrategyWatch(strategies.name)
        self._execution = Execution(chain.rules)
        self.exits = ExitScanner(self._execution, chain.families, chain.rules, self.prices, self.gate)
        self.breakers = Breakers(chain.rules, chain.families, self.prices, self.gate, history)
        self._deciding = Deciding(chain, self._execution, self.gate, self.breakers, history)
        self._settlement = Settlement(chain.families, chain.rules, history)
        self._identity = Identity(history.ended_orders)
        self._inquiry = Inquiry(self._execution, self._settlement)
        self.reconciliation = Reconciliation(self.gate)
        self._untold = Untold(calendar, history.ends_at)
        self._cash = CashReconciliation(self.gate, chain.rules.limits.cash_tolerance_micros)
        self._clock_watch = ClockWatch(self.gate)
        self.version_guard = VersionGuard(self.gate, stops_entries=chain.rules.version_stops_entries)
        self._commands = Commands(
            self._execution, self._settlement, self.breakers, self.families, self.prices, strategies.name
        )

    def warm_up(self, bar_times: Sequence[BarTime], now: datetime) -> None:
        """Show past bars to the strategy and to the prices; nothing is decided on them."""
        self._strategies.warm_up([self.market_data.take_in(bar_time, now) for bar_time in bar_times])

    def repair(self, step: Step) -> None:
        """Look for families that are held both ways, and close one side; part of recovery."""
        self._deciding.repair_conflicts(step)

    def decide(self, step: Step, events: Sequence[Event]) -> None:
        """What happened first, then what has to go, then what may come."""
        self.reconciliation.carry(step.draft)
        self.breakers.begin(step.draft)
        bar_times: list[BarTime] = []
        signals: list[SignalReceived | BadLine | StrategyAnswered] = []
        for event in events:
            if isinstance(event, BarTime):
                bar_times.append(bar_time := self.market_data.take_in(event, step.draft.now))
                self.breakers.hear_bars(step, bar_time)
                step.results[id(event)] = "seen"
            elif isinstance(event, SignalReceived | BadLine | StrategyAnswered):
                signals.append(event)
            else:
                self._happened(step, event)
                self._clock_watch.look(step, event)
                self.version_guard.look(step, event)
                self.breakers.hear(step, event)
        self._clock_watch.guard(step)
        self._cash.guard(step.draft)
        self.market_data.tell(step)
        if step.executions and len(step.draft.positions) > 1:
            self._deciding.repair_conflicts(step)
        if self.prices.suspected_splits:
            self._quarantine_splits(step)
        session = self.day.look(step, self.prices)
        self.breakers.look(step, bar_times, session)
        flatten(step, self._execution)
        self.exits.scan(step, bar_times, session)
        if step.draft.locks and session is not None and step.draft.now >= session.flatten_at:
            self._execution.cancelling.ask_entries(step, "the session closes")
        self._execution.cancelling.ask_unwanted(step)
        if bar_times or any(isinstance(event, Tick) for event in events):
            self._execution.doubt_unanswered(step)
            self._execution.cancelling.ask_late_entries(step)
        if bar_times or signals or self._deciding.is_turning:
            self._decide_signals(step, bar_times, signals, session)
        self._execution.shrink_exits(step)
        trades = session is not None and session.trades_at(step.draft.now)
        self._execution.changed.look(step, trades=trades)
        if trades:  # nothing is queued for the open
            self._execution.pursue_exits(step)
        self._execution.protecting.look(step, trades=trades)
        self.breakers.count(step)

    def _happened(self, step: Step, event: Event) -> None:
        if isinstance(event, FillReported):
            self._settlement.hear(step, event.fill)
        elif isinstance(event, OrderReport | OrderIdentified | OrderShown):
            self._hear_of_order(step, event)
        elif isinstance(event, EvidenceGiven):
            moved = self.reconciliation.moved_since(step.draft, event.question)
            self._inquiry.hear(step, event, is_first=self.reconciliation.is_first)
            self.reconciliation.hear(step, event.evidence, moved)
            self._cash.hear(step, event.evidence, moved)
            self._untold.hear(step, event.evidence)
        elif isinstance(event, EpochEnded):
            self.reconciliation.begin_anew(step, event.reason)
        elif isinstance(event, StrategySilent):
            self._deciding.refuse(step, *self._strategy_watch.miss(step, event))
        elif isinstance(event, AlarmRaised):
            step.draft.alarm(event.type, "", event.what, about=event.about)
        elif isinstance(event, Command):
            step.results[id(event)] = self._commands.obey(step, event)

    def _hear_of_order(self, step: Step, event: OrderReport | OrderIdentified | OrderShown) -> None:
        """What is told of an order; of another account's it is said, and changes nothing."""
        ref, account = event.order_ref, step.draft.account
        if ref not in step.draft.orders and not is_order_ref(ref, account):
            what = f"{type(event).__name__} of {ascii(ref)[:60]}, which is no reference of this account"
            step.say(Level.WARNING, f"NOT OURS {what}: nothing is changed account={account}")
        elif isinstance(event, OrderIdentified):
            order = self._settlement.order(step.draft, ref)
            if order is not None:
                self._identity.hear(step, event, order)
        elif isinstance(event, OrderShown):
            self._execution.changed.hear(step, event)
        else:
            self._execution.report(step, event)

    def _quarantine_splits(self, step: Step) -> None:
        """No entry on a price that may be of other shares than the ones before, until a person has looked."""
        draft = step.draft
        for symbol, split in self.prices.suspected_splits.items():
            halt = Halt("symbol", symbol, f"the first price after the night fits a {split} split", draft.now)
            if halt.key not in draft.halts:
                draft.halt(halt)
                step.say(
                    Level.ERROR,
                    f"SPLIT? {symbol}: {halt.reason}; entries of it are stopped until `trader resume --symbol {symbol} "
                    f"--reason ...` account={draft.account}",
                )

    def _decide_signals(
        self,
        step: Step,
        bar_times: Sequence[BarTime],
        received: Sequence[SignalReceived | BadLine | StrategyAnswered],
        session: SessionDay | None,
    ) -> None:
        self._deciding.begin()
        portfolio: Portfolio | None = None
        for signal, refusal in self._said_by_strategies(step, bar_times, received):
            self.signals += 1
            if refusal is not None:
                self._deciding.refuse(step, signal, refusal)
                self._complain(step, signal, refusal)
                continue
            portfolio = portfolio or self._deciding.portfolio(step.draft, self.prices)
            self._deciding.decide(step, portfolio, signal, self.prices, session)
        for item in received:
            if isinstance(item, StrategyAnswered):
                continue
            self.signals += 1
            portfolio = portfolio or self._deciding.portfolio(step.draft, self.prices)
            self._decide_received(step, portfolio, item, session)
        if self._deciding.is_turning:
            self._deciding.decide_turned(step, self._deciding.portfolio(step.draft, self.prices), self.prices, session)

    def _said_by_strategies(
        self, step: Step, bar_times: Sequence[BarTime], received: Sequence[object]
    ) -> Iterator[Given]:
        """What is said to these bars at once, then what was said to earlier ones; nothing of a disabled strategy."""
        said = [given for bar_time in bar_times for given in self._strategies.on_bars(bar_time)]
        for event in received:
            if isinstance(event, StrategyAnswered):
                said += self._strategies.heard(event, step.draft.now)
                step.results[id(event)] = "heard"
        for signal, refusal in said:
            yield signal, refusal or self._strategy_watch.refusal(step.draft, signal)

    def _decide_received(
        self, step: Step, portfolio: Portfolio, item: SignalReceived | BadLine, session: SessionDay | None
    ) -> None:
        if item.inbox is not None:
            step.draft.commit.inbox[item.inbox.path] = item.inbox
        if isinstance(item, BadLine):
            refusal = Refusal(Stage.SIGNAL, Rule.NOT_A_SIGNAL, "?", item.inbox.line, detail=item.fault)
            placeholder = Signal("?", float("nan"), step.draft.now, source=f"inbox line {item.inbox.line}")
            self._deciding.refuse(step, placeholder, refusal)
            step.say(Level.WARNING, f"INBOX LINE {item.inbox.line} REFUSED: {item.fault}")
            return
        checked = self._known(check_signal(item.signal, step.draft.now, item.source, self._rules.signal_max_age_s))
        if isinstance(checked, Refusal):
            remains = what_remains(item.signal, checked, step.draft.now, item.source)
            decision = self._deciding.refuse(step, remains, checked)
            if item.inbox is not None and checked.rule is Rule.BAD_SYMBOL:
                step.say(Level.WARNING, f"INBOX LINE {item.inbox.line} REFUSED: {checked.detail}")
        else:
            decision = self._deciding.decide(step, portfolio, checked, self.prices, session)
        step.results[id(item)] = decision

    def _known(self, checked: Signal | Refusal) -> Signal | Refusal:
        if isinstance(checked, Refusal) or self.prices.last(checked.symbol) is not None:
            return checked
        if checked.symbol in self.families.families:
            return checked
        return Refusal(Stage.SIGNAL, Rule.UNKNOWN_SYMBOL, checked.symbol, detail=NO_BAR_SEEN)

    def _complain(self, step: Step, signal: Signal, refusal: Refusal) -> None:
        """A strategy that talks nonsense is said the first time, the tenth, the hundredth, ..."""
        if refusal.rule not in _NONSENSE:
            return
        step.exceptions += refusal.rule is Rule.STRATEGY_RAISED
        self._nonsense += 1
        if self._nonsense in SAID_AT:
            step.say(
                Level.WARNING,
                f"STRATEGY {signal.source} {refusal.rule} {refusal.symbol}: {refusal.detail} "
                f"(number {self._nonsense}) account={step.draft.account}",
            )

    def committed(self, step: Step) -> None:
        """The step is in the book: entries are allowed again, and what was settled is remembered."""
        self.gate.open(Rule.BOOK_UNWRITABLE)
        self.happened(step)
        self.exits.happened()
        self.prices.suspected_splits.clear()
        self._settlement.settled(step)
        self.reconciliation.committed(step.draft)

    def has_booked(self, fill: Fill) -> bool:
        """Whether an execution is booked, as far as this run remembers."""
        return self._settlement.has_booked(fill.execution_id)

    def unbooked(self, events: Sequence[Event]) -> list[Fill] | None:
        """Executions that the book lacks; None when no complete answer of the broker is among the events."""
        told = [event.evidence for event in events if isinstance(event, EvidenceGiven) and not event.evidence.unknown]
        if not told:
            return None
        return [fill for fill in told[-1].executions or () if not self.has_booked(fill)]

    def is_news(self, fill: Fill) -> bool:
        """Whether a report tells of an execution, or of a commission, that the book has not."""
        return self._settlement.is_news(fill)

    def to_look_up(self, events: Sequence[Event]) -> set[str]:
        """Ids of the executions of which a step with these events has to know everything that is booked."""
        fills = [event.fill for event in events if isinstance(event, FillReported)]
        for event in events:
            if isinstance(event, EvidenceGiven):
                fills += event.evidence.executions or ()
        charged = {fill.execution_id for fill in fills if self._settlement.is_told_more(fill)}
        return charged | corrected(fills)

    def already_booked(self, booking: Booking, at: datetime) -> None:
        """The book knows an execution that memory had forgotten."""
        self._settlement.remember(booking.fill.execution_id, booking.fill.commission_micros, at)

    def refused(self, step: Step, refused: Mapping[str, Rule], sales: Mapping[str, Order]) -> list[SignalRow]:
        """The last line of defence, the database, has said no to orders: what that makes of their signals."""
        rows = []
        for ref, rule in refused.items():
            if ref in sales:
                self._sale_refused(step, sales[ref])
                continue
            decision = step.decided[ref]
            symbol = decision.ticket.symbol if decision.ticket is not None else decision.signal.symbol
            refusal = Refusal(Stage.LOCK, rule, symbol, detail="refused by the database")
            step.overruled[decision.signal.id] = Decision(decision.signal, Outcome.REFUSED, refusal=refusal)
            rows.append(SignalRow(decision.signal, step.draft.now, Outcome.REFUSED, refusal))
            if rule is Rule.SYMBOL_LOCKED:
                step.say(Level.WARNING, f"DUPLICATE BUY BLOCKED: {symbol} account={step.draft.account}")
            else:
                step.say(Level.ERROR, f"ENTRY REFUSED BY THE DATABASE: {symbol} {rule} account={step.draft.account}")
        return rows

    def _sale_refused(self, step: Step, order: Order) -> None:
        """Memory and book do not agree. The exit, or the pair, is tried again, and a person is told."""
        if order.is_own_exit:
            self._execution.failed(order)
        what = "PROTECTION" if order.is_protection else "EXIT"
        step.say(
            Level.ERROR,
            f"{what} REFUSED BY THE DATABASE: {order.quantity} {order.symbol} ref={order.ref}; see `trader rebuild "
            f"--check` account={order.account}",
        )

    def happened(self, step: Step) -> None:
        """The step is over, whether or not anything of it had to be written."""
        self._settlement.happened(step)
        self._execution.changed.happened()
        self._deciding.happened()
        self.market_data.happened()
        self._inquiry.happened()
        self.reconciliation.happened()
        self._cash.happened()
        self._untold.happened()
        self._clock_watch.happened()
        self.version_guard.happened()
        self._strategy_watch.happened()
        self.breakers.happened()

    def not_sent(self, cancels: Sequence[str]) -> None:
        """These cancels have not left: they are asked for again."""
        self._execution.cancelling.forget(cancels)

    def refused_whole(self, step: Step) -> None:
        """The step has not happened, and nothing of it was sent."""
        self._execution.cancelling.forget(step.cancel)
        self._not_happened()

    def not_written(self, why: str) -> bool:
        """The step has not happened: no entries until one has. True when this is news."""
        self._not_happened()
        return self.gate.close(Rule.BOOK_UNWRITABLE, why)

    def _not_happened(self) -> None:
        self._settlement.not_happened()
        self._deciding.not_happened()
        self.market_data.not_happened()
        self._inquiry.not_happened()
        self.reconciliation.not_happened()
        self._cash.not_happened()
        self._untold.not_happened()
        self._clock_watch.not_happened()
        self.version_guard.not_happened()
        self._strategy_watch.not_happened()
        self.breakers.not_happened()
        self.exits.not_happened()
        self.day.forget()
        self._execution.not_happened()
