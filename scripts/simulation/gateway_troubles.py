"""What goes wrong at the gateway and on its wire: each kind at a rate by the seed, counted when it strikes.

Some are armed and strike by themselves at their next occasion; others are done by hand, and most of those are put
right after a while. Once the run is healed everything is.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

from gateway import Gateway
from gateway import fault_script as script
from gateway.faults import (
    ClientIdTaken,
    CommissionFirst,
    Delay,
    Drop,
    Duplicate,
    EmptyPositions,
    FillAfterCancel,
    FillWhileDown,
    HalfFrame,
    Hold,
    HoldForLocate,
    Ignore,
    Kill,
    Lose,
    LoseConnection,
    Mute,
    NoGreeting,
    Note,
    Refuse,
    Reject,
    Reorder,
    Reset,
    Stall,
    StatusFirst,
    UnknownZone,
)

from simulation.configuration import ACCOUNT, FAMILY, STOCKS
from simulation.faults import Fault, Faults
from simulation.gateway_market import GatewayMarket
from simulation.gateway_truth import OTHER_ACCOUNT, GatewayTruth
from simulation.loop import SeededLoop
from trader.domain.money import MICROS_PER_DOLLAR
from trader.domain.order import Fill

LOOKS_EVERY_S = 10.0

_SYMBOLS = (*FAMILY, *STOCKS)
_SAID = ("execDetails", "openOrder", "orderStatus", "commissionReport", "position", "realtimeBar", "currentTime")
_ENDS = ("execDetailsEnd", "openOrderEnd", "positionEnd", "completedOrdersEnd")
_ASKED = ("placeOrder", "cancelOrder", "reqExecutions", "reqPositions", "reqAllOpenOrders", "reqCompletedOrders")
_BY_HAND = ("QQQ", "PSQ", "AAPL")
_BOUGHT_BY_HAND = 5
_ABOUT_USD = Decimal(100)
_CENT = Decimal("0.01")
_SLEEPS_S = (8, 40, 150)
_LASTS_S = (5, 30, 120)
"""Until somebody puts it right."""

_ARMED: Mapping[Fault, Callable[[Random], script.Fault]] = {
    Fault.REPORT_LOST: lambda by: Lose(by.choice(_SAID)),
    Fault.REPORT_LATE: lambda by: Delay(by.choice(_SAID), by.choice((0.3, 1.5, 45.0))),
    Fault.REPORT_TWICE: lambda by: Duplicate(by.choice(_SAID)),
    Fault.REPORTS_REORDERED: lambda by: Reorder(by.choice(_SAID), by.randint(1, 3)),
    Fault.MESSAGE_HELD: lambda by: Hold(by.choice(_SAID)),
    Fault.ANSWER_INCOMPLETE: lambda by: Lose(by.choice(_ENDS), times=by.randint(1, 2)),
    Fault.HALF_FRAME: lambda by: HalfFrame(by.choice(_SAID)),
    Fault.CONNECTION_CLOSED: lambda by: Drop(by.choice(_SAID)),
    Fault.CONNECTION_RESET: lambda by: Reset(by.choice(_SAID)),
    Fault.CONNECTION_STALLED: lambda by: Stall(by.choice(_SAID)),
    Fault.REQUEST_IGNORED: lambda by: Ignore(by.choice(_ASKED)),
    Fault.REQUEST_MUTED: lambda by: Mute(by.choice(_ASKED)),
    Fault.REQUEST_NEVER_ARRIVED: lambda by: LoseConnection(by.choice(_ASKED)),
    Fault.REQUEST_TOO_FAST: lambda by: Refuse(by.choice(_ASKED), 100, "Max rate of messages per second exceeded."),
    Fault.REQUEST_NOTED: lambda by: Note(by.choice(_ASKED), 399, "Order Message: a warning that ends nothing"),
    Fault.BARS_REFUSED: lambda _: Refuse("reqRealTimeBars", 420, "Invalid Real-time Query: pacing"),
    Fault.CLIENT_ID_TAKEN: lambda by: ClientIdTaken(times=by.randint(1, 3)),
    Fault.NO_GREETING: lambda _: NoGreeting(),
    Fault.POSITIONS_EMPTY: lambda _: EmptyPositions(),
    Fault.FILLED_WHILE_DOWN: lambda _: FillWhileDown(),
    Fault.COMMISSION_FIRST: lambda _: CommissionFirst(),
    Fault.STATUS_FIRST: lambda _: StatusFirst(),
    Fault.UNKNOWN_ZONE: lambda _: UnknownZone(),
    Fault.ENTRY_REJECTED: lambda by: Reject(
        by.choice((110, 201, 202)), status=by.choice(("Inactive", "Cancelled", ""))
    ),
    Fault.HELD_FOR_LOCATE: lambda _: HoldForLocate(),
    Fault.FILL_AFTER_CANCEL: lambda by: FillAfterCancel(by.randint(1, 9)),
}
_RATE = 0.004
"""At each look, of each kind that the seed has taken."""
_RARE = 0.0005
_LASTING = frozenset(
    {Fault.MANUAL_TRADE, Fault.FOREIGN_SHARES, Fault.SYMBOL_HALTED, Fault.GATEWAY_RESTARTS, Fault.SUSPENDED}
)
"""After these little is traded for a while."""


class GatewayTroubles:
    """Of one run."""

    def __init__(self, gateway: Gateway, market: GatewayMarket, truth: GatewayTruth, faults: Faults) -> None:
        self._gateway = gateway
        self._market = market
        self._truth = truth
        self._faults = faults
        self.kill: Callable[[], None] = lambda: None
        """Ends the life of the moment."""
        self._is_down = False
        self._is_listening = False
        self._kinds: dict[script.Fault, Fault] = {}
        self._repairs: list[tuple[datetime, Callable[[], object]]] = []
        gateway.faults.allows = lambda fault: faults.strike(self._kinds[fault])
        self._deeds: Mapping[Fault, Callable[[Random], None]] = {
            Fault.CONNECTION_CLOSED: lambda _: gateway.disconnect(),
            Fault.GATEWAY_RESTARTS: self._restart,
            Fault.SERVERS_LOST: self._lose_servers,
            Fault.FARMS_COME_AND_GO: self._farms_come_and_go,
            Fault.ORDER_IDS_ROLLED_BACK: self._roll_back_ids,
            Fault.SYMBOL_HALTED: self._halt,
            Fault.THIN_MARKET: self._thin_out,
            Fault.MANUAL_TRADE: self._trade_by_hand,
            Fault.OTHER_ACCOUNT: self._trade_of_another_account,
            Fault.SUSPENDED: _sleep,
            Fault.FOREIGN_SHARES: lambda by: truth.endow("MSFT", by.randint(1, 20), _ABOUT_USD),
        }
        self._revisions: Mapping[Fault, Callable[[Fill, Random], object]] = {
            Fault.EXECUTION_CORRECTED: self._correct,
            Fault.EXECUTION_BUSTED: lambda fill, _: gateway.correct(fill.execution_id, shares=0),
        }

    async def open(self) -> None:
        """Listen, unless the gateway is away."""
        if not self._is_down:
            await self._gateway.start()
            self._is_listening = True

    async def close(self) -> None:
        """It is over: nobody is connected any more."""
        self._is_listening = False
        await self._gateway.stop()

    async def strike(self) -> None:
        """As long as a life does."""
        while True:
            await asyncio.sleep(LOOKS_EVERY_S)
            self._put_right()
            self._arm_some()
            self._do_some()
            if self._is_listening and self._is_down:
                await self.close()
            elif not self._is_listening:
                await self.open()

    def _put_right(self) -> None:
        """What is due; once the run is healed, everything."""
        if self._faults.is_healed:
            self._gateway.faults.clear()
        for repair in [repair for repair in self._repairs if self._faults.is_healed or repair[0] <= self._market.now()]:
            self._repairs.remove(repair)
            repair[1]()

    def _arm_some(self) -> None:
        for fault, make in _ARMED.items():
            if self._faults.comes(fault, _RATE):
                self._arm(fault, make(self._faults.chance(fault)))
        if self._faults.comes(Fault.KILLED_AT_A_MESSAGE, _RATE):
            said = self._faults.chance(Fault.KILLED_AT_A_MESSAGE).choice(_SAID)
            self._arm(Fault.KILLED_AT_A_MESSAGE, Kill(said, self._kill))

    def _arm(self, fault: Fault, made: script.Fault) -> None:
        self._kinds[made] = fault
        self._gateway.faults.add(made)
        if isinstance(made, Hold | Stall):
            self._later(self._gateway.faults.release, self._faults.chance(fault))

    def _kill(self) -> None:
        self.kill()

    def _do_some(self) -> None:
        strikes, chance = self._faults.strikes, self._faults.chance
        for fault, do in self._deeds.items():
            if strikes(fault, _RARE if fault in _LASTING else _RATE):
                do(chance(fault))
        for fault, revise in self._revisions.items():
            recent = self._truth.revisable(self._market.now())
            if recent and strikes(fault, _RARE):
                revise(self._truth.executions[chance(fault).choice(recent)], chance(fault))

    def _later(self, repair: Callable[[], object], by: Random) -> None:
        self._repairs.append((self._market.now() + timedelta(seconds=by.choice(_LASTS_S)), repair))

    def _restart(self, by: Random) -> None:
        self._is_down = True
        self._later(self._come_back, by)

    def _come_back(self) -> None:
        self._is_down = False

    def _lose_servers(self, by: Random) -> None:
        is_data_lost = by.random() < 0.5
        self._gateway.lose_servers()
        self._later(lambda: self._gateway.restore_servers(data_lost=is_data_lost), by)

    def _farms_come_and_go(self, _: Random) -> None:
        for code in (2103, 2105, 2104, 2106):
            self._gateway.notify(code, "a farm comes or goes:usfarm")

    def _roll_back_ids(self, _: Random) -> None:
        self._gateway.roll_back_order_ids()
        self._gateway.disconnect()

    def _halt(self, by: Random) -> None:
        symbol = by.choice(_SYMBOLS)
        self._gateway.market.halt(symbol)
        self._market.halted[symbol] = self._market.now() + timedelta(minutes=by.randint(2, 15))

    def _thin_out(self, by: Random) -> None:
        symbol = by.choice(_SYMBOLS)
        self._gateway.market.depth(symbol, by.choice((0, 1, 20, 100)))
        self._later(lambda: self._gateway.market.depth(symbol, None), by)

    def _trade_by_hand(self, by: Random) -> None:
        self._gateway.announce(self._gateway.place_by_hand(ACCOUNT, by.choice(_BY_HAND), "BUY", _BOUGHT_BY_HAND))

    def _trade_of_another_account(self, by: Random) -> None:
        side = by.choice(("BUY", "SELL"))
        self._gateway.announce(self._gateway.place_by_hand(OTHER_ACCOUNT, by.choice(_BY_HAND), side, _BOUGHT_BY_HAND))

    def _correct(self, fill: Fill, by: Random) -> None:
        price = Decimal(fill.price_micros) / MICROS_PER_DOLLAR + by.randint(-3, 3) * _CENT
        self._gateway.correct(fill.execution_id, shares=by.randint(1, fill.quantity), price=price)


def _sleep(by: Random) -> None:
    """The host sleeps, or SIGSTOP has stopped what runs on it: time goes on, and whatever came meanwhile comes late."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SeededLoop)  # noqa: S101
    loop.stall(by.choice(_SLEEPS_S))
