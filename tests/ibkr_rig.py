"""An adapter on a real socket, with a TWS of our own at the other end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar

from builders import NOON, Sentences
from gateway import Gateway

from trader.adapters.clock import SystemClock
from trader.adapters.ibkr.connection import Address, Connection, Session
from trader.adapters.ibkr.contracts import Contracts
from trader.adapters.ibkr.messages import Message
from trader.adapters.ibkr.orders import IbkrBroker
from trader.adapters.ibkr.timing import Timing
from trader.domain.decision import Purpose, Side
from trader.domain.events import BrokerEvent, FillReported, OrderIdentified
from trader.domain.money import micros
from trader.domain.order import Fill, Order, OrderState
from trader.domain.reference import order_ref

ACCOUNT = "DU1000001"
NAME = "paper"
PATIENCE_S = 5.0
"""Nothing in these tests takes long; what does has failed."""
QUICK = Timing(
    connect_s=1,
    request_s=0.8,
    heartbeat_s=0.1,
    heartbeat_patience_s=0.4,
    back_off_s=(0.02, 0.05),
    margin_s=0.3,
    executions_s=0.15,
    second_look_s=0.01,
    empty_look_s=0.02,
    lost_patience_s=3,
)
"""Real seconds, as few as a loaded machine allows."""
SYMBOLS = ("QQQ", "AAPL", "MSFT")

_Event = TypeVar("_Event")


def ref(number: int) -> str:
    """The reference of an order of ours."""
    return order_ref(NAME, 1, number)


def an_entry(number: int = 1, shares: int = 100, limit: float = 501.0, symbol: str = "QQQ") -> Order:
    """A buy at a limit."""
    return Order(
        ref(number),
        NAME,
        symbol,
        Side.BUY,
        shares,
        micros(limit),
        Purpose.ENTRY,
        "",
        "",
        OrderState.CREATED,
        0,
        NOON,
        NOON,
    )


def an_exit(number: int, shares: int = 100, symbol: str = "QQQ") -> Order:
    """A sale at the market."""
    return an_entry(number, shares, 1, symbol)._replace(side=Side.SELL, limit_micros=None, purpose=Purpose.EXIT)


class Ear:
    """A listener that keeps what it is told."""

    def __init__(self) -> None:
        self.epochs: list[int] = []
        self.kept: list[bool] = []
        self.ends: list[str] = []
        self.messages: list[Message] = []

    def begun(self, session: Session) -> None:
        """Keep it."""
        self.epochs.append(session.epoch)
        self.kept.append(session.subscriptions_kept)

    def ended(self, reason: str) -> None:
        """Keep it."""
        self.ends.append(reason)

    def hear(self, message: Message) -> None:
        """Keep it."""
        self.messages.append(message)


class HostClock(SystemClock):
    """The real one, until somebody sets it."""

    ahead = timedelta()

    def now(self) -> datetime:
        """The time that it shows."""
        return super().now() + self.ahead


class Rig:
    """One adapter."""

    def __init__(
        self, gateway: Gateway, timing: Timing, client_id: int, name: str = NAME, account: str = ACCOUNT
    ) -> None:
        self.gateway = gateway
        self.log = Sentences()
        self.events: list[BrokerEvent] = []
        self.clock = HostClock()
        self.connection = Connection(
            Address("127.0.0.1", gateway.port, client_id), account, self.clock, self.log, timing
        )
        self.ear = Ear()
        self.contracts = Contracts(self.connection)
        self.broker = IbkrBroker(self.connection, self.contracts, name, self.events.append, self.log, self.clock)
        self.connection.listeners.append(self.ear)

    @property
    def session(self) -> Session:
        """The session of the moment."""
        assert self.connection.session is not None
        return self.connection.session

    @property
    def client(self) -> Any:
        """The library's client, whose methods have no types."""
        return self.session.client

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait for something to hold."""
        async with asyncio.timeout(4 * PATIENCE_S):
            while not holds():  # noqa: ASYNC110  (what is waited for has no events)
                await asyncio.sleep(0.002)

    async def filled(self, executions: int = 1) -> list[Fill]:
        """Wait for so many executions, and give them as they were told first."""
        await self.until(lambda: len(fills(self)) >= executions)
        return fills(self)

    async def told(self, kind: type[_Event], times: int = 1) -> list[_Event]:
        """Wait for so many events of a kind, and give them."""
        await self.until(lambda: len(self.of(kind)) >= times)
        return self.of(kind)

    def of(self, kind: type[_Event]) -> list[_Event]:
        """The events of a kind so far."""
        return [event for event in self.events if isinstance(event, kind)]

    def kinds(self) -> list[str]:
        """The names of all events so far, in their order, but for the ids that orders were given."""
        return [type(event).__name__ for event in self.events if not isinstance(event, OrderIdentified)]

    async def quiet(self) -> None:
        """Wait until everything that is under way has come: a question and its answer are behind all of it."""
        await self.session.time.ask(self.client.reqCurrentTime, PATIENCE_S)

    async def reconnected(self, epochs: int = 2) -> None:
        """Wait for a new epoch."""
        await self.until(lambda: len(self.ear.epochs) >= epochs and self.connection.is_open)

    def placed(self) -> int:
        """How many orders were really sent."""
        return len([one for one in self.gateway.asked("placeOrder") if not one.flag("whatIf")])


@asynccontextmanager
async def an_adapter(
    gateway: Gateway,
    *,
    timing: Timing = QUICK,
    client_id: int = 7,
    qualified: bool = True,
    name: str = NAME,
    account: str = ACCOUNT,
) -> AsyncIterator[Rig]:
    """An adapter that is connected and runs."""
    rig = Rig(gateway, timing, client_id, name, account)
    await rig.connection.open(PATIENCE_S)
    running = asyncio.create_task(rig.connection.run())
    try:
        if qualified:
            await rig.contracts.qualify(SYMBOLS)
        yield rig
    finally:
        await rig.connection.close()
        running.cancel()


@asynccontextmanager
async def a_desk(*, timing: Timing = QUICK, trading: bool = True) -> AsyncIterator[Rig]:
    """A gateway with a price for QQQ, and an adapter on it."""
    async with Gateway(accounts=(ACCOUNT,), seed=7) as gateway:
        if trading:
            gateway.market.trade("QQQ", 500.10)
        async with an_adapter(gateway, timing=timing) as rig:
            yield rig


def fills(rig: Rig) -> list[Fill]:
    """Every execution that was reported, as it was told first."""
    first: dict[str, Fill] = {}
    for event in rig.of(FillReported):
        first.setdefault(event.fill.execution_id, event.fill)
    return list(first.values())
