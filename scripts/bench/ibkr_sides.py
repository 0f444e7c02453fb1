"""Who is measured by `ibkr.py`: our engine, book and adapter, and a bare ib_insync script."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from ib_insync import IB, Contract, LimitOrder, MarketOrder, Stock, Trade
from ib_insync import Fill as IbFill
from ib_insync import Order as IbOrder
from rig import ACCOUNT, MINUTE, NOON, Silence, an_engine

from trader.adapters.clock import SteppedClock
from trader.adapters.ibkr.connection import Address, Connection
from trader.adapters.ibkr.contracts import Contracts
from trader.adapters.ibkr.orders import IbkrBroker
from trader.adapters.sqlite.database import ThreadWriter
from trader.adapters.sqlite.one_account import AccountWriter
from trader.adapters.sqlite.store import SqliteStore
from trader.domain.decision import Outcome, Signal
from trader.domain.market import Bar, BarTime
from trader.services.engine import Engine
from trader.services.inbox import Inbox
from trader.services.ports import Commit, Receipt
from trader.services.recovery import recover

SYMBOLS = tuple(f"S{chr(65 + number // 26)}{chr(65 + number % 26)}" for number in range(30))
OURS, BARE = "DU1000001", "DU1000002"
"""Their accounts at the gateway."""

_SHARES, _LIMIT = 2487, 100.5
"""What the engine makes of its cash and its limits: the script asks for the same."""
_PATIENCE_S = 5.0
_HOST = "127.0.0.1"


class Side(Protocol):
    """Who is measured."""

    async def buy(self, symbol: str) -> None:
        """Place an entry."""
        ...

    async def sell(self, symbol: str) -> None:
        """Place an exit."""
        ...

    async def booked_ns(self) -> int:
        """When the last execution had been dealt with."""
        ...


class Ending:
    """A moment that is waited for."""

    def __init__(self) -> None:
        self._at: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def note(self) -> None:
        """It is now."""
        if not self._at.done():
            self._at.set_result(time.monotonic_ns())

    async def take_ns(self) -> int:
        """When it was; then it is waited for anew."""
        at_ns = await asyncio.wait_for(self._at, _PATIENCE_S)
        self._at = asyncio.get_running_loop().create_future()
        return at_ns


class TimedStore(SqliteStore):
    """The daemon's store; says when an execution is durable."""

    fills: Ending

    async def commit(self, commit: Commit) -> Receipt:
        """Write one transaction."""
        receipt = await super().commit(commit)
        if commit.bookings:
            self.fills.note()
        return receipt


class Ours:
    """The daemon's engine, book and adapter."""

    def __init__(self, engine: Engine, store: TimedStore, clock: SteppedClock) -> None:
        self._engine = engine
        self._store = store
        self._clock = clock

    async def next_minute(self) -> None:
        """A bar for each symbol, a minute later."""
        now = self._clock.now() + MINUTE
        self._clock.set(now)
        bars = tuple(Bar.in_dollars(symbol, now - MINUTE, 100, 101, 99, 100, 1000) for symbol in SYMBOLS)
        await self._engine.deliver(BarTime(now, MINUTE, bars))

    async def buy(self, symbol: str) -> None:
        """By a signal that asks for the symbol."""
        await self._signal(symbol, 0.95)

    async def sell(self, symbol: str) -> None:
        """By one that does not."""
        await self._signal(symbol, 0.5)

    async def booked_ns(self) -> int:
        """When its transaction had returned."""
        return await self._store.fills.take_ns()

    async def _signal(self, symbol: str, probability: float) -> None:
        decision = await self._engine.submit(Signal(symbol, probability))
        if decision.outcome not in (Outcome.ORDERED, Outcome.CLOSING):
            raise SystemExit(f"the benchmark's signal was not ordered: {decision}")


@asynccontextmanager
async def ours(port: int, folder: Path) -> AsyncIterator[Ours]:
    """Put it together as the daemon does, and run it."""
    clock, silence, inbox = SteppedClock(NOON), Silence(), Inbox()
    connection = Connection(Address(_HOST, port, 1), OURS, clock, silence)
    contracts = Contracts(connection)
    broker = IbkrBroker(connection, contracts, ACCOUNT, inbox.post, silence, clock)
    await connection.open(_PATIENCE_S)
    await contracts.qualify(SYMBOLS)
    writer = await ThreadWriter.open(folder / "book.db")
    store = TimedStore(await AccountWriter.bind(writer, ACCOUNT), folder / "book.db")
    store.fills = Ending()
    engine = await an_engine(store, broker, clock, inbox)
    await recover(engine, broker, silence)
    running = asyncio.create_task(engine.run())
    try:
        yield Ours(engine, store, clock)
    finally:
        engine.stop()
        await running
        await connection.close()
        await writer.close()


class Bare:
    """A script as one writes it in an afternoon."""

    def __init__(self, ib: IB, contracts: dict[str, Contract]) -> None:
        self._ib = ib
        self._contracts = contracts
        self._booked = Ending()
        ib.execDetailsEvent += self._executed

    async def buy(self, symbol: str) -> None:
        """At the limit that ours has."""
        self._place(symbol, LimitOrder("BUY", _SHARES, _LIMIT, account=BARE, tif="DAY"))

    async def sell(self, symbol: str) -> None:
        """At the market, as ours."""
        self._place(symbol, MarketOrder("SELL", _SHARES, account=BARE, tif="DAY"))

    async def booked_ns(self) -> int:
        """When its handler ran."""
        return await self._booked.take_ns()

    def _place(self, symbol: str, order: IbOrder) -> None:
        self._ib.placeOrder(self._contracts[symbol], order)

    def _executed(self, _trade: Trade, _fill: IbFill) -> None:
        self._booked.note()


@asynccontextmanager
async def bare(port: int) -> AsyncIterator[Bare]:
    """Connect it."""
    ib = IB()
    await ib.connectAsync(_HOST, port, clientId=2)
    contracts = await ib.qualifyContractsAsync(*(Stock(symbol, "SMART", "USD") for symbol in SYMBOLS))
    try:
        yield Bare(ib, {contract.symbol: contract for contract in contracts})
    finally:
        ib.disconnect()
