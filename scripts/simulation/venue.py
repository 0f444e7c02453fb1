"""The broker's side: every order it was ever handed, every execution, every share, through all lives of the daemon.

What is here is the truth that the book is compared with. Nobody hears of it but by a wire.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from simulation.exchange import Exchange
from simulation.faults import Fault, Faults
from trader.adapters.paper.broker import Treatment
from trader.domain.decision import Side
from trader.domain.events import BrokerEvent, Ended, FillReported, OrderCancelled, OrderRejected
from trader.domain.market import Bar, BarTime
from trader.domain.order import Fill, Order
from trader.domain.rules import Costs

TOLD = timedelta(days=4)
"""Executions of so many days are told with an answer; a real broker forgets older ones too."""

_REVISED_WITHIN = timedelta(minutes=30)
_BY_HAND = ("QQQ", "PSQ", "AAPL")
_BOUGHT_BY_HAND = 5
_REJECTS = ("insufficient margin", "the exchange is busy", "price beyond the exchange's limits", "not tradable now")
_FOREIGN = ("JPM", "META", "TQQQ")


class Venue:
    """The paper broker, and a memory that outlives every daemon."""

    def __init__(self, costs: Costs, account: str, faults: Faults) -> None:
        self.received: dict[str, Order] = {}
        self.ended: dict[str, Ended] = {}
        self.executions: dict[str, Fill] = {}
        """By the id of the first report of each; the newest revision of it."""
        self.revisions: dict[str, Fill] = {}
        """Every revision ever made, by its own id."""
        self.shares: Counter[str] = Counter()
        """What the executions have left, by symbol."""
        self.foreign: Counter[str] = Counter()
        """What lies beside it and nobody has bought here."""
        self.taken_in: Counter[str] = Counter()
        """What an operator has taken from there into the book."""
        self.charged_late: set[str] = set()
        """Executions whose commission was told after them."""
        self.by_hand: set[str] = set()
        """References of orders that are not ours."""
        self.say: Callable[[BrokerEvent], None] = lambda _: None
        """Where reports go: to the wire of the daemon that lives."""
        self.executed: Callable[[Fill], None] = lambda _: None
        """Where each execution is noted when it happens."""
        self._account = account
        self._deaf_to: set[str] = set()
        """Orders of which a cancel was ignored."""
        self._faults = faults
        self._filled: Counter[str] = Counter()
        self._executed: Counter[str] = Counter()
        """As they were executed first: what is corrected later does not make an order work again."""
        self._paper = Exchange(self._hear, costs, self._treatment, faults)
        self._newest: BarTime | None = None
        self._uncharged: dict[str, datetime] = {}
        """Executions whose commission nobody knows yet, and when it will be told."""

    def place(self, order: Order, protection: Sequence[Order] = ()) -> None:
        """Take an order and its children."""
        self.received.update((made.ref, made) for made in (order, *protection))
        self._paper.place(order, protection)

    def protect(self, pair: Sequence[Order]) -> None:
        """Take a stop and a target."""
        self.received.update((order.ref, order) for order in pair)
        self._paper.protect(pair)

    def cancel(self, order_ref: str) -> None:
        """End an order, unless it has ended; whoever is deaf to one stays so."""
        if not self._is_deaf(order_ref):
            self._paper.cancel(order_ref)

    def _is_deaf(self, order_ref: str) -> bool:
        """Protection never is: it would be so for days."""
        order = self.received.get(order_ref)
        if order is None or order.is_protection or order_ref in self.ended:
            return False
        if order_ref not in self._deaf_to and self._faults.strikes(Fault.CANCEL_IGNORED, 0.03):
            self._deaf_to.add(order_ref)
        return order_ref in self._deaf_to

    def match(self, bar_time: BarTime) -> None:
        """Fill at the opens of bars that have not been seen yet."""
        if self._newest is not None and bar_time.ends_at <= self._newest.ends_at:
            return
        self._newest = bar_time
        self._paper.match(bar_time)
        self._be_meddled_with(bar_time)
        self._revise(bar_time.ends_at)
        self._charge(bar_time.ends_at)

    def close(self) -> None:
        """The session is over: day orders end."""
        self._paper.expire()

    @property
    def working(self) -> frozenset[str]:
        """References of orders that have not ended."""
        return frozenset(self.received.keys() - self.ended.keys())

    @property
    def positions(self) -> dict[str, int]:
        """Everything that lies in the account, by symbol."""
        total = Counter(self.shares)
        total.update(self.foreign)
        total.update(self.taken_in)
        return {symbol: shares for symbol, shares in sorted(total.items()) if shares}

    def adopted(self, symbol: str, shares: int) -> None:
        """The operator has taken foreign shares into the book."""
        self.foreign[symbol] -= shares
        self.taken_in[symbol] += shares

    def executions_since(self, since: datetime) -> tuple[Fill, ...]:
        """The newest revision of each, oldest first; one that was busted has no shares."""
        return tuple(self._as_known(fill) for fill in self.executions.values() if fill.executed_at >= since)

    def protection_could_sell(self, symbol: str) -> int:
        """Shares of it that its groups could sell at this moment: each once, of a child what its entry has bought."""
        groups = {
            order.oca: order.quantity
            for ref, order in self.received.items()
            if order.symbol == symbol and order.is_protection and ref not in self.ended
        }
        return sum(self._may_sell(oca, quantity) for oca, quantity in groups.items())

    def _may_sell(self, oca: str, quantity: int) -> int:
        entry = self.received.get(oca)
        is_child = entry is not None and entry.side is Side.BUY
        bought = min(quantity, self._executed[oca]) if is_child else quantity
        return bought - sum(self._executed[ref] for ref, order in self.received.items() if order.oca == oca)

    def filled(self, order_ref: str) -> int:
        """Shares executed of an order."""
        return self._filled[order_ref]

    def _treatment(self, order: Order) -> Treatment:
        strikes, is_entry = self._faults.strikes, order.side is Side.BUY
        if strikes(Fault.ENTRY_REJECTED, 0.06) if is_entry else strikes(Fault.EXIT_REJECTED, 0.06):
            fault = Fault.ENTRY_REJECTED if is_entry else Fault.EXIT_REJECTED
            return Treatment(reject=self._faults.chance(fault).choice(_REJECTS))
        is_silent = strikes(Fault.BROKER_SILENT, 0.05)
        return Treatment(
            lose_acknowledgement=not is_silent and strikes(Fault.ACKNOWLEDGEMENT_LOST, 0.05),
            is_silent=is_silent,
            parts=(order.quantity,),  # at each bar the exchange says how much of it
        )

    def _hear(self, event: BrokerEvent) -> None:
        """Remember what the paper broker has done, before anybody hears of it."""
        if isinstance(event, FillReported):
            self._remember(event.fill)
            event = FillReported(self._as_known(event.fill))
        elif isinstance(event, OrderCancelled | OrderRejected):
            rejected = isinstance(event, OrderRejected)
            self.ended[event.order_ref] = Ended(self._filled[event.order_ref], event.reason, rejected)
        self.say(event)

    def _as_known(self, fill: Fill) -> Fill:
        """An execution as it can be told now: without a commission that is still to come."""
        return fill._replace(commission_micros=0) if fill.execution_id in self._uncharged else fill

    def _charge(self, now: datetime) -> None:
        """Tell the commissions that have come by now, each with its execution again."""
        for execution_id in [id_ for id_, due in self._uncharged.items() if due <= now]:
            del self._uncharged[execution_id]
            self.say(FillReported(self.revisions[execution_id]))

    def _remember(self, fill: Fill) -> None:
        self.executed(fill)
        if fill.commission_micros and self._faults.strikes(Fault.COMMISSION_LATE, 0.2):
            minutes = self._faults.chance(Fault.COMMISSION_LATE).choice((0, 1, 5, 60))
            self._uncharged[fill.execution_id] = fill.executed_at + timedelta(minutes=minutes)
            self.charged_late.add(fill.execution_id)
        self.executions[fill.execution_id] = self.revisions[fill.execution_id] = fill
        self._filled[fill.order_ref] += fill.quantity
        self._executed[fill.order_ref] += fill.quantity
        self.shares[fill.symbol] += fill.signed_quantity
        order = self.received.get(fill.order_ref)
        if order is not None and self._executed[order.ref] >= order.quantity:
            self.ended[order.ref] = Ended(self._filled[order.ref], "filled")

    def _be_meddled_with(self, bar_time: BarTime) -> None:
        """Other people have this account too, and other accounts have their reports."""
        strikes = self._faults.strikes
        if strikes(Fault.MANUAL_TRADE, 0.002):
            self._trade_by_hand(bar_time)
        if strikes(Fault.OTHER_ACCOUNT, 0.005):
            self._report_of_another_account(bar_time)
        if strikes(Fault.FOREIGN_SHARES, 0.001):
            chance = self._faults.chance(Fault.FOREIGN_SHARES)
            self.foreign[chance.choice(_FOREIGN)] += chance.randint(1, 20)

    def _revise(self, now: datetime) -> None:
        """The exchange takes an execution of the last half hour back, or says that it was another one."""
        strikes, chance = self._faults.strikes, self._faults.chance
        recent = [first for first, fill in self.executions.items() if self._can_be_revised(fill, now)]
        for fault in (Fault.EXECUTION_BUSTED, Fault.EXECUTION_CORRECTED):
            if recent and strikes(fault, 0.01):
                first = chance(fault).choice(recent)
                before = self.executions[first]
                if fault is Fault.EXECUTION_BUSTED:
                    recent.remove(first)
                    self._replace(first, quantity=0, price_micros=before.price_micros, commission_micros=0)
                else:
                    kept = chance(fault).randint(1, before.quantity)
                    price = before.price_micros + 10_000 * chance(fault).randint(-3, 3)
                    self._replace(first, quantity=kept, price_micros=price, commission_micros=before.commission_micros)

    def _can_be_revised(self, fill: Fill, now: datetime) -> bool:
        """It is of the last half hour, has shares, and without them the account would not be short."""
        is_recent = now - fill.executed_at < _REVISED_WITHIN and fill.quantity > 0
        return is_recent and (fill.side is Side.SELL or self.positions.get(fill.symbol, 0) >= fill.quantity)

    def _replace(self, first: str, *, quantity: int, price_micros: int, commission_micros: int) -> None:
        """Put a new revision in the place of an execution."""
        before = self.executions[first]
        earlier = (*before.corrects, before.execution_id)
        new = before._replace(
            execution_id=f"{first}.r{len(earlier) + 1}",
            quantity=quantity,
            price_micros=price_micros,
            commission_micros=commission_micros,
            corrects=earlier,
        )
        self.executed(new)
        self.executions[first] = self.revisions[new.execution_id] = new
        self.shares[new.symbol] += new.signed_quantity - before.signed_quantity
        self._filled[new.order_ref] += new.quantity - before.quantity
        ended = self.ended.get(new.order_ref)
        if ended is not None:
            self.ended[new.order_ref] = ended._replace(filled=self._filled[new.order_ref])
        self.say(FillReported(new))

    def _trade_by_hand(self, bar_time: BarTime) -> None:
        bar = _bar_of(bar_time, self._faults.chance(Fault.MANUAL_TRADE).choice(_BY_HAND))
        if bar is not None:
            self.buy_by_hand(bar, _BOUGHT_BY_HAND)

    def buy_by_hand(self, bar: Bar, shares: int) -> None:
        """Somebody buys at the broker, past the daemon."""
        ref = f"by-hand-{len(self.by_hand) + 1}"
        self.by_hand.add(ref)
        self._hear(FillReported(_bought(ref, self._account, bar, shares)))

    def _report_of_another_account(self, bar_time: BarTime) -> None:
        bar = bar_time.bars[0]
        self.say(FillReported(_bought(f"astray-{bar.timestamp:%j%H%M}", "other", bar, _BOUGHT_BY_HAND)))


def _bought(ref: str, account: str, bar: Bar, shares: int) -> Fill:
    return Fill(f"{ref}.1", ref, account, bar.symbol, Side.BUY, shares, bar.open_micros, 0, bar.timestamp)


def _bar_of(bar_time: BarTime, symbol: str) -> Bar | None:
    return next((bar for bar in bar_time.bars if bar.symbol == symbol), None)
