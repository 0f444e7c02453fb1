"""What the broker knows: every order it was ever handed, every execution, through all lives of the daemon."""

from collections import Counter
from collections.abc import Callable, Collection
from datetime import timedelta
from random import Random

from crash_rig.messages import BY_HAND, Mischief, Snapshot
from trader.adapters.paper.broker import PaperBroker, Treatment
from trader.domain.decision import Side
from trader.domain.events import (
    BrokerEvent,
    Ended,
    Evidence,
    FillReported,
    OrderCancelled,
    OrderRejected,
)
from trader.domain.market import BarTime
from trader.domain.order import Fill, Order
from trader.domain.rules import Costs

_TOLD = timedelta(days=5)
"""Executions of the last sessions are told with each answer; a real broker forgets older ones too."""

_BY_HAND = ("PSQ", "QQQ")
_FOREIGN = {"JPM": 7}
_FAIR = (Treatment(),)
_ENTRIES = (
    *_FAIR * 3,
    Treatment(delay_bars=1),
    Treatment(parts=(1, 2)),
    Treatment(parts=(3, 0, 10**9)),
    Treatment(parts=(0,)),
    Treatment(reject="not today"),
    Treatment(is_silent=True, delay_bars=1),
    Treatment(lose_acknowledgement=True, repeat_reports=2),
    Treatment(repeat_reports=3),
)
_EXITS = (
    *_FAIR * 3,
    Treatment(delay_bars=2),
    Treatment(delay_bars=12),
    Treatment(parts=(1, 0, 2, 10**9)),
    Treatment(reject="the exchange is busy"),
    Treatment(is_silent=True, delay_bars=1),
    Treatment(lose_acknowledgement=True, delay_bars=1),
)


class Truth:
    """The paper broker, and a memory that outlives every daemon."""

    def __init__(self, costs: Costs, account: str, say: Callable[[BrokerEvent], None]) -> None:
        self._mischief = Mischief()
        self._account = account
        self._say = say
        self._random = Random("")
        self._paper = PaperBroker(self._hear, costs, script=self._treatment)
        self._received: dict[str, Order] = {}
        self._ended: dict[str, Ended] = {}
        self._executions: dict[str, Fill] = {}
        self._filled: Counter[str] = Counter()
        self._shares: Counter[str] = Counter()
        self._foreign: dict[str, int] = {}
        self._faults: list[str] = []
        self._has_told_all = False
        self._vague_answers = 0
        self._seen: BarTime | None = None

    def behave(self, mischief: Mischief) -> None:
        """Be like this from now on. Being fair, end what was left unfilled on purpose: the day's orders expire."""
        self._mischief = mischief
        self._random = Random(mischief.seed)
        self._foreign = dict(_FOREIGN) if mischief.holds_foreign else {}
        if mischief == Mischief():
            for order_ref in self._working():
                self._paper.cancel(order_ref)

    def begin_life(self) -> None:
        """A daemon has connected, and knows nothing of us yet."""
        self._has_told_all = False
        self._vague_answers = 2 if self._mischief.is_vague else 0

    def place(self, order: Order) -> None:
        """Take an order. What must not be is noted, and the order is taken all the same, as a broker would."""
        if order.ref in self._received:
            self._faults.append(f"order {order.ref} was received twice: {order.side} {order.quantity} {order.symbol}")
        if order.side is Side.BUY and not self._has_told_all:
            self._faults.append(f"entry {order.ref} was sent before a complete answer had been given")
        self._received[order.ref] = order
        self._paper.place(order)

    def cancel(self, order_ref: str) -> None:
        """Try to end an order."""
        self._paper.cancel(order_ref)

    def match(self, bar_time: BarTime) -> None:
        """Fill at the opens of bars that have not been seen; a daemon that has died shows some of them again."""
        if self._seen is not None and bar_time.ends_at <= self._seen.ends_at:
            return
        self._seen = bar_time
        self._paper.match(bar_time)
        if self._mischief.trades_by_hand and self._random.random() < 0.1:
            self._trade_by_hand(bar_time)

    def evidence(self, order_refs: Collection[str]) -> Evidence:
        """The whole truth; or, where the broker is to be vague at first, not all of it."""
        since = self._seen.ends_at - _TOLD if self._seen is not None else None
        told = Evidence(
            executions=tuple(
                fill for fill in self._executions.values() if since is not None and fill.executed_at >= since
            ),
            working=self._working(),
            ended={ref: self._ended[ref] for ref in order_refs if ref in self._ended},
            positions=self._positions(),
        )
        if self._vague_answers:
            self._vague_answers -= 1
            return told._replace(**{self._random.choice(("executions", "working", "ended", "positions")): None})
        self._has_told_all = True
        return told

    def snapshot(self) -> Snapshot:
        """Everything, for the rig to compare a book with."""
        return Snapshot(
            tuple(self._received),
            tuple(self._executions.values()),
            self._working(),
            {symbol: shares for symbol, shares in self._shares.items() if shares},
            dict(self._foreign),
            tuple(self._faults),
        )

    def _working(self) -> frozenset[str]:
        return frozenset(self._received.keys() - self._ended.keys())

    def _positions(self) -> dict[str, int]:
        total = Counter(self._shares)
        total.update(self._foreign)
        return {symbol: shares for symbol, shares in total.items() if shares}

    def _treatment(self, order: Order) -> Treatment:
        if not self._mischief.is_stubborn:
            return Treatment()
        return self._random.choice(_ENTRIES if order.side is Side.BUY else _EXITS)

    def _hear(self, event: BrokerEvent) -> None:
        """Remember what the paper broker has done, before anybody hears of it."""
        if isinstance(event, FillReported):
            self._remember(event.fill)
            if self._mischief.is_stubborn and self._random.random() < 0.3:  # its commission is told when it is asked
                event = FillReported(event.fill._replace(commission_micros=0))
        elif isinstance(event, OrderCancelled | OrderRejected):
            rejected = isinstance(event, OrderRejected)
            self._ended[event.order_ref] = Ended(self._filled[event.order_ref], event.reason, rejected)
        self._say(event)

    def _remember(self, fill: Fill) -> None:
        if fill.execution_id in self._executions:
            return
        self._executions[fill.execution_id] = fill
        self._filled[fill.order_ref] += fill.quantity
        self._shares[fill.symbol] += fill.signed_quantity
        order = self._received.get(fill.order_ref)
        if order is not None and self._filled[order.ref] == order.quantity:
            self._ended[order.ref] = Ended(order.quantity, "filled")

    def _trade_by_hand(self, bar_time: BarTime) -> None:
        """Somebody buys what may be the other side of a family; or a report of another account comes here."""
        symbol = self._random.choice(_BY_HAND)
        bar = next(bar for bar in bar_time.bars if bar.symbol == symbol)
        ref = f"{BY_HAND}-{len(self._executions)}"
        at = bar.timestamp
        fill = Fill(f"{ref}.1", ref, self._account, bar.symbol, Side.BUY, 5, bar.open_micros, 0, at)
        if self._random.random() < 0.5:
            self._hear(FillReported(fill))
        else:
            self._say(FillReported(fill._replace(execution_id=f"{ref}.astray", account="other")))
