"""The gateway with a market that goes on by itself, and one life of the daemon after the other.

Seconds are the loop's, whichever loop it is (see `virtual_time`, `fast_time`); nothing of the daemon's own timing is
changed.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from gateway import Gateway
from gateway.orders import Order

from proof.book_file import Tripped
from proof.clock import LoopClock
from trader.adapters.control import Answer, Request
from trader.domain.money import MICROS_PER_DOLLAR

ACCOUNT = "DU1000001"
OTHER_ACCOUNT = "DU2000002"
NAME = "paper"
BROKER, DAEMON = "broker", "daemon"
"""Where stops and targets live; the first is what the configurations of Interactive Brokers say."""
PRICES = {"QQQ": "500.00", "TQQQ": "75.00", "PSQ": "40.00", "SQQQ": "30.00", "AAPL": "200.00", "MSFT": "400.00"}

_FAMILIES = "[QQQ]\nQQQ = 1\nTQQQ = 3\nPSQ = -1\nSQQQ = -3\n"
_FIVE = timedelta(seconds=5)
_PAST = timedelta(minutes=3)
_TICK = Decimal("0.01")
_ANSWER_S = 10.0

Given = dict[str, object]
"""Settings, as a user would write them."""
_SHIPPED = {"protection": BROKER}


class Daemon(Protocol):
    """One life after the other, of a task or of a process."""

    dead: int
    """How often it was killed."""
    ended: list[str]
    """How lives have ended that nobody had ended; noted when the next one begins."""

    @property
    def log(self) -> list[str]:
        """What all lives have said."""
        ...

    @property
    def is_alive(self) -> bool:
        """Whether it runs, recovered."""
        ...

    async def start(self, given: Given) -> None:
        """Start it; where the gateway cannot be reached, again and again as whoever watches it would."""
        ...

    async def stop(self) -> None:
        """Stop it in order."""
        ...

    def kill(self) -> None:
        """It ends where it is: nothing more is written, and its socket is gone."""
        ...

    def suspend(self, seconds: float) -> None:
        """It is stopped, as by SIGSTOP or a host that sleeps, and goes on so much later."""
        ...

    async def is_buried(self) -> None:
        """Wait until nothing of a dead life runs any more."""
        ...

    async def ask(self, request: Request) -> Answer | None:
        """Ask it by its door; None when it does not answer."""
        ...


class Rig:
    """What a test has in its hands."""

    def __init__(self, folder: Path, begins_at: datetime, seed: int, daemon: Daemon, given: Given) -> None:
        self.clock = LoopClock(begins_at)
        self.skew = timedelta()
        """What the gateway's clock is ahead of the daemon's."""
        self.gateway = Gateway(accounts=(ACCOUNT, OTHER_ACCOUNT), seed=seed, clock=self._gateways_time)
        self.prices = {symbol: Decimal(price) for symbol, price in PRICES.items()}
        self.fired: Counter[str] = Counter()
        """What was done by hand, beside `gateway.faults.fired`."""
        self.cash_booked_micros = 0
        """What an operator has booked, that came or went by trades of other hands."""
        self.dry: set[str] = set()
        """Symbols of which nothing is traded, whatever the market does."""
        self.seen: list[str] = []
        """What was wrong at a moment, whatever came after it."""
        self.daemon = daemon
        self._folder = folder
        self._given = given
        self._drawn = dict(self.prices)

    @property
    def protects_at_broker(self) -> bool:
        """Whether stops and targets live there."""
        exits = self._given.get("exits", _SHIPPED)
        return isinstance(exits, dict) and exits.get("protection") == BROKER

    @property
    def book(self) -> Path:
        """The file of the book."""
        return self._folder / "book.db"

    # time and the market

    def _gateways_time(self) -> datetime:
        return self.clock.now() + self.skew

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
            self.gateway.market.bar(symbol, starts_at + self.skew, before, high, low, price, 100)

    async def goes_on(self) -> None:
        """The market, for ever."""
        while True:
            starts_at = _on_grid(self.clock.now())
            await self.until_time(starts_at + _FIVE)
            self.draw(starts_at)

    def orders(self, symbol: str) -> list[Order]:
        """The gateway's orders of ours in a symbol, protection apart."""
        ours = [order for order in self.gateway.truth.orders if order.order_ref and order.listing.symbol == symbol]
        return [order for order in ours if not order.oca_group]

    # the daemon

    async def start(self) -> None:
        """Start the daemon, unless it lives."""
        families = self._folder / "families.toml"
        families.write_text(_FAMILIES)
        given: Given = {
            "ibkr": {"port": self.gateway.port, "port_is": "paper", "account": ACCOUNT, "connect_s": 5},
            "book": {"db": str(self.book), "backups": str(self._folder / "backups")},
            "log": {"file": str(self._folder / "trader.log")},
            "feed": {"kind": "ibkr", "symbols": ["AAPL", "MSFT"]},
            "families": {"file": str(families)},
            "strategy": {"entry": "proof.strategies:Silent"},
            "exits": _SHIPPED,
        }
        await self.daemon.start(given | self._given)

    async def status(self) -> Answer | None:
        """What `trader status` would say; None where nobody answers."""
        return await self._ask({"ask": "status"})

    async def signal(self, symbol: str, probability: float) -> Answer | None:
        """Hand in a signal."""
        return await self._ask({"ask": "signal", "symbol": symbol, "probability": probability})

    async def command(self, name: str, symbol: str = "") -> Answer | None:
        """What an operator does: `flatten`, `resume`; of everything, or of one symbol."""
        return await self._order(name, "symbol", symbol)

    async def clear(self, tripped: Tripped) -> Answer | None:
        """Let a breaker count anew."""
        return await self._order("resume", tripped.scope, tripped.target, breaker=tripped.breaker)

    async def _order(self, name: str, scope: str, target: str, **more: str) -> Answer | None:
        about = {"scope": scope, "target": target} if target else {}
        return await self._ask({"ask": name, "operator": "operator", "reason": "the proof", **about, **more})

    @property
    def broker_cash_micros(self) -> int:
        """The account's, as the gateway has it."""
        return int(self.gateway.truth.cash(ACCOUNT) * MICROS_PER_DOLLAR)

    async def book_cash(self, amount_micros: int) -> None:
        """What an operator does who has seen why the broker has another sum."""
        asked = {"ask": "cash", "operator": "operator", "reason": "the proof", "kind": "correction"}
        answer = await self._ask(asked | {"amount_micros": amount_micros})
        if answer is not None and not answer.get("refused"):
            self.cash_booked_micros += amount_micros

    async def _ask(self, request: Request) -> Answer | None:
        if not self.daemon.is_alive:
            return None
        try:
            async with asyncio.timeout(_ANSWER_S):
                return await self.daemon.ask(request)
        except TimeoutError:
            return None


@asynccontextmanager
async def a_rig(
    folder: Path, begins_at: datetime, daemon: Daemon, given: Mapping[str, object], seed: int = 1
) -> AsyncIterator[Rig]:
    """A gateway with some past, and a market that goes on; the daemon is not started yet."""
    rig = Rig(folder, begins_at, seed, daemon, dict(given))
    async with rig.gateway:
        past_from = begins_at - _PAST
        for number in range(_PAST // _FIVE):
            rig.draw(past_from + number * _FIVE)
        market = asyncio.get_running_loop().create_task(rig.goes_on())
        try:
            yield rig
        finally:
            daemon.kill()
            await daemon.is_buried()
            market.cancel()


def _on_grid(at: datetime) -> datetime:
    """The beginning of the five seconds that an instant lies in."""
    return at - timedelta(seconds=at.second % 5, microseconds=at.microsecond)
