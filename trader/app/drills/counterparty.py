"""The paper broker, which a drill can make fail: it loses reports, or does not answer."""

from collections.abc import Callable, Collection, Mapping, Sequence

from trader.adapters.paper.broker import PaperBroker, Script, Treatment
from trader.domain.decision import Side
from trader.domain.events import BrokerEvent, Evidence
from trader.domain.order import Order
from trader.domain.rules import Costs

Answer = Callable[[Evidence], Evidence]
"""What is told of what is true. May raise BrokerUnreachable."""


class Counterparty(PaperBroker):
    """It outlives the daemon that trades with it, and keeps what it was sent."""

    def __init__(
        self,
        emit: Callable[[BrokerEvent], None],
        costs: Costs,
        positions: Mapping[str, int],
    ) -> None:
        super().__init__(self._tell, costs, positions, self._treat)
        self.hearer = emit
        self.treats: Script = lambda _: Treatment()
        self.loses: Callable[[BrokerEvent], bool] = lambda _: False
        self.answers: Answer = lambda evidence: evidence
        self.tap: Callable[[Order], None] = lambda _: None
        """Hears every order on its way, protection too."""
        self.sent: list[Order] = []
        """Every order it was sent, protection apart."""

    def place(self, order: Order, protection: Sequence[Order] = ()) -> None:
        """Take an order, and remember it."""
        self.sent.append(order)
        for leaving in (order, *protection):
            self.tap(leaving)
        super().place(order, protection)

    def protect(self, pair: Sequence[Order]) -> None:
        """Take a stop and a target."""
        for leaving in pair:
            self.tap(leaving)
        super().protect(pair)

    def take_from_elsewhere(self, order: Order) -> None:
        """Take an order on the account that this daemon has not sent."""
        super().place(order)

    async def evidence(self, order_refs: Collection[str]) -> Evidence:
        """Say what is true, or what a drill makes of it."""
        return self.answers(await super().evidence(order_refs))

    @property
    def entries(self) -> list[Order]:
        """The orders that buy."""
        return [order for order in self.sent if order.side is Side.BUY]

    @property
    def held(self) -> dict[str, int]:
        """Symbol -> shares that it holds for the account in truth."""
        return {symbol: shares for symbol, shares in self._positions.items() if shares}

    def working_on(self, symbol: str) -> int:
        """How many orders to buy a symbol work here."""
        return sum(
            working.order.symbol == symbol and working.order.side is Side.BUY for working in self._working.values()
        )

    def _treat(self, order: Order) -> Treatment:
        return self.treats(order)

    def _tell(self, event: BrokerEvent) -> None:
        if not self.loses(event):
            self.hearer(event)
