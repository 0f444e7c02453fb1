"""What is true at the broker, in the form in which it is compared with the book. Nobody hears of it but by a wire."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from trader.domain.decision import Side
from trader.domain.events import Ended
from trader.domain.market import Bar
from trader.domain.order import Fill, Order

_REVISED_WITHIN = timedelta(minutes=30)


class Truth:
    """Every order that a broker was ever handed, every execution, every share, through all lives of the daemon."""

    def __init__(self) -> None:
        self.received: dict[str, Order] = {}
        self.arrivals: Counter[str] = Counter()
        """How often an order has come under each reference."""
        self.distorted: list[str] = []
        """Orders that have come otherwise than they were sent, in words."""
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
        """References of executions that nobody here has ordered."""
        self.executed: Callable[[Fill], None] = lambda _: None
        """Where each execution is noted when it happens."""
        self._filled: Counter[str] = Counter()
        self._executed: Counter[str] = Counter()
        """As they were executed first: what is corrected later does not make an order work again."""

    @property
    def cash_micros(self) -> int:
        """The account's, where the broker tells it."""
        raise NotImplementedError

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

    def revisable(self, now: datetime) -> list[str]:
        """Executions that an exchange may still revise: recent, with shares, and the account is not short without."""
        return [first for first, fill in self.executions.items() if self._can_be_revised(fill, now)]

    def _can_be_revised(self, fill: Fill, now: datetime) -> bool:
        is_recent = now - fill.executed_at < _REVISED_WITHIN and fill.quantity > 0
        return is_recent and (fill.side is Side.SELL or self.positions.get(fill.symbol, 0) >= fill.quantity)

    def look(self) -> None:
        """Take in what has changed, where nobody tells it."""

    def buy_by_hand(self, bar: Bar, shares: int) -> None:
        """Somebody buys at the broker, past the daemon, at about the price of a bar."""
        raise NotImplementedError
