"""Before more is bought of what is held: IB's own word on the margin that it would take.

An answer without numbers is none, and without an answer the order does not leave: nothing was sent, that is certain.
"""

import asyncio
from collections.abc import Callable

from trader.adapters.ibkr.client_library import Contract, OrderState
from trader.adapters.ibkr.client_library import Order as WireOrder
from trader.adapters.ibkr.codes import ENDS_NO_REQUEST, kind_of
from trader.adapters.ibkr.messages import Failure
from trader.adapters.ibkr.session import Session
from trader.adapters.ibkr.translate import amount_micros
from trader.domain.money import usd


class MarginCheck:
    """One question, answered once: by IB, by an error, by the deadline, or by the end of the epoch."""

    def __init__(self, session: Session, deadline_s: float, settled: Callable[[str], None]) -> None:
        """`settled` is given why the order must not leave, or nothing."""
        self._session = session
        self._deadline_s = deadline_s
        self._settled: Callable[[str], None] | None = settled
        self._id = 0
        self._timer: asyncio.TimerHandle | None = None

    def ask(self, contract: Contract, wired: WireOrder) -> None:
        """Ask. The order is only tried, never executed."""
        wired.whatIf = True
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(
            self._deadline_s, self.settle, f"no answer about its margin in {self._deadline_s:g} s"
        )
        client = self._session.client
        self._id = self._session.subscribe(lambda id_: client.placeOrder(id_, contract, wired), self, is_urgent=True)

    def hear(self, item: object) -> None:
        """Take in IB's answer. One whose numbers are not set is followed by another, or by nothing."""
        if not isinstance(item, OrderState):
            return
        needed, equity = amount_micros(item.initMarginAfter), amount_micros(item.equityWithLoanAfter)
        if needed is None or equity is None:
            return
        if needed > equity:
            self.settle(f"initial margin after it {usd(needed)} against equity with loan value {usd(equity)}")
        else:
            self.settle("")

    def failed(self, failure: Failure) -> None:
        """Take in an error."""
        if kind_of(failure.code) not in ENDS_NO_REQUEST:
            self.settle(f"its margin: {failure}")

    def settle(self, why_not: str) -> None:
        """Say what came of it, the first time."""
        settled, self._settled = self._settled, None
        if settled is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._session.unsubscribe(self._id)
        settled(why_not)
