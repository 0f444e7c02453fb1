"""The wire's other end: what the library has decoded becomes values of ours, in the order in which it came.

The library finds these methods by their names.
"""

from typing import Protocol

from trader.adapters.ibkr.client_library import (
    BarData,
    CommissionReport,
    Contract,
    ContractDetails,
    Order,
    OrderState,
)
from trader.adapters.ibkr.messages import (
    AccountValue,
    Commission,
    Completed,
    Execution,
    Failure,
    Held,
    MarketDataType,
    Message,
    OpenOrder,
    RealTimeBar,
    Status,
    TickPrice,
)
from trader.adapters.ibkr.translate import symbol_named

_LONGEST_TEXT = 1_000
"""Of an error: it goes into the journal, with the order that it is about."""


def _symbol(contract: Contract) -> str:
    return symbol_named(contract.secType, contract.symbol, contract.localSymbol)


class Listing(Protocol):
    """An answer that names no request: it goes on until its end marker."""

    def add(self, item: object) -> None:
        """Take in one of its items."""
        ...

    def spoil(self, why: str) -> bool:
        """Take note that one of its items could not be read. False when nobody asks for it."""
        ...

    def finish(self) -> None:
        """Take in its end marker."""
        ...


class Receiver(Protocol):
    """Who is told."""

    @property
    def positions(self) -> Listing: ...
    @property
    def open_orders(self) -> Listing: ...
    @property
    def completed_orders(self) -> Listing: ...
    @property
    def time(self) -> Listing: ...

    def heard(self) -> None:
        """Take note that the other side is there."""
        ...

    def ready_with(self, *, order_id: int = 0, accounts: tuple[str, ...] = ()) -> None:
        """Take in a part of the greeting."""
        ...

    def said(self, message: Message) -> None:
        """Take in what came unasked."""
        ...

    def answered(self, request_id: int, item: object) -> None:
        """Take in one item of an answer, or of a subscription."""
        ...

    def finished(self, request_id: int) -> None:
        """Take in the end marker of an answer."""
        ...

    def spoil(self, message: str, why: str) -> bool:
        """Take note that a message of this id could not be read. False when nobody waits for an answer in such."""
        ...

    def end(self, reason: str) -> None:
        """Take note that the connection is not whole any more."""
        ...

    def unknown_message(self, id_: str) -> None:
        """Take note of a message that the library does not know."""
        ...


class Wire:
    """What the library calls its wrapper."""

    def __init__(self, receiver: Receiver) -> None:
        self._to = receiver

    # the connection

    def tcpDataArrived(self) -> None:
        self._to.heard()

    def connectAck(self) -> None:
        """Nothing to do: the greeting follows."""

    def nextValidId(self, order_id: int) -> None:
        self._to.ready_with(order_id=order_id)

    def managedAccounts(self, accounts: str) -> None:
        self._to.ready_with(accounts=tuple(account for account in accounts.split(",") if account))

    def setEventsDone(self) -> None:
        self._to.end("the other side has closed the connection")

    def connectionClosed(self) -> None:
        """Said together with `setEventsDone`."""

    def failed_to_read(self, why: str, id_: str = "") -> None:
        """What belongs to a list that is asked for spoils that list: an order or an execution of somebody else's that
        cannot be read stays there, and must not keep ours from leaving."""
        said = f"a message could not be read, what it said is lost: {why[:300]}"
        lists = {"5": self._to.open_orders, "61": self._to.positions, "101": self._to.completed_orders}
        is_of_a_list = lists[id_].spoil(said) if id_ in lists else bool(id_) and self._to.spoil(id_, said)
        if not is_of_a_list:
            self._to.end(said)

    def unknown_message(self, id_: str) -> None:
        self._to.unknown_message(id_)

    def currentTime(self, seconds: int) -> None:
        self._to.time.add(seconds)
        self._to.time.finish()

    def error(self, id_: int, code: int, text: str, _: str = "") -> None:
        self._to.said(Failure(id_, code, text[:_LONGEST_TEXT]))

    # orders

    def orderStatus(
        self,
        order_id: int,
        status: str,
        filled: float,
        remaining: float,
        _average: float,
        perm_id: int,
        _parent_id: int,
        _last_price: float,
        client_id: int,
        why_held: str,
        _cap: float = 0.0,
    ) -> None:
        self._to.said(Status(order_id, client_id, perm_id, status, filled, remaining, why_held))

    def openOrder(self, order_id: int, contract: Contract, order: Order, state: OrderState) -> None:
        if order.whatIf:
            self._to.answered(order_id, state)
            return
        message = OpenOrder(
            order_id,
            order.clientId,
            order.permId,
            order.account,
            _symbol(contract),
            contract.secType,
            order.action,
            float(order.totalQuantity),
            order.orderType,
            float(order.lmtPrice or 0),
            float(order.auxPrice or 0),
            order.orderRef,
            state.status,
            order.parentId,
            order.ocaGroup,
        )
        self._to.open_orders.add(message)
        self._to.said(message)

    def openOrderEnd(self) -> None:
        self._to.open_orders.finish()

    def completedOrder(self, contract: Contract, order: Order, state: OrderState) -> None:
        self._to.completed_orders.add(
            Completed(
                order.permId,
                order.account,
                _symbol(contract),
                float(order.totalQuantity),
                float(order.filledQuantity),
                order.orderRef,
                state.status,
                state.completedStatus,
            )
        )

    def completedOrdersEnd(self) -> None:
        self._to.completed_orders.finish()

    # executions

    def executed(self, fields: list[str]) -> None:
        (_, request, order_id, con_id, symbol, kind, _, _, _, _, _, currency, local_symbol, _, id_, time) = fields[:16]
        (account, _, side, shares, price, perm_id, client_id, _, cumulative, _, ref) = fields[16:27]
        execution = Execution(
            int(request or -1),
            int(order_id or 0),
            int(client_id or 0),
            int(perm_id or 0),
            int(con_id or 0),
            symbol_named(kind, symbol, local_symbol),
            kind,
            currency,
            id_,
            time,
            account,
            side,
            shares,
            price,
            cumulative,
            ref,
        )
        self._to.said(execution)
        self._to.answered(execution.request_id, execution)

    def execDetailsEnd(self, request_id: int) -> None:
        self._to.finished(request_id)

    def commissionReport(self, report: CommissionReport) -> None:
        self._to.said(Commission(report.execId, report.commission, report.currency))

    # the account

    def position(self, account: str, contract: Contract, shares: float, _average_cost: float) -> None:
        kind, multiplier, currency = contract.secType, contract.multiplier, contract.currency
        self._to.positions.add(
            Held(account, contract.conId, _symbol(contract), kind, multiplier, currency, float(shares))
        )

    def positionEnd(self) -> None:
        self._to.positions.finish()

    def accountUpdateMulti(self, request_id: int, account: str, _: str, key: str, value: str, currency: str) -> None:
        self._to.answered(request_id, AccountValue(account, key, value, currency))

    def accountUpdateMultiEnd(self, request_id: int) -> None:
        self._to.finished(request_id)

    # contracts and market data

    def contractDetails(self, request_id: int, details: ContractDetails) -> None:
        self._to.answered(request_id, details)

    bondContractDetails = contractDetails

    def contractDetailsEnd(self, request_id: int) -> None:
        self._to.finished(request_id)

    def historicalData(self, request_id: int, bar: BarData) -> None:
        self._to.answered(request_id, bar)

    historicalDataUpdate = historicalData

    def historicalDataEnd(self, request_id: int, _start: str, _end: str) -> None:
        self._to.finished(request_id)

    def realtimeBar(
        self,
        request_id: int,
        time: int,
        open_: float,
        high: float,
        low: float,
        close: float,
        volume: float,
        _average: float,
        count: int,
    ) -> None:
        self._to.answered(request_id, RealTimeBar(time, open_, high, low, close, volume, count))

    def marketDataType(self, request_id: int, type_: int) -> None:
        self._to.answered(request_id, MarketDataType(type_))

    def priceSizeTick(self, request_id: int, type_: int, price: float, size: float) -> None:
        self._to.answered(request_id, TickPrice(type_, price, size))

    def updatePortfolio(self, *_: object) -> None:
        """Not asked for: positions are."""

    def tickOptionComputation(self, *_: object) -> None:
        """Not asked for."""
