"""The machine on a gateway's day: Interactive Brokers by the loop's own network, watched at the Broker port."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from simulation.gateway_market import GatewayMarket
from simulation.gateway_troubles import GatewayTroubles
from simulation.gateway_truth import GatewayTruth
from simulation.history import History
from simulation.host import Machine, SimulatedHost
from trader.adapters.ibkr.market_data import Publish
from trader.app.interactive_brokers import InteractiveBrokers
from trader.app.marketplace import Emit, Held
from trader.app.wiring import Parts
from trader.domain.events import BrokerEvent, Evidence
from trader.domain.market import BarTime
from trader.domain.order import Order
from trader.domain.rules import Costs
from trader.services.ports import Broker

_ON_ITS_WAY_S = 1.0
"""What a dead daemon has sent has arrived by then."""


class Minutes:
    """What one life has heard of the market; its clock is right."""

    def __init__(self, market: GatewayMarket) -> None:
        self.minutes_told = 0
        self._market = market

    @property
    def truth(self) -> datetime:
        """The time that it is at the exchange."""
        return self._market.now()

    def now(self) -> datetime:
        """The same."""
        return self._market.now()


class WatchedBroker:
    """The adapter, and a look at what goes in and what comes out."""

    broker: Broker
    """The adapter."""

    def __init__(self, truth: GatewayTruth, history: History) -> None:
        self.told: Evidence | None = None
        self.true_answers = 0
        self._truth = truth
        self._history = history
        self._is_cut = False

    @property
    def has_told_all(self) -> bool:
        """A complete answer has come through."""
        return self.told is not None

    def cut(self) -> None:
        """Its daemon is dead."""
        self._is_cut = True

    def heard(self, event: BrokerEvent) -> None:
        """The adapter tells something."""
        if not self._is_cut:
            self._history.heard(event)

    def place(self, order: Order, protection: Sequence[Order] = ()) -> None:
        """Note it and hand it on."""
        if not self._is_cut:
            for each in (order, *protection):
                self._history.placed(each)
            self.broker.place(order, protection)

    def protect(self, pair: Sequence[Order]) -> None:
        """Note it and hand it on."""
        if not self._is_cut:
            for each in pair:
                self._history.placed(each)
            self.broker.protect(pair)

    def cancel(self, order_ref: str) -> None:
        """Note it and hand it on."""
        if not self._is_cut:
            self._history.cancelled(order_ref)
            self.broker.cancel(order_ref)

    async def evidence(self, order_refs: Collection[str]) -> Evidence:
        """Ask, and note a complete answer. Raises BrokerUnreachable."""
        given = await self.broker.evidence(order_refs)
        if not given.unknown:
            self.told = given
            self.true_answers += given.positions == self._truth.positions
        return given


class GatewayHost(SimulatedHost):
    """A life in front of the gateway."""

    def __init__(self, machine: Machine, market: GatewayMarket, truth: GatewayTruth, troubles: GatewayTroubles) -> None:
        super().__init__(machine, market)
        self.minutes = Minutes(market)
        self.watched = WatchedBroker(truth, machine.history)
        self._market = market
        self._troubles = troubles
        self._goes_on: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """The gateway listens, the market goes on, and things go wrong."""
        asyncio.set_event_loop(self._loop)  # the client library asks for it there
        self._market.begin(self._loop)
        self._troubles.kill = self._loop.stop
        await self._troubles.open()
        self._goes_on = [self._loop.create_task(each) for each in (self._market.goes_on(), self._troubles.strike())]

    def cut(self) -> None:
        """Its connection ends, and the market stands."""
        super().cut()
        for task in self._goes_on:
            task.cancel()
        self._troubles.kill = _nothing
        self._loop.network.cut()

    async def leave(self) -> None:
        """What it had sent arrives; then the gateway is alone."""
        await asyncio.sleep(_ON_ITS_WAY_S)
        await self._troubles.close()
        self._market.end()
        asyncio.set_event_loop(None)

    def marketplace(self, parts: Parts) -> "WatchedMarketplace":
        """The adapter's own, watched."""
        self.feed_, self.wire = self.minutes, self.watched
        return WatchedMarketplace(parts, self)


class WatchedMarketplace(InteractiveBrokers):
    """Interactive Brokers, with somebody who notes what is said."""

    def __init__(self, parts: Parts, host: GatewayHost) -> None:
        super().__init__(parts, host.clock, host.log(host.clock))
        self._host = host

    def broker(self, emit: Emit, costs: Costs, positions: Mapping[str, int]) -> Broker:
        """The adapter, watched."""

        def heard(event: BrokerEvent) -> None:
            self._host.watched.heard(event)
            emit(event)

        self._host.watched.broker = super().broker(heard, costs, positions)
        return self._host.watched

    async def play(self, publish: Publish, stop: asyncio.Event, held: Held) -> None:
        """Count the minutes."""

        async def counted(bar_time: BarTime) -> None:
            self._host.minutes.minutes_told += 1
            await publish(bar_time)

        await super().play(counted, stop, held)


def _nothing() -> None:
    """Who is dead is not killed."""
