"""A day's work by ib_insync, or by ib_async, which has kept its interface. Runs in that package's own environment.

python -m cross_checks.insync_client ib_async PORT
"""

import asyncio
import importlib
import sys
from collections.abc import Callable
from typing import Any

from cross_checks.steps import ACCOUNT, CHANGED_USD, REFERENCE, RESTING_USD, SHARES, report

_DEADLINE_S = 5.0
_LOOK_AGAIN_S = 0.01


async def _until(is_so: Callable[[], object]) -> bool:
    """Whether it comes about in time."""
    for _ in range(int(_DEADLINE_S / _LOOK_AGAIN_S)):
        if is_so():
            return True
        await asyncio.sleep(_LOOK_AGAIN_S)
    return False


class Work:
    """The steps, in their order."""

    def __init__(self, package: Any, port: int) -> None:
        self._package = package
        self._port = port
        self._ib = package.IB()
        self._contract = package.Stock("QQQ", "SMART", "USD")

    async def run(self) -> None:
        """All of it."""
        await self._connect()
        await self._market_order()
        await self._limit_order()
        await self._what_if()
        await self._bracket()
        await self._bars()
        await self._reconnect()

    async def _connect(self) -> None:
        ib = self._ib
        await ib.connectAsync("127.0.0.1", self._port, clientId=7, timeout=_DEADLINE_S)
        report("connect", ib.isConnected(), f"server version {ib.client.serverVersion()}")
        cash = [value.value for value in ib.accountValues() if value.tag == "TotalCashValue"]
        report("sync", "1000000" in cash, f"cash {cash}")
        await ib.qualifyContractsAsync(self._contract)
        report("contract details", self._contract.conId == 320227571, self._contract.conId)

    async def _market_order(self) -> None:
        order = self._package.MarketOrder("BUY", SHARES, tif="DAY", orderRef=REFERENCE)
        trade = self._ib.placeOrder(self._contract, order)
        await _until(lambda: trade.orderStatus.status == "Filled" and trade.fills)
        filled = [(fill.execution.shares, fill.execution.price, fill.execution.orderRef) for fill in trade.fills]
        report("market order filled", filled == [(SHARES, 500.1, REFERENCE)], filled)
        await _until(lambda: trade.fills[0].commissionReport.execId)
        commission = trade.fills[0].commissionReport
        report("commission", commission.commission == 1.0, commission.commission)

    async def _limit_order(self) -> None:
        trade = self._ib.placeOrder(self._contract, self._package.LimitOrder("BUY", SHARES, RESTING_USD, tif="DAY"))
        await _until(lambda: trade.orderStatus.status == "Submitted")
        report("limit works", trade.orderStatus.status == "Submitted", trade.orderStatus.status)
        trade.order.lmtPrice = CHANGED_USD
        self._ib.placeOrder(self._contract, trade.order)
        await _until(lambda: trade.log[-1].message == "Modified")
        await self._ib.reqAllOpenOrdersAsync()
        report("modify", trade.order.lmtPrice == CHANGED_USD, (trade.log[-1].message, trade.order.lmtPrice))
        self._ib.cancelOrder(trade.order)
        await _until(lambda: trade.orderStatus.status == "Cancelled")
        report("cancel", trade.orderStatus.status == "Cancelled", trade.orderStatus.status)

    async def _what_if(self) -> None:
        order = self._package.MarketOrder("BUY", 10, tif="DAY")
        state = await asyncio.wait_for(self._ib.whatIfOrderAsync(self._contract, order), _DEADLINE_S)
        report("what-if", float(state.initMarginChange) == 2500.5, state.initMarginChange)

    async def _bracket(self) -> None:
        orders = self._ib.bracketOrder("BUY", SHARES, RESTING_USD, 510.0, 480.0, tif="DAY")
        trades = [self._ib.placeOrder(self._contract, order) for order in orders]
        await _until(lambda: [trade.orderStatus.whyHeld for trade in trades] == ["", "child", "child,trigger"])
        held = [trade.orderStatus.whyHeld for trade in trades]
        self._ib.cancelOrder(orders[0])
        await _until(lambda: all(trade.orderStatus.status == "Cancelled" for trade in trades))
        states = [trade.orderStatus.status for trade in trades]
        report("bracket", states == ["Cancelled"] * 3, (held, states))

    async def _bars(self) -> None:
        bars = self._ib.reqRealTimeBars(self._contract, 5, "TRADES", True)
        await _until(lambda: bars)
        report("bars", bars and bars[0].close == 500.1, bars[:1])
        history = await self._ib.reqHistoricalDataAsync(self._contract, "", "1 D", "1 min", "TRADES", True)
        report("history", bool(history) and history[-1].close == 500.1, history[-1:])

    async def _reconnect(self) -> None:
        self._ib.disconnect()
        ib = self._ib = self._package.IB()
        await ib.connectAsync("127.0.0.1", self._port, clientId=7, timeout=_DEADLINE_S)
        held = [(position.account, position.position) for position in ib.positions()]
        references = [fill.execution.orderRef for fill in ib.fills()]
        report("reconnect", (held, references) == ([(ACCOUNT, SHARES)], [REFERENCE]), (held, references))
        ib.disconnect()


if __name__ == "__main__":
    asyncio.run(Work(importlib.import_module(sys.argv[1]), int(sys.argv[2])).run())
