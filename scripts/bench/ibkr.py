"""What safety costs at Interactive Brokers: our engine and adapter beside a bare ib_insync script with the same orders.

Both are connected, under accounts of their own, to one gateway on a real socket in a process of its own. Each order is
placed and filled by the one and then by the other, so that both see the same machine.

    signal to bytes            signal handed in, or placeOrder called, until the order's bytes are at the other end
    execution to committed     its bytes leave the gateway until it is durable in our book, or the script's handler runs

What a durable transaction of one row takes is measured in turn with them: it is the disk's part, twice a round trip of
an order, and nothing in a program can make it shorter.
"""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from figures import SCRATCH, Figure, show
from ibkr_sides import BARE, OURS, SYMBOLS, Side, bare, ours
from rig import NOON, median, quantile

from trader.adapters.sqlite.database import connect
from trader.app.garbage import collect_seldom

_ROUNDS = 8
"""In each of them every symbol is bought and then sold."""
_SETTLED_S = 0.02
_SECOND_S = 1.0
"""Both ways out let 45 messages pass in a second; the questions of the start fill the first."""


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
    asked = {"accounts": [OURS, BARE], "symbols": SYMBOLS, "now": NOON.isoformat()}
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


async def _measure(folder: Path, rounds: int) -> tuple[Times, Times, list[float]]:
    of_ours, of_bare, of_disk = Times(), Times(), []
    disk = Disk(folder)
    async with a_gateway() as gateway, ours(gateway.port, folder) as we, bare(gateway.port) as script:
        collect_seldom()
        await asyncio.sleep(_SECOND_S)
        for _ in range(rounds):
            await we.next_minute()
            for is_buy in (True, False):
                for symbol in SYMBOLS:
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


def measure(rounds: int = _ROUNDS) -> list[Figure]:
    """All of it."""
    SCRATCH.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="ibkr-", dir=SCRATCH))
    try:
        of_ours, of_bare, of_disk = asyncio.run(_measure(folder, rounds))
    finally:
        shutil.rmtree(folder)
    return [
        *_lines("IB: signal to bytes at the other end", of_ours.placed, of_bare.placed),
        *_lines("IB: execution received to committed", of_ours.booked, of_bare.booked),
        _milliseconds("  bare transaction of one row, durable", of_disk),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure what safety costs at Interactive Brokers.")
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    show(measure(parser.parse_args().rounds))
