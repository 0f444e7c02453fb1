"""The gateway with a market that goes on by itself, and one life of the daemon after the other.

All seconds are virtual ones (see `virtual_time`); nothing of the daemon's own timing is changed.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from builders import Sentences
from gateway import Gateway
from gateway.orders import Order

from proof.host import MortalHost
from proof.virtual_time import LoopClock
from trader.app.daemon import Daemon, a_daemon
from trader.app.settings import Settings, load_settings
from trader.domain.decision import Decision, Signal
from trader.domain.errors import BrokerUnreachable
from trader.domain.events import Command, CommandName
from trader.services.engine import Engine

ACCOUNT = "DU1000001"
OTHER_ACCOUNT = "DU2000002"
NAME = "paper"
PRICES = {"QQQ": "500.00", "TQQQ": "75.00", "PSQ": "40.00", "SQQQ": "30.00", "AAPL": "200.00", "MSFT": "400.00"}

_FAMILIES = "[QQQ]\nQQQ = 1\nTQQQ = 3\nPSQ = -1\nSQQQ = -3\n"
_FIVE = timedelta(seconds=5)
_START_AGAIN_S = 10.0
_PAST = timedelta(minutes=3)
_TICK = Decimal("0.01")


class Rig:
    """What a test has in its hands."""

    def __init__(self, folder: Path, begins_at: datetime, seed: int, settings: dict[str, object]) -> None:
        self.clock = LoopClock(begins_at, asyncio.get_running_loop())
        self.gateway = Gateway(accounts=(ACCOUNT, OTHER_ACCOUNT), seed=seed, clock=self.clock.now)
        self.prices = {symbol: Decimal(price) for symbol, price in PRICES.items()}
        self.log = Sentences()
        self.fired: Counter[str] = Counter()
        """What was done by hand, beside `gateway.faults.fired`."""
        self.dead = 0
        self._folder = folder
        self._given = settings
        self._host: MortalHost | None = None
        self._daemon: Daemon | None = None
        self._life: asyncio.Task[None] | None = None
        self._drawn = dict(self.prices)

    @property
    def settings(self) -> Settings:
        """As a user would write them."""
        families = self._folder / "families.toml"
        families.write_text(_FAMILIES)
        given = {
            "ibkr": {"port": self.gateway.port, "port_is": "paper", "account": ACCOUNT, "connect_s": 5},
            "book": {"db": self.book, "backups": self._folder / "backups"},
            "log": {"file": self._folder / "trader.log"},
            "feed": {"kind": "ibkr", "symbols": ("AAPL", "MSFT")},
            "families": {"file": families},
            "strategy": {"entry": "proof.strategies:Silent"},
        }
        return load_settings(Path("config/ibkr-paper.toml"), **{**given, **self._given})

    @property
    def book(self) -> Path:
        """The file of the book."""
        return self._folder / "book.db"

    @property
    def engine(self) -> Engine:
        """Of the daemon of the moment."""
        assert self._daemon is not None, "no daemon lives"
        return self._daemon.engine

    @property
    def is_alive(self) -> bool:
        """Whether a daemon runs, recovered."""
        return self._daemon is not None and self._life is not None and not self._life.done()

    # time and the market

    async def passes(self, seconds: float) -> None:
        """Time passes, and the market goes on."""
        await asyncio.sleep(seconds)

    async def until(self, is_so: Callable[[], object], within_s: float, every_s: float = 0.5) -> bool:
        """Wait for it; False when it has not come in time."""
        for _ in range(int(within_s / every_s)):
            if is_so():
                return True
            await asyncio.sleep(every_s)
        return bool(is_so())

    async def until_time(self, at: datetime) -> None:
        """Wait for an instant."""
        await asyncio.sleep(max((at - self.clock.now()).total_seconds(), 0))

    def move(self, symbol: str, percent: str) -> None:
        """From its next bar on, its price is another one."""
        price = self.prices[symbol] * (1 + Decimal(percent) / 100)
        self.prices[symbol] = price.quantize(_TICK)

    def draw(self, starts_at: datetime) -> None:
        """Five seconds of every symbol are over."""
        for symbol, price in self.prices.items():
            before, self._drawn[symbol] = self._drawn[symbol], price
            low, high = min(before, price), max(before, price)
            self.gateway.market.bar(symbol, starts_at, before, high, low, price, 100)

    async def _go_on(self) -> None:
        while True:
            starts_at = _on_grid(self.clock.now())
            await self.until_time(starts_at + _FIVE)
            self.draw(starts_at)

    # the daemon

    async def start(self) -> None:
        """Start the daemon; where the gateway cannot be reached, again and again as whoever watches it would."""
        while not self.is_alive:
            ready = asyncio.Event()
            self._host = MortalHost(self.clock, self.log)
            self._life = asyncio.get_running_loop().create_task(self._live(self._host, ready))
            waiting = asyncio.get_running_loop().create_task(ready.wait())
            await asyncio.wait({self._life, waiting}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if self._life.done() and not self._host.is_dead:
                error = self._life.exception()
                if not isinstance(error, BrokerUnreachable):
                    raise AssertionError("the daemon did not start") from error
                await asyncio.sleep(_START_AGAIN_S)

    async def stop(self) -> None:
        """Stop it in order."""
        if self._daemon is not None and self._life is not None:
            self._daemon._stopping.ask("the end of the test")
            await self._life
        self._daemon = None

    def kill(self) -> None:
        """It ends where it is: nothing more is written, and its socket is gone."""
        host, life = self._host, self._life
        if host is None or life is None or host.is_dead:
            return
        host.is_dead = True
        self._daemon = None
        self.dead += 1
        if host.market is not None and (session := host.market._connection._live) is not None:
            session.client.abort()
        life.cancel()

    async def _live(self, host: MortalHost, ready: asyncio.Event) -> None:
        async with a_daemon(self.settings, host) as daemon:
            await daemon.recover()
            if not host.is_dead:
                self._daemon = daemon
                ready.set()
                await daemon.run()

    async def is_buried(self) -> None:
        """Wait until nothing of a dead life runs any more."""
        if self._life is not None and self._host is not None and self._host.is_dead:
            with suppress(asyncio.CancelledError, Exception):
                await self._life

    # what is asked of it

    async def signal(self, symbol: str, probability: float) -> Decision:
        """Hand in a signal; entries wait for nothing here."""
        return await self.engine.submit(Signal(symbol, probability))

    async def flatten(self) -> str:
        """What an operator does in need: no entries, and out of everything."""
        return await self.engine.command(Command(CommandName.FLATTEN, "operator", "the proof"))

    def orders(self, symbol: str) -> list[Order]:
        """The gateway's orders of ours in a symbol."""
        return [order for order in self.gateway.truth.orders if order.order_ref and order.listing.symbol == symbol]


@asynccontextmanager
async def a_rig(folder: Path, begins_at: datetime, seed: int = 1, **settings: object) -> AsyncIterator[Rig]:
    """A gateway with some past, and a market that goes on; no daemon yet."""
    rig = Rig(folder, begins_at, seed, settings)
    async with rig.gateway:
        past_from = begins_at - _PAST
        for number in range(_PAST // _FIVE):
            rig.draw(past_from + number * _FIVE)
        market = asyncio.get_running_loop().create_task(rig._go_on())
        try:
            yield rig
        finally:
            rig.kill()
            await rig.is_buried()
            market.cancel()


def _on_grid(at: datetime) -> datetime:
    """The beginning of the five seconds that an instant lies in."""
    return at - timedelta(seconds=at.second % 5, microseconds=at.microsecond)
