"""How long a start takes until entries may be taken, by the history in the book; what is open stays the same.

A start reads what is open and the newest days: 500 positions, and ten days of a thousand trades. History before that
must not count.
"""

import argparse
import asyncio
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from figures import SCRATCH, Figure, show
from rig import Desk, NoStrategy, Silence

from trader.adapters.calendar import load_calendar
from trader.adapters.clock import SteppedClock
from trader.adapters.sqlite.database import ThreadWriter, connect
from trader.adapters.sqlite.one_account import AccountWriter
from trader.adapters.sqlite.queries import QUERIES
from trader.adapters.sqlite.rows import from_us, to_us
from trader.adapters.sqlite.store import SqliteStore
from trader.adapters.sqlite.transaction import GENESIS, Head, link
from trader.app.replay import NoSpill
from trader.domain.events import Evidence, JournalEntry, JournalType
from trader.domain.family import Families
from trader.domain.rules import Costs, Rules
from trader.pipeline.decide import Chain
from trader.services.engine import Engine, Ports
from trader.services.inbox import Inbox
from trader.services.recovery import recover
from trader.services.strategy_host import StrategyHost

_SIZES = (10_000, 100_000, 1_000_000)
_OPEN, _A_DAY, _ROUNDS = 500, 1_000, 5
_NOW = datetime(2025, 6, 24, 16, 0, tzinfo=UTC)
_ACCOUNT = "bench"
_SEAL = JournalType.RUN_STOPPED
_SHARES, _PRICE, _CASH = 10, 100_000_000, 10**15

Row = tuple[object, ...]


def _make_book(path: Path, trades: int) -> None:
    """So many trades, a thousand a day, the newest an hour ago, and 500 positions open."""
    now_us = to_us(_NOW)
    with closing(connect(path)) as book:
        book.execute("PRAGMA synchronous = OFF")
        book.execute("BEGIN")
        book.execute(QUERIES["insert_stamp"], ("simulated", "bench", 1, 1, 0))
        book.execute(QUERIES["insert_account"], (_ACCOUNT, _CASH, _CASH, 0, 0))
        book.execute(QUERIES["insert_day"], (_ACCOUNT, "2025-06-24", now_us - 3_600_000_000, _CASH))
        for name, rows in _history(trades, now_us).items():
            book.executemany(QUERIES[name], rows)
        book.execute(QUERIES["count_events"], (trades, _ACCOUNT))
        book.executemany(QUERIES["put_position"], [_position(number, now_us) for number in range(_OPEN)])
        book.execute("COMMIT")


def _history(trades: int, now_us: int) -> dict[str, list[Row]]:
    orders: list[Row] = []
    fills: list[Row] = []
    lots: list[Row] = []
    events: list[Row] = []
    signals: list[Row] = []
    head = Head(0, GENESIS)
    for number, at_us in enumerate(_times(trades, now_us), 1):
        is_open = number > trades - _OPEN
        side, purpose = ("BUY", "entry") if number % 2 or is_open else ("SELL", "exit")
        symbol, ref, execution = f"S{number % _OPEN:03d}", f"bench-1-{number:07d}", f"X{number}"
        order = (ref, _ACCOUNT, symbol, side, _SHARES, _SHARES, _PRICE, "filled", purpose, "signal", "")
        orders.append((*order, at_us, at_us, None, "", None))
        fills.append((_ACCOUNT, execution, ref, symbol, side, _SHARES, _PRICE, 0, 0, purpose, "signal", at_us, at_us))
        lots.append((_ACCOUNT, execution, symbol, at_us, _SHARES * is_open, _SHARES * _PRICE * is_open))
        head = _next_link(head, number > trades - _A_DAY, symbol, at_us)
        type_ = _SEAL if number == trades - _A_DAY else JournalType.ORDER_STATE
        events.append((_ACCOUNT, number, type_, symbol, at_us, "{}", head.hash))
        signals.append(
            (_ACCOUNT, f"S-{number:07d}", symbol, 0.9, at_us, at_us, "bench", "ordered", *[None] * 4, "", ref, 1)
        )
    return {
        "insert_order": orders,
        "insert_fill": fills,
        "put_lot": lots,
        "insert_event": events,
        "put_signal": signals,
    }


def _next_link(head: Head, is_chained: bool, symbol: str, at_us: int) -> Head:
    """The chain of the newest day, which a start verifies; what lies before its seal it does not look at."""
    if is_chained:
        return link(head, _ACCOUNT, JournalEntry(JournalType.ORDER_STATE, from_us(at_us), symbol, {}), "{}")
    return Head(head.seq + 1, GENESIS)


def _position(number: int, now_us: int) -> Row:
    symbol, cost = f"S{number:03d}", _SHARES * _PRICE
    levels, times = (_PRICE, _PRICE // 2, _PRICE // 2, _PRICE * 2), (now_us, now_us)
    return (_ACCOUNT, symbol, symbol, 1, _SHARES, cost, *levels, "open", None, "", *times, _SHARES, cost, 0, 0)


def _times(trades: int, now_us: int) -> Iterator[int]:
    step_us = 86_400_000_000 // _A_DAY
    first_us = now_us - 3_600_000_000 - trades * step_us
    return (first_us + number * step_us for number in range(trades))


class _Holding(Desk):
    """A broker that holds what the book holds."""

    async def evidence(self, order_refs: object) -> Evidence:
        """All of it."""
        return Evidence((), frozenset(), {}, {f"S{number:03d}": _SHARES for number in range(_OPEN)})


async def _start(path: Path) -> float:
    begin = time.perf_counter()
    store = SqliteStore(await AccountWriter.bind(await ThreadWriter.open(path), _ACCOUNT), path)
    silence, broker, rules = Silence(), _Holding(), Rules()
    clock = SteppedClock(_NOW)
    await store.check_newest_events()
    ports = Ports(store=store, broker=broker, clock=clock, log=silence, recorder=silence, spill=NoSpill())
    engine = Engine(
        await store.load(),
        await store.history(_NOW - timedelta(days=10)),
        ports,
        Chain(Families.of({}), rules, Costs()),
        load_calendar(),
        StrategyHost(NoStrategy(), "none", rules),
        Inbox(),
        timedelta(minutes=1),
    )
    await recover(engine, broker, silence)
    taken = time.perf_counter() - begin
    await store.close()
    if len(engine.book.positions) != _OPEN or engine.book.halts:
        raise SystemExit("the benchmark's book was not recovered")
    return taken


def measure(sizes: Sequence[int] = _SIZES) -> list[Figure]:
    """The same start on books of so many trades, in turn."""
    SCRATCH.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="startup-", dir=SCRATCH))
    times: dict[int, list[float]] = {size: [] for size in sizes}
    try:
        for size in sizes:
            _make_book(folder / f"{size}.db", size)
        for _ in range(_ROUNDS):
            for size, taken in times.items():
                taken.append(asyncio.run(_start(folder / f"{size}.db")))
    finally:
        shutil.rmtree(folder)
    figures = [
        Figure(name=f"start, {size:,} trades and {_OPEN} positions", measured=median(taken) * 1e3, unit="ms")
        for size, taken in times.items()
    ]
    ratio = median(large / small for large, small in zip(times[sizes[-1]], times[sizes[0]], strict=True))
    return [*figures, Figure(name="  largest beside smallest", measured=ratio, at_most=2)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure how long a start takes, by the history in the book.")
    parser.add_argument("--trades", type=int, nargs="+", default=_SIZES, help="of each book, the smallest first")
    show(measure(parser.parse_args().trades))
