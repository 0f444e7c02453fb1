"""A burst: ten thousand signals at once for one symbol, and one signal each for two thousand symbols.

The daemon's own parts (writer thread, inputs recorded and flushed each second, log file, paper broker) on a running
loop. Every signal is handed in by a task of its own, all let go at one instant. Settled means: every signal is
answered, every order placed, filled at the next bar, and the fill durable. All the while a probe asks every millisecond
how late the loop is.
"""

import argparse
import asyncio
import cProfile
import pstats
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack, chdir, closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from figures import SCRATCH, Figure, show

from trader.adapters.clock import SteppedClock
from trader.adapters.logs import LoguruLog, close_log, open_log
from trader.adapters.paper.broker import PaperBroker
from trader.adapters.sqlite.database import ThreadWriter
from trader.adapters.sqlite.recorder import SqliteRecorder
from trader.app.garbage import collect_seldom
from trader.app.replay import NoSpill
from trader.app.settings import load_settings
from trader.app.wiring import Machine, make_machine, make_parts, open_book
from trader.domain.decision import Decision, Outcome, Signal
from trader.domain.market import Bar, BarTime
from trader.services.recovery import recover

_CONFIG = Path(__file__).with_name("bench.toml")
_NOON = datetime(2025, 2, 10, 17, 0, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)
_PROBE_S = 0.001
_FLUSH_S = 1.0
_QUIET = {"entry": "ema_cross:Hold", "params": {"positions": 0}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """How one burst went. Seconds."""

    decided_s: float
    settled_s: float
    blocked_s: float
    """The longest time in which the loop did nothing else."""
    busy_s: float
    """The most processor time its thread spent without a look around; the rest of `blocked_s` is the machine's load."""
    outcomes: Counter[Outcome]
    orders: int
    fills: int


class Probe:
    """Measures how late the loop comes round."""

    def __init__(self) -> None:
        self.blocked_s = self.busy_s = 0.0

    async def run(self) -> None:
        """Ask for ever."""
        while True:
            asked_at, used = time.perf_counter(), time.thread_time()
            await asyncio.sleep(_PROBE_S)
            self.blocked_s = max(self.blocked_s, time.perf_counter() - asked_at - _PROBE_S)
            self.busy_s = max(self.busy_s, time.thread_time() - used)


async def _flush(recorder: SqliteRecorder) -> None:
    while True:
        await asyncio.sleep(_FLUSH_S)
        await recorder.flush()


def _bar_time(symbols: Sequence[str], ends_at: datetime) -> BarTime:
    bars = tuple(Bar.in_dollars(symbol, ends_at - _MINUTE, 100, 100.1, 99.9, 100, 1000) for symbol in symbols)
    return BarTime(ends_at, _MINUTE, bars)


async def burst(signals: Sequence[Signal], folder: Path) -> Burst:
    """Hand in signals on a running machine, each by a task of its own, and see it through."""
    symbols = sorted({signal.symbol for signal in signals})
    settings = load_settings(_CONFIG, strategy=_QUIET)
    clock = SteppedClock(_NOON)
    open_log(folder / "burst.log", settings.account.name, "INFO", "50 MB", "1 day", on_terminal=False)
    async with AsyncExitStack() as stack:
        stack.callback(close_log)
        writer = await ThreadWriter.open(folder / "book.db")
        book = await open_book(
            writer, folder / "book.db", settings, "simulated", settings.account.starting_cash_micros, _NOON
        )
        stack.push_async_callback(book.store.close)
        recorder = SqliteRecorder(book.writer)
        parts, log = make_parts(settings), LoguruLog(clock)
        machine = await make_machine(parts, book, clock, log, recorder, NoSpill(), PaperBroker)
        await recover(machine.engine, machine.broker, log)
        running = asyncio.create_task(machine.engine.run())
        flushing = asyncio.create_task(_flush(recorder))
        seen, decisions = await _see_through(machine, clock, signals, symbols)
        machine.engine.stop()
        await running
        flushing.cancel()
        await recorder.flush()
    with closing(sqlite3.connect(folder / "book.db")) as rows:
        orders = rows.execute("SELECT count(*) FROM book_orders").fetchone()[0]
        fills = rows.execute("SELECT count(*) FROM book_fills").fetchone()[0]
    outcomes = Counter(decision.outcome for decision in decisions)
    return Burst(**seen, outcomes=outcomes, orders=orders, fills=fills)


async def _see_through(
    machine: Machine[PaperBroker], clock: SteppedClock, signals: Sequence[Signal], symbols: Sequence[str]
) -> tuple[dict[str, float], list[Decision]]:
    engine, gate, probe = machine.engine, asyncio.Event(), Probe()

    async def submit(signal: Signal) -> Decision:
        await gate.wait()
        return await engine.submit(signal)

    await engine.deliver(_bar_time(symbols, _NOON))
    following = _bar_time(symbols, _NOON + _MINUTE)
    tasks = [asyncio.create_task(submit(signal)) for signal in signals]
    probing = asyncio.create_task(probe.run())
    await asyncio.sleep(0.05)
    probe.blocked_s = probe.busy_s = 0.0

    began = time.perf_counter()
    gate.set()
    decisions = await asyncio.gather(*tasks)
    decided_s = time.perf_counter() - began
    machine.broker.match(following)
    clock.set(following.ends_at)
    await engine.deliver(following)
    settled_s = time.perf_counter() - began

    await asyncio.sleep(_FLUSH_S)  # the recorder writes what it has, and must not block either
    probing.cancel()
    with suppress(asyncio.CancelledError):
        await probing
    seen = {"decided_s": decided_s, "settled_s": settled_s, "blocked_s": probe.blocked_s, "busy_s": probe.busy_s}
    return seen, decisions


def _once(signals: Sequence[Signal], orders: int) -> Burst:
    with tempfile.TemporaryDirectory(prefix="burst-", dir=SCRATCH) as folder, chdir(folder):
        collect_seldom()  # as the daemon does before its loop runs
        done = asyncio.run(burst(signals, Path(folder)))
    if (done.orders, done.fills, done.outcomes[Outcome.ORDERED]) != (orders, orders, orders):
        raise SystemExit(f"the burst should have led to {orders} orders and fills: {done}")
    return done


def one_symbol() -> Burst:
    """Ten thousand signals for one symbol: one order."""
    return _once([Signal("S0000", 0.95)] * 10_000, 1)


def many_symbols() -> Burst:
    """One signal each for two thousand symbols: two thousand orders."""
    return _once([Signal(f"S{index:04d}", 0.95) for index in range(2_000)], 2_000)


def measure(rounds: int = 5) -> list[Figure]:
    """Both bursts, in turn."""
    SCRATCH.mkdir(exist_ok=True)
    figures = []
    for name, run in (("10,000 signals, one symbol", one_symbol), ("2,000 symbols, one signal each", many_symbols)):
        done = [run() for _ in range(rounds)]
        settled = median([burst.settled_s for burst in done])
        blocked = median([burst.blocked_s for burst in done]) * 1000
        busy = median([burst.busy_s for burst in done]) * 1000
        decided = median([burst.decided_s for burst in done])
        note = f"processor time {busy:.0f} ms"
        figures += [
            Figure(name=f"{name}: settled", measured=settled, unit="s", at_most=1, note=f"decided in {decided:.2f} s"),
            Figure(name=f"{name}: loop blocked at most", measured=blocked, unit="ms", at_most=50, note=note),
        ]
    return figures


def main() -> None:
    """Measure, or profile one of the two."""
    parser = argparse.ArgumentParser(description="Measure bursts of signals.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--profile", choices=["one", "many"], help="what the loop's thread does in one burst")
    args = parser.parse_args()
    if args.profile is None:
        show(measure(args.rounds))
        return
    SCRATCH.mkdir(exist_ok=True)
    profile = cProfile.Profile()
    profile.runcall(one_symbol if args.profile == "one" else many_symbols)
    pstats.Stats(profile).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
