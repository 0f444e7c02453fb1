"""What safety costs at Interactive Brokers: our engine and adapter beside a bare ib_insync script with the same orders.

Both are connected, under accounts of their own, to one gateway on a real socket in a process of its own. Each order is
placed and filled by the one and then by the other, so that both see the same machine.

    signal to bytes            signal handed in, or placeOrder called, until the order's bytes are at the other end
    execution to committed     its bytes leave the gateway until it is durable in our book, or the script's handler runs

What a durable transaction of one row takes is measured in turn with them: it is the disk's part, twice a round trip of
an order, and nothing in a program can make it shorter.
"""

import asyncio
import gc
import json
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from figures import SCRATCH, Figure, show
from ib_insync import IB, Contract, LimitOrder, MarketOrder, Stock, Trade
from ib_insync import Fill as IbFill
from ib_insync import Order as IbOrder
from rig import ACCOUNT, MINUTE, NOON, Silence, an_engine, median, quantile

from trader.adapters.clock import SteppedClock
from trader.adapters.ibkr.connection import Address, Connection
from trader.adapters.ibkr.contracts import Contracts
from trader.adapters.ibkr.orders import IbkrBroker
from trader.adapters.sqlite.database import ThreadWriter, connect
from trader.adapters.sqlite.store import SqliteStore
from trader.domain.decision import Outcome, Signal
from trader.domain.market import Bar, BarTime
from trader.services.engine import Engine
from trader.services.inbox import Inbox
from trader.services.ports import Commit, Receipt
from trader.services.recovery import recover

_ROUNDS = 8
_SYMBOLS = tuple(f"S{chr(65 + number // 26)}{chr(65 + number % 26)}" for number in range(30))
"""Each is bought and then sold in every round."""
_SHARES, _LIMIT = 2487, 100.5
_OURS, _BARE = "DU1000001", "DU1000002"
_SETTLED_S = 0.02
_PATIENCE_S = 5.0
_SECOND_S = 1.0
"""Both ways out let 45 messages pass in a second; the questions of the start fill the first."""
_HOST = "127.0.0.1"


class Gateway:
    """The process at the other end."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process = process
        self.port = port

    async def fill(self) -> tuple[int, int]:
        """Have the one working order filled; give when its bytes came, and when those of its execution left, ns."""
        came_ns, left_ns = await self._say(b"fill\n")
        if not came_ns or not left_ns:
            raise SystemExit("the benchmark's order did not reach the gateway, or was not filled")
        return came_ns, left_ns

    async def _say(self, line: bytes) -> tuple[int, int]:
        assert self._process.stdin is not None  # noqa: S101  (told to the type checker)
        assert self._process.stdout is not None  # noqa: S101
        self._process.stdin.write(line)
        came_ns, left_ns = json.loads(await self._process.stdout.readline())
        return came_ns, left_ns


@asynccontextmanager
async def a_gateway() -> AsyncIterator[Gateway]:
    """Start it; it ends with its pipe."""
    asked = {"accounts": [_OURS, _BARE], "symbols": _SYMBOLS, "now": NOON.isoformat()}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("ibkr_gateway.py")),
        json.dumps(asked),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None  # noqa: S101  (told to the type checker)
    assert process.stdout is not None  # noqa: S101
    try:
        yield Gateway(process, int(await process.stdout.readline()))
    finally:
        process.stdin.close()
        await process.wait()


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

    booked: Ending

    async def commit(self, commit: Commit) -> Receipt:
        """Write one transaction."""
        receipt = await super().commit(commit)
        if commit.bookings:
            self.booked.note()
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
        bars = tuple(Bar.in_dollars(symbol, now - MINUTE, 100, 101, 99, 100, 1000) for symbol in _SYMBOLS)
        await self._engine.deliver(BarTime(now, MINUTE, bars))

    async def buy(self, symbol: str) -> None:
        """By a signal that asks for the symbol."""
        await self._signal(symbol, 0.95)

    async def sell(self, symbol: str) -> None:
        """By one that does not."""
        await self._signal(symbol, 0.5)

    async def booked_ns(self) -> int:
        """When its transaction had returned."""
        return await self._store.booked.take_ns()

    async def _signal(self, symbol: str, probability: float) -> None:
        decision = await self._engine.submit(Signal(symbol, probability))
        if decision.outcome not in (Outcome.ORDERED, Outcome.CLOSING):
            raise SystemExit(f"the benchmark's signal was not ordered: {decision}")


@asynccontextmanager
async def ours(gateway: Gateway, folder: Path) -> AsyncIterator[Ours]:
    """Put it together as the daemon does, and run it."""
    clock, silence, inbox = SteppedClock(NOON), Silence(), Inbox()
    connection = Connection(Address(_HOST, gateway.port, 1), _OURS, clock, silence)
    contracts = Contracts(connection)
    broker = IbkrBroker(connection, contracts, ACCOUNT, inbox.post, silence, clock)
    await connection.open(_PATIENCE_S)
    await contracts.qualify(_SYMBOLS)
    writer = await ThreadWriter.open(folder / "book.db")
    store = TimedStore(writer, folder / "book.db")
    store.booked = Ending()
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
        self._place(symbol, LimitOrder("BUY", _SHARES, _LIMIT, account=_BARE, tif="DAY"))

    async def sell(self, symbol: str) -> None:
        """At the market, as ours."""
        self._place(symbol, MarketOrder("SELL", _SHARES, account=_BARE, tif="DAY"))

    async def booked_ns(self) -> int:
        """When its handler ran."""
        return await self._booked.take_ns()

    def _place(self, symbol: str, order: IbOrder) -> None:
        self._ib.placeOrder(self._contracts[symbol], order)

    def _executed(self, _trade: Trade, _fill: IbFill) -> None:
        self._booked.note()


@asynccontextmanager
async def bare(gateway: Gateway) -> AsyncIterator[Bare]:
    """Connect it."""
    ib = IB()
    await ib.connectAsync(_HOST, gateway.port, clientId=2)
    contracts = await ib.qualifyContractsAsync(*(Stock(symbol, "SMART", "USD") for symbol in _SYMBOLS))
    try:
        yield Bare(ib, {contract.symbol: contract for contract in contracts})
    finally:
        ib.disconnect()


class Disk:
    """A durable transaction of one row, as short as there is one."""

    def __init__(self, folder: Path) -> None:
        self._connection = connect(folder / "disk.db")
        self._connection.execute("CREATE TABLE bench (number INTEGER)")

    def write(self) -> float:
        """Write it; give the seconds it took."""
        begin = time.perf_counter()
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute("INSERT INTO bench VALUES (1)")
        self._connection.execute("COMMIT")
        return time.perf_counter() - begin

    def close(self) -> None:
        """Close it."""
        self._connection.close()


@dataclass(slots=True)
class Times:
    """Seconds."""

    placed: list[float] = field(default_factory=list)
    booked: list[float] = field(default_factory=list)

    async def take(self, gateway: Gateway, side: Side, symbol: str, *, is_buy: bool) -> None:
        """One order and its fill."""
        begin_ns = time.monotonic_ns()
        await (side.buy(symbol) if is_buy else side.sell(symbol))
        await asyncio.sleep(_SETTLED_S)
        came_ns, left_ns = await gateway.fill()
        self.placed.append((came_ns - begin_ns) / 1e9)
        self.booked.append((await side.booked_ns() - left_ns) / 1e9)


async def _measure(folder: Path) -> tuple[Times, Times, list[float]]:
    of_ours, of_bare, of_disk = Times(), Times(), []
    disk = Disk(folder)
    async with a_gateway() as gateway, ours(gateway, folder) as we, bare(gateway) as script:
        gc.freeze()
        await asyncio.sleep(_SECOND_S)
        for _ in range(_ROUNDS):
            await we.next_minute()
            for is_buy in (True, False):
                for symbol in _SYMBOLS:
                    await of_ours.take(gateway, we, symbol, is_buy=is_buy)
                    await of_bare.take(gateway, script, symbol, is_buy=is_buy)
                    of_disk.append(disk.write())
    disk.close()
    return of_ours, of_bare, of_disk


def _lines(name: str, we: list[float], script: list[float]) -> list[Figure]:
    return [
        _milliseconds(name, we),
        _milliseconds("  bare ib_insync, no safety", script),
        Figure(name="  more, at p50", measured=(median(we) - median(script)) * 1e3, unit="ms", at_most=1),
    ]


def _milliseconds(name: str, values: list[float]) -> Figure:
    note = f"p99 {quantile(values, 0.99) * 1e3:.2f} ms"
    return Figure(name=name, measured=median(values) * 1e3, unit="ms", note=note)


def measure() -> list[Figure]:
    """All of it."""
    SCRATCH.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="ibkr-", dir=SCRATCH))
    try:
        of_ours, of_bare, of_disk = asyncio.run(_measure(folder))
    finally:
        shutil.rmtree(folder)
    return [
        *_lines("IB: signal to bytes at the other end", of_ours.placed, of_bare.placed),
        *_lines("IB: execution received to committed", of_ours.booked, of_bare.booked),
        _milliseconds("  bare transaction of one row, durable", of_disk),
    ]


if __name__ == "__main__":
    show(measure())
