"""What IB says of its side, when asked: each part complete, or None.

Rule 1: completed orders are asked for after the open ones: an order that ends in between is in the later answer.
Positions come last: what they show has been told as an execution before.
Rule 2: the first positions of an epoch count when a second answer agrees: just after a log-in an empty one may come.
Rule 3: of a position only the whole shares count, and only stocks and standard options in dollars; the rest is
foreign, and so is another contract under the symbol of one that is traded here.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime

from trader.adapters.ibkr.client_library import ExecutionFilter
from trader.adapters.ibkr.connection import Session
from trader.adapters.ibkr.contracts import Contracts
from trader.adapters.ibkr.foreign import Foreign, ForeignList
from trader.adapters.ibkr.messages import Completed, Execution, Held, OpenOrder
from trader.adapters.ibkr.timing import Timing
from trader.adapters.ibkr.translate import whole_part
from trader.domain.session import new_york_date, new_york_day
from trader.domain.symbol import CONTRACT_SHARES, is_option, is_symbol

_LOOKS = 4
_EXECUTION = "11"


@dataclass(frozen=True, slots=True)
class Told:
    """Complete parts of one answer; None is unknown."""

    executions: tuple[Execution, ...] | None
    open_orders: tuple[OpenOrder, ...] | None
    completed_orders: tuple[Completed, ...] | None
    positions: dict[str, int] | None


def told_since(now: datetime) -> datetime:
    """From when on IB tells executions and ended orders: those of its day, which is New York's."""
    return new_york_day(new_york_date(now))[0]


class Asking:
    """Asks for one account."""

    def __init__(self, account: str, contracts: Contracts, timing: Timing, foreign: ForeignList) -> None:
        self._account = account
        self._contracts = contracts
        self._timing = timing
        self._foreign = foreign
        self._sure_of_positions_in = 0
        """The epoch in which two answers have agreed."""

    async def everything(self, session: Session) -> Told:
        """Ask for everything, at once as far as the order of the answers does not matter."""
        async with asyncio.TaskGroup() as tasks:
            executions = tasks.create_task(self._executions(session))
            orders = tasks.create_task(self._orders(session))
        return Told(executions.result(), *orders.result(), await self.positions(session))

    async def positions(self, session: Session) -> dict[str, int] | None:
        """Shares by symbol, or None."""
        before: tuple[Held, ...] | None = None
        for look in range(_LOOKS):
            if look:
                await asyncio.sleep(self._timing.second_look_s if before else self._timing.empty_look_s)
            told = await session.positions.ask(session.client.reqPositions, self._timing.request_s)
            if told is None:
                return None
            mine = tuple({held.con_id: held for held in told if held.account == self._account}.values())
            if self._sure_of_positions_in == session.epoch or (look and mine == before):
                self._sure_of_positions_in = session.epoch
                return self._shares(mine)
            before = mine
        return None

    async def _executions(self, session: Session) -> tuple[Execution, ...] | None:
        of_account = ExecutionFilter(acctCode=self._account)
        answer = await session.ask(
            lambda id_: session.client.reqExecutions(id_, of_account), self._timing.request_s, message=_EXECUTION
        )
        return None if answer is None or answer.failure is not None else answer.items

    async def _orders(self, session: Session) -> tuple[tuple[OpenOrder, ...] | None, tuple[Completed, ...] | None]:
        patience_s = self._timing.request_s
        open_orders = await session.open_orders.ask(session.client.reqAllOpenOrders, patience_s)
        completed = await session.completed_orders.ask(lambda: session.client.reqCompletedOrders(False), patience_s)
        return open_orders, completed

    def _shares(self, held: tuple[Held, ...]) -> dict[str, int] | None:
        """Shares by symbol; None where a stock is told with a number that shares cannot have."""
        shares: dict[str, int] = {}
        strange: set[str] = set()
        for one in held:
            symbol, whole = self._contracts.name(one.con_id, one.symbol), whole_part(one.shares)
            is_known = _is_known(one, symbol)
            if one.shares and (not is_known or whole != one.shares):
                strange.add(str(one.con_id))
                what = f"{one.shares:g} of {one.security_type} in {one.currency}"
                if is_known:
                    what = _what_is_strange(one, whole)
                self._foreign.add(Foreign("position", str(one.con_id), one.account, one.symbol, what))
            if is_known and whole is None:
                return None
            if is_known and whole:
                shares[symbol] = shares.get(symbol, 0) + whole
        self._foreign.remove("position", strange)
        return shares


def _is_known(held: Held, symbol: str) -> bool:
    """Whether it is something that is traded here: a share, or an option on 100 of them."""
    if held.currency != "USD" or not is_symbol(symbol):
        return False
    return held.multiplier == str(CONTRACT_SHARES) if is_option(symbol) else held.security_type == "STK"


def _what_is_strange(held: Held, whole: int | None) -> str:
    if whole is None:
        return f"{held.shares:g} shares, which cannot be; all positions count as unknown"
    return f"{held.shares:g} shares, of which {whole} are whole; a fraction cannot be sold here"
