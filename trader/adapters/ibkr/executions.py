"""Executions as fills: each once, with its commission when that is known, and those that are not ours apart.

Rule 1: an execution is of ours when it carries a reference of this account, or names an order that was seen with one.
Rule 2: commissions come before or after their execution; both orders give the same in the end.
Rule 3: of the revisions of one execution the highest counts.
Rule 4: one that was told with numbers that cannot be read is taken in again when it is told otherwise.
Rule 5: what it was traded in are dollars, and what was traded is the contract that was qualified; else it has no symbol
of ours, and cannot be booked.
"""

from collections.abc import Callable
from typing import NamedTuple

from trader.adapters.ibkr.contracts import Contracts
from trader.adapters.ibkr.messages import Commission, Execution
from trader.adapters.ibkr.translate import (
    NOT_WHOLE,
    SIDES,
    amount_micros,
    moment_of,
    price_micros,
    revisions_before,
    unrevised,
    whole_shares,
)
from trader.domain.decision import Side
from trader.domain.money import MICROS_PER_DOLLAR, usd
from trader.domain.order import Fill
from trader.services.ports import Clock, Log

_MOST_COMMISSION_MICROS = 1_000_000 * MICROS_PER_DOLLAR
"""What one execution may cost. A book that believed more would refuse the execution with it."""


class _Counted(NamedTuple):
    revision: int
    shares: int


class Executions:
    """Every execution of ours that this process has heard of."""

    def __init__(
        self, account_name: str, contracts: Contracts, tell: Callable[[Fill], None], clock: Clock, log: Log
    ) -> None:
        self._account_name = account_name
        self._contracts = contracts
        self._tell = tell
        self._clock = clock
        self._log = log
        self._fills: dict[str, Fill] = {}
        self._unreadable: dict[str, Execution] = {}
        """As it was told last, of those that cannot be booked."""
        self._commissions: dict[str, int] = {}
        self._counted: dict[str, dict[str, _Counted]] = {}
        """Order reference -> execution without revision -> what counts of it."""

    def hear(self, execution: Execution, order_ref: str) -> Fill | None:
        """Take in an execution of one of our orders, and tell of it; None where that is no news."""
        if not self._is_news(execution):
            return None
        fill = self._fill(execution, order_ref)
        if fill.fault:
            self._unreadable[fill.execution_id] = _content(execution)
        self._fills[fill.execution_id] = fill
        self._count(fill)
        self._tell(fill)
        return fill

    def _is_news(self, execution: Execution) -> bool:
        known = self._fills.get(execution.execution_id)
        if known is None:
            return True
        return bool(known.fault) and self._unreadable.get(execution.execution_id) != _content(execution)

    def get(self, execution_id: str) -> Fill | None:
        """An execution that was heard before, with what is known of its commission now."""
        fill = self._fills.get(execution_id)
        if fill is None:
            return None
        return fill._replace(commission_micros=self._commissions.get(execution_id, fill.commission_micros))

    def hear_commission(self, report: Commission) -> None:
        """Take in what an execution has cost; tell the execution again when it was told without it."""
        cost = amount_micros(report.amount)
        if cost is None:
            return
        if abs(cost) > _MOST_COMMISSION_MICROS:
            self._log.error(
                f"COMMISSION of {report.execution_id} is told as {usd(cost)} USD, which cannot be: not booked; book "
                f"the right one with `trader cash book`"
            )
            return
        if report.currency != "USD":
            self._log.error(
                f"COMMISSION of {report.execution_id} in {ascii(report.currency)[:8]}, not in dollars: not booked; "
                f"book it with `trader adjust`"
            )
            return
        before = self._commissions.get(report.execution_id)
        self._commissions[report.execution_id] = cost
        fill = self._fills.get(report.execution_id)
        if fill is not None and cost != (fill.commission_micros if before is None else before):
            self._tell(fill._replace(commission_micros=cost))

    def filled(self, order_ref: str) -> int:
        """Shares of an order that were told, corrections counted."""
        return sum(counted.shares for counted in self._counted.get(order_ref, {}).values())

    def _fill(self, execution: Execution, order_ref: str) -> Fill:
        moment = moment_of(execution.time, self._clock.now())
        if moment.doubt:
            self._log.error(f"EXECUTION {execution.execution_id}: {moment.doubt}")
        shares, side = whole_shares(execution.shares), SIDES.get(execution.side)
        if shares is None or side is None:
            what = f"{ascii(execution.side)[:20]} {ascii(execution.shares)[:20]} shares"
            self._log.error(f"EXECUTION {execution.execution_id}: {what} cannot be booked; IB is asked again")
            shares, side = NOT_WHOLE, side or Side.BUY
        return Fill(
            execution.execution_id,
            order_ref,
            self._account_name,
            self._symbol(execution),
            side,
            shares,
            price_micros(execution.price),
            self._commissions.get(execution.execution_id, 0),
            moment.at,
            revisions_before(execution.execution_id),
        )

    def _symbol(self, execution: Execution) -> str:
        symbol = self._contracts.name(execution.con_id, execution.symbol)
        return symbol if execution.currency == "USD" else f"{symbol} in {execution.currency}"

    def _count(self, fill: Fill) -> None:
        base, revision = unrevised(fill.execution_id)
        of_order = self._counted.setdefault(fill.order_ref, {})
        before = of_order.get(base)
        if before is None or before.revision <= revision:
            of_order[base] = _Counted(revision, max(fill.quantity, 0))


def _content(execution: Execution) -> Execution:
    """What is told, whoever has asked for it."""
    return execution._replace(request_id=-1)
