"""How long a decision, an order and a fill take, beside bare sqlite3 writing the same rows.

Ratios are taken inside one run, operation by operation, ours and bare in turn: machines are noisy.
"""

import asyncio
import time
from typing import NamedTuple

from figures import Figure, show
from rig import ACCOUNT, NOON, WIDE, Rig, Statement, median, quantile, write_raw

from trader.adapters.calendar import load_calendar
from trader.app.garbage import collect_seldom
from trader.domain.decision import Outcome, Side, Signal
from trader.domain.events import Event, FillReported, SignalReceived
from trader.domain.family import Families
from trader.domain.order import Fill
from trader.domain.rules import Costs, Rules
from trader.pipeline.decide import Chain
from trader.services.breakers import Breakers
from trader.services.deciding import Deciding
from trader.services.draft import Draft
from trader.services.execution import Execution
from trader.services.gate import Gate
from trader.services.ports import History

_ROUNDS, _POSITIONS = 10, 40
"""Each round begins with an empty book and ends with so many positions; `growth.py` shows what more of them cost."""
_IN_FLIGHT = 64


def _microseconds(name: str, values: list[float], at_most: float | None = None) -> Figure:
    note = f"p99 {quantile(values, 0.99) * 1e6:.0f} us"
    return Figure(name=name, measured=median(values) * 1e6, unit="us", at_most=at_most, note=note)


async def decision() -> list[Figure]:
    """Signal to ticket: the pure chain."""
    symbols = [f"S{number:03d}" for number in range(50)]
    rig = await Rig.make(symbols)
    session = load_calendar().session_at(NOON)
    chain = Chain(Families.of({}), Rules(limits=WIDE), Costs())
    gate, history = Gate(), History({}, frozenset(), {}, {}, None)
    breakers = Breakers(chain.rules, chain.families, rig.engine.trading.prices, gate, history)
    deciding = Deciding(chain, Execution(chain.rules), gate, breakers, history)
    portfolio = deciding.portfolio(Draft(rig.engine.book, NOON), rig.engine.trading.prices)
    times = []
    for turn in range(5000):
        signal = Signal(symbols[turn % 50], 0.95, NOON, "s", "bench")
        begin = time.perf_counter()
        decided = chain.decide(signal, portfolio, rig.engine.trading.prices, session, NOON)
        times.append(time.perf_counter() - begin)
        if decided.outcome is not Outcome.ORDERED:
            raise SystemExit(f"the benchmark's signal was not ordered: {decided}")
    await rig.close()
    return [_microseconds("signal to ticket", times, at_most=20)]


def _fill(ref: str, symbol: str, quantity: int, number: int) -> FillReported:
    return FillReported(Fill(f"X{number}", ref, ACCOUNT, symbol, Side.BUY, quantity, 100_010_000, 1_000_000, NOON))


async def _statements(rig: Rig, events: list[Event]) -> list[Statement]:
    """Do the step elsewhere first, to learn which rows it writes."""
    notes: list[Statement] = []
    rig.writer.notes = notes
    await rig.engine.handle(events)
    rig.writer.notes = None
    return notes


class _Times(NamedTuple):
    orders: list[float]
    raw_orders: list[float]
    fills: list[float]
    raw_fills: list[float]


async def order_and_fill() -> list[Figure]:
    """Signal to order handed over, and fill reported to fill durable."""
    times = _Times([], [], [], [])
    for _ in range(_ROUNDS):
        await _fill_a_book(times)
    orders, raw_orders, fills, raw_fills = times
    order_ratio, fill_ratio = median(orders) / median(raw_orders), median(fills) / median(raw_fills)
    return [
        _microseconds("signal to order handed over", orders),
        _microseconds("  bare transaction, same rows", raw_orders),
        Figure(name="  ratio", measured=order_ratio, at_most=2),
        _microseconds("fill reported to fill durable", fills),
        _microseconds("  bare transaction, same rows", raw_fills),
        Figure(name="  ratio", measured=fill_ratio, at_most=2.5),
    ]


async def _fill_a_book(times: _Times) -> None:
    symbols = [f"S{number:03d}" for number in range(_POSITIONS)]
    rehearsal, rig = await Rig.make(symbols), await Rig.make(symbols)
    twin = rig.twin("twin")
    orders, raw_orders, fills, raw_fills = times
    placed = 0.0

    def note_time() -> None:
        nonlocal placed
        placed = time.perf_counter()

    rig.desk.on_place = note_time
    for number, symbol in enumerate(symbols):
        asked: list[Event] = [SignalReceived(Signal(symbol, 0.95))]
        statements = await _statements(rehearsal, asked)
        begin = time.perf_counter()
        await rig.engine.handle(asked)
        orders.append(placed - begin)
        begin = time.perf_counter()
        write_raw(twin, statements)
        raw_orders.append(time.perf_counter() - begin)

        order = rig.desk.orders[-1]
        reported: list[Event] = [_fill(order.ref, symbol, order.quantity, number)]
        statements = await _statements(rehearsal, reported)
        begin = time.perf_counter()
        await rig.engine.handle(reported)
        fills.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        write_raw(twin, statements)
        raw_fills.append(time.perf_counter() - begin)
    twin.close()
    await rehearsal.close()
    await rig.close()


async def fills_in_flight() -> list[Figure]:
    """Sixty-four fills that wait together, beside sixty-four bare transactions, and beside one bare one of all their
    rows: no program that writes them with sqlite3 can be faster than that."""
    symbols = [f"S{number:03d}" for number in range(_IN_FLIGHT)]
    rates, raw_rates, together_rates = [], [], []
    for _ in range(15):
        rehearsal, rig = await Rig.make(symbols), await Rig.make(symbols)
        asked: list[Event] = [SignalReceived(Signal(symbol, 0.95)) for symbol in symbols]
        await rehearsal.engine.handle(asked)
        await rig.engine.handle(asked)
        twin, bound = rig.twin("twin"), rig.twin("bound")
        reported: list[Event] = [
            _fill(order.ref, order.symbol, order.quantity, number) for number, order in enumerate(rig.desk.orders)
        ]
        single = [await _statements(rehearsal, [event]) for event in reported]
        begin = time.perf_counter()
        await rig.engine.handle(reported)
        rates.append(_IN_FLIGHT / (time.perf_counter() - begin))
        begin = time.perf_counter()
        for statements in single:
            write_raw(twin, statements)
        raw_rates.append(_IN_FLIGHT / (time.perf_counter() - begin))
        twin.close()
        begin = time.perf_counter()
        write_raw(bound, [statement for statements in single for statement in statements])
        together_rates.append(_IN_FLIGHT / (time.perf_counter() - begin))
        bound.close()
        await rehearsal.close()
        await rig.close()
    return [
        Figure(name="64 fills in flight", measured=median(rates), unit="fills/s"),
        Figure(name="  bare single commits, same rows", measured=median(raw_rates), unit="fills/s"),
        Figure(name="  ratio", measured=median(rates) / median(raw_rates), at_least=8),
        Figure(
            name="  one bare transaction of them all, beside the same",
            measured=median(together_rates) / median(raw_rates),
        ),
    ]


async def _all() -> list[Figure]:
    collect_seldom()
    return [*await decision(), *await order_and_fill(), *await fills_in_flight()]


def measure() -> list[Figure]:
    """All of it."""
    return asyncio.run(_all())


if __name__ == "__main__":
    show(measure())
