"""A day's work by IBKR's own client. Runs in that package's own environment.

python -m cross_checks.official_client PORT
"""

import importlib
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from cross_checks.steps import ACCOUNT, CHANGED_USD, REFERENCE, RESTING_USD, SHARES, report

_DEADLINE_S = 5.0
_LOOK_AGAIN_S = 0.01


class Recorder:
    """Takes every call that the client makes on its wrapper, and remembers it by name."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments: self.calls.append((name, arguments))

    def of(self, name: str) -> list[tuple[Any, ...]]:
        """The arguments of all calls of one name."""
        return [arguments for called, arguments in self.calls if called == name]


class Work:
    """The steps, in their order."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._contract = _new(
            "ibapi.contract", "Contract", symbol="QQQ", secType="STK", exchange="SMART", currency="USD"
        )
        self._connect()

    def run(self) -> None:
        """All of it."""
        self._sync()
        self._market_order(1)
        self._limit_order(2)
        self._what_if(3)
        self._bracket(4)
        self._bars()
        self._reconnect()

    def _connect(self) -> None:
        self._heard = Recorder()
        self._client = _new_client(self._heard)
        self._client.connect("127.0.0.1", self._port, 7)
        self._reading = threading.Thread(target=self._client.run, daemon=True)
        self._reading.start()
        self._until(lambda: self._heard.of("nextValidId"))

    def _until(self, is_so: Callable[[], object]) -> bool:
        for _ in range(int(_DEADLINE_S / _LOOK_AGAIN_S)):
            if is_so():
                return True
            time.sleep(_LOOK_AGAIN_S)
        return False

    def _statuses(self, order_id: int) -> list[str]:
        return [status[1] for status in self._heard.of("orderStatus") if status[0] == order_id]

    def _place(self, order_id: int, **terms: Any) -> None:
        order = _new("ibapi.order", "Order", **{"action": "BUY", "totalQuantity": SHARES, "tif": "DAY", **terms})
        self._client.placeOrder(order_id, self._contract, order)

    def _sync(self) -> None:
        heard, client = self._heard, self._client
        report("connect", bool(heard.of("nextValidId")), f"server version {client.serverVersion()}")
        client.reqPositions()
        client.reqAccountUpdates(True, ACCOUNT)
        client.reqAllOpenOrders()
        client.reqCompletedOrders(False)
        ends = ("positionEnd", "accountDownloadEnd", "openOrderEnd", "completedOrdersEnd")
        self._until(lambda: all(heard.of(end) for end in ends))
        cash = [value[1] for value in heard.of("updateAccountValue") if value[0] == "TotalCashValue"]
        report("sync", all(heard.of(end) for end in ends) and cash == ["1000000"], f"cash {cash}")
        client.reqContractDetails(50, self._contract)
        self._until(lambda: heard.of("contractDetailsEnd"))
        numbers = [details.contract.conId for _, details in heard.of("contractDetails")]
        report("contract details", numbers == [320227571], numbers)

    def _market_order(self, order_id: int) -> None:
        self._place(order_id, orderType="MKT", orderRef=REFERENCE)
        self._until(lambda: "Filled" in self._statuses(order_id) and self._heard.of("commissionAndFeesReport"))
        filled = [(int(one.shares), one.price, one.orderRef) for _, _, one in self._heard.of("execDetails")]
        report("market order filled", filled == [(SHARES, 500.1, REFERENCE)], filled)
        commissions = [one.commissionAndFees for (one,) in self._heard.of("commissionAndFeesReport")]
        report("commission", commissions == [1.0], commissions)

    def _limits(self, order_id: int) -> list[float]:
        return [order.lmtPrice for one, _, order, _ in self._heard.of("openOrder") if one == order_id]

    def _limit_order(self, order_id: int) -> None:
        self._place(order_id, orderType="LMT", lmtPrice=RESTING_USD)
        self._until(lambda: "Submitted" in self._statuses(order_id))
        report("limit works", self._statuses(order_id)[-1:] == ["Submitted"], self._statuses(order_id))
        self._place(order_id, orderType="LMT", lmtPrice=CHANGED_USD)
        self._until(lambda: self._limits(order_id)[-1] == CHANGED_USD)
        report("modify", self._limits(order_id)[-1] == CHANGED_USD, self._limits(order_id))
        self._cancel(order_id)
        self._until(lambda: "Cancelled" in self._statuses(order_id))
        report("cancel", self._statuses(order_id)[-1] == "Cancelled", self._statuses(order_id))

    def _cancel(self, order_id: int) -> None:
        self._client.cancelOrder(order_id, _new("ibapi.order_cancel", "OrderCancel"))

    def _what_if(self, order_id: int) -> None:
        self._place(order_id, orderType="MKT", totalQuantity=10, whatIf=True)
        self._until(lambda: self._changes(order_id))
        report("what-if", self._changes(order_id) == ["2500.5"], self._changes(order_id))

    def _changes(self, order_id: int) -> list[str]:
        return [state.initMarginChange for one, _, _, state in self._heard.of("openOrder") if one == order_id]

    def _bracket(self, order_id: int) -> None:
        target, stop = order_id + 1, order_id + 2
        self._place(order_id, orderType="LMT", lmtPrice=RESTING_USD, transmit=False)
        child = {"action": "SELL", "parentId": order_id}
        self._place(target, orderType="LMT", lmtPrice=510.0, transmit=False, **child)
        self._place(stop, orderType="STP", auxPrice=480.0, **child)
        self._until(lambda: self._statuses(stop))
        self._cancel(order_id)
        ids = (order_id, target, stop)
        self._until(lambda: all("Cancelled" in self._statuses(one) for one in ids))
        states = [self._statuses(one)[-1] for one in ids]
        report("bracket", states == ["Cancelled"] * 3, states)

    def _bars(self) -> None:
        self._client.reqRealTimeBars(51, self._contract, 5, "TRADES", True, [])
        self._until(lambda: self._heard.of("realtimeBar"))
        closes = [bar[5] for bar in self._heard.of("realtimeBar")]
        report("bars", closes[:1] == [500.1], closes)
        self._client.reqHistoricalData(52, self._contract, "", "1 D", "1 min", "TRADES", 1, 1, False, [])
        self._until(lambda: self._heard.of("historicalDataEnd"))
        closes = [bar.close for _, bar in self._heard.of("historicalData")]
        report("history", closes[-1:] == [500.1] and bool(self._heard.of("historicalDataEnd")), closes)

    def _reconnect(self) -> None:
        self._client.disconnect()
        self._connect()
        if not self._heard.of(
            "nextValidId"
        ):  # its thread lets go of the socket, and so of the client id, a little later
            self._connect()
        self._client.reqPositions()
        self._client.reqExecutions(53, _new("ibapi.execution", "ExecutionFilter"))
        self._until(lambda: self._heard.of("execDetailsEnd") and self._heard.of("positionEnd"))
        held = [(account, int(shares)) for account, _, shares, _ in self._heard.of("position")]
        references = [one.orderRef for _, _, one in self._heard.of("execDetails")]
        report("reconnect", (held, references) == ([(ACCOUNT, SHARES)], [REFERENCE]), (held, references))
        self._client.disconnect()


def _new(module: str, kind: str, **fields: Any) -> Any:
    made = getattr(importlib.import_module(module), kind)()
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def _new_client(wrapper: Recorder) -> Any:
    return importlib.import_module("ibapi.client").EClient(wrapper)


if __name__ == "__main__":
    Work(int(sys.argv[1])).run()
