"""A feed on the gateway, by a clock that the test moves."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from builders import Sentences
from gateway import Gateway
from gateway.messages import Message

from trader.adapters.calendar import load_calendar
from trader.adapters.clock import SteppedClock
from trader.adapters.ibkr.connection import Address, Connection
from trader.adapters.ibkr.contracts import Contracts
from trader.adapters.ibkr.market_data import IbkrFeed
from trader.adapters.ibkr.timing import Timing
from trader.domain.market import BarTime

CALENDAR = load_calendar()
OPEN = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
FIVE = 5 * SECOND
UNQUALIFIED = "SPY.U"
"""A symbol that nobody has looked up."""
QUICK = Timing(connect_s=3, request_s=3, back_off_s=(0.05,))
_PATIENCE_S = 20.0
_TURNS_ON_THE_WAY = 10
"""Of the loop, which gateway and feed share: more than a message takes from the one to the other."""


class Feeding:
    """What a test sees of a feed, and what it does to the market."""

    def __init__(self, symbols: Iterable[str], clock: SteppedClock, gateway: Gateway, connection: Connection) -> None:
        self.symbols = tuple(symbols)
        self.clock = clock
        self.gateway = gateway
        self.connection = connection
        self.log = Sentences()
        self.contracts = Contracts(connection)
        self.feed = IbkrFeed(connection, self.contracts, self.symbols, CALENDAR, clock, self.log)
        self.published: list[BarTime] = []
        self.openings: list[BarTime] = []
        self.stop = asyncio.Event()

    async def publish(self, bar_time: BarTime) -> None:
        """Keep what is published."""
        self.published.append(bar_time)

    @property
    def ends(self) -> list[int]:
        """Minutes after the open at which the published bar times ended."""
        return [(bar_time.ends_at - OPEN) // MINUTE for bar_time in self.published]

    def five_seconds(self, seconds: int, symbol: str, price: str = "500.00", volume: int = 10) -> None:
        """Five seconds that start so long after the open are traded, and are over."""
        at, exact = OPEN + seconds * SECOND, Decimal(price)
        self.clock.set(max(self.clock.now(), at + FIVE))
        self.gateway.market.bar(symbol, at, exact, exact + Decimal("0.03"), exact - Decimal("0.02"), exact, volume)

    async def minute(self, number: int, without: Iterable[int] = (), symbols: Iterable[str] = ()) -> None:
        """A minute of all symbols, the first is 0; some five seconds of it (0 to 11) may be left out.

        The clock does not run ahead of what is on its way to the feed.
        """
        for n in range(12):
            if n not in set(without):
                for symbol in symbols or self.symbols:
                    self.five_seconds(number * 60 + 5 * n, symbol, f"{500 + number}.{n:02}")
                for _ in range(_TURNS_ON_THE_WAY):
                    await asyncio.sleep(0)

    def say(self, message: Message) -> None:
        """Have the gateway say something that it would not say by itself."""
        self.gateway._front.tell_all(message)

    def asked(self, name: str) -> int:
        """How many requests of a kind have arrived."""
        return len(self.gateway.asked(name))

    async def until(self, fact: Callable[[], object]) -> None:
        """Wait for a fact."""
        async with asyncio.timeout(_PATIENCE_S):
            while not fact():  # noqa: ASYNC110  (a fact of another's)
                await asyncio.sleep(0.01)

    async def subscribed(self, times: int = 1) -> None:
        """Wait until every symbol was subscribed so often."""
        qualified = len(set(self.symbols) - {UNQUALIFIED})
        await self.until(lambda: self.asked("reqRealTimeBars") >= times * qualified)

    async def settled(self) -> None:
        """Give the feed time for whatever it would do now."""
        await asyncio.sleep(0.4)


@asynccontextmanager
async def connected(*symbols: str) -> AsyncIterator[Feeding]:
    """A feed that does not run yet, at the open of a session."""
    clock = SteppedClock(OPEN)
    async with Gateway(clock=clock.now) as gateway:
        connection = Connection(Address("127.0.0.1", gateway.port, 7), "DU1000001", clock, Sentences(), QUICK)
        await connection.open(3)
        watching = asyncio.create_task(connection.run())
        try:
            feeding = Feeding(symbols, clock, gateway, connection)
            await feeding.contracts.qualify([symbol for symbol in symbols if symbol != UNQUALIFIED])
            yield feeding
        finally:
            await connection.close()
            watching.cancel()


@asynccontextmanager
async def running(*symbols: str, held: Collection[str] = ()) -> AsyncIterator[Feeding]:
    """A feed that runs, with everything subscribed."""
    async with connected(*symbols) as feeding, asyncio.TaskGroup() as group:
        group.create_task(feeding.feed.run(feeding.publish, feeding.stop, feeding.openings.append, lambda: held))
        try:
            await feeding.subscribed()
            yield feeding
        finally:
            feeding.stop.set()
