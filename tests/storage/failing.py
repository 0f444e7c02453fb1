"""A short day under a disk that fails, and a witness of everything that is handed to the broker meanwhile."""

import re
import shutil
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from builders import MINUTE, Market, a_bar, session_of
from simulation.seen_disk import FULL, Kind, Operation

from trader.adapters.paper.broker import Treatment
from trader.adapters.sqlite.projections import compare
from trader.domain.decision import Side
from trader.domain.events import CommandName
from trader.domain.market import BarTime
from trader.domain.order import Order

_OK, _FULL, _IOERR_WRITE, _IOERR_FSYNC, _IOERR_TRUNCATE = 0, FULL, 778, 1034, 1546


class Error(NamedTuple):
    """What each operation says when the disk fails, and which operations are counted up to the failure."""

    codes: Mapping[Kind, int]
    counted: frozenset[Kind]


_FAILING: Mapping[Kind, int] = MappingProxyType(
    {Kind.WRITE: _IOERR_WRITE, Kind.SYNC: _IOERR_FSYNC, Kind.TRUNCATE: _IOERR_TRUNCATE}
)

ERRORS: Mapping[str, Error] = MappingProxyType(
    {
        "the disk is full": Error({Kind.WRITE: _FULL, Kind.SYNC: _IOERR_FSYNC}, frozenset({Kind.WRITE, Kind.SYNC})),
        "input/output error": Error(_FAILING, frozenset(_FAILING)),
        "a sync fails": Error(_FAILING, frozenset({Kind.SYNC})),
    }
)
"""A sync that fails is counted for itself: what it was to bring to the disk may be there all the same."""


class FailingDisk:
    """A listener that fails operation N of the day, and the ones after it too when the fault lasts."""

    def __init__(self, error: str, number: int, *, lasts: bool) -> None:
        self._error = ERRORS[error]
        self._number = number
        self._lasts = lasts
        self._done = 0
        self.works = True
        """Whether nothing fails now, whatever the number: before the day, and after the fault has healed."""
        self.fired = False

    def __call__(self, operation: Operation) -> int:
        """Say what becomes of an operation."""
        if self.works:
            return _OK
        self._done += operation.kind in self._error.counted and not self.fired
        fails = self._lasts if self.fired else self._done == self._number
        self.fired = self.fired or fails
        return self._error.codes.get(operation.kind, _OK) if fails else _OK


class Witness:
    """Stands before the broker: looks in the files, at the moment when an order is handed over, whether it is there."""

    def __init__(self) -> None:
        self.orders: dict[str, Order] = {}
        self.faults: list[str] = []

    def watches(self, market: Market) -> None:
        """Look at everything that this market hands to its broker."""
        self._market = market
        market.script = self._treat

    def _treat(self, order: Order) -> Treatment:
        if self.orders.setdefault(order.ref, order) != order:
            self.faults.append(f"{order.ref} was used for {self.orders[order.ref]} and for {order}")
        in_book = self._market.sql("SELECT 1 FROM orders WHERE order_ref = ?", order.ref) != []
        if not in_book and (order.side is Side.BUY or not self._is_spilled(order)):
            self.faults.append(f"{order.side} {order.symbol} {order.ref} was sent and is nowhere on the disk")
        return Treatment()

    def _is_spilled(self, order: Order) -> bool:
        if order.ref in {spilled.ref for spilled in self._market.spill.read()}:
            return True
        said = self._market.log.said("EXIT WITHOUT THE BOOK")
        return any(f"ref={order.ref}: NOT EVEN THE SPILL FILE TAKES IT" in line for line in said)


Step = Callable[[Market], Awaitable[object]]


async def _fall(market: Market) -> None:
    """AAPL touches its stop and comes back; on the same bar JD is to be bought."""
    close, start = market.prices["AAPL"], market.now
    others = [bar for bar in market.still_bars(start) if bar.symbol != "AAPL"]
    bars = (a_bar("AAPL", close, start=start, low=close * 0.975), *others)
    await market.play(BarTime(start + MINUTE, MINUTE, bars), {"JD": 0.8})


STEPS: Mapping[str, Step] = MappingProxyType(
    {
        "entries of AAPL and MSFT": lambda market: market.bar({"AAPL": 0.8, "MSFT": 0.8}),
        "their fills": lambda market: market.bar(),
        "a stop of AAPL and an entry of JD": _fall,
        "the fills of these": lambda market: market.bar(),
        "MSFT is closed by a signal": lambda market: market.bar({"MSFT": 0.5}),
        "its fill, and an entry of QQQ": lambda market: market.bar({"QQQ": 0.8}),
        "everything is to be closed": lambda market: market.command(CommandName.FLATTEN),
        "it is": lambda market: market.bar(),
    }
)
"""The day: in order, what happens."""


async def until_settled(market: Market) -> None:
    """Close everything, and give every retry its time."""
    await market.command(CommandName.FLATTEN)
    for _ in range(3):
        await market.wait(6)
        await market.bar()


def a_market(path: Path, witness: Witness) -> Market:
    """A market whose orders are witnessed, at the open."""
    market = Market(path, {}, session_of().opens_at, threaded=False)
    witness.watches(market)
    return market


async def dies_and_starts(market: Market, witness: Witness, folder: Path) -> Market:
    """The process ends at once: the next one finds the files as they are now, and the broker as it is."""
    next_ = found_by_the_next(market, witness, folder)
    await next_.start(broker=market.broker)
    return next_


def found_by_the_next(market: Market, witness: Witness, folder: Path) -> Market:
    """A market on a copy of the files as they are now, at the same time; not started yet."""
    folder.mkdir()
    for file in market.path.parent.iterdir():
        if file.is_file() and not file.name.endswith("-shm"):
            shutil.copy(file, folder)
    next_ = a_market(folder / market.path.name, witness)
    next_.clock.set(market.now)
    next_.prices = market.prices
    return next_


def disagreements(market: Market, witness: Witness) -> list[str]:
    """Whether book, journal and broker agree, and everything sent is in the book once."""
    faults = list(witness.faults)
    market.check()
    found = compare(market.reader, "paper").findings
    faults += [f"the book is unlike its journal: {finding}" for finding in found]
    unbookable = _said_to_be_unbookable(market)
    in_book = {ref: order for ref, *order in market.sql("SELECT order_ref, side, symbol, quantity FROM orders")}
    for ref, order in witness.orders.items():
        if ref not in unbookable and in_book.get(ref) != [order.side, order.symbol, order.quantity]:
            faults.append(f"{ref} {order.side} {order.symbol} was sent, and the book has {in_book.get(ref)}")
    live = {ref for (ref,) in market.sql("SELECT order_ref FROM book_orders WHERE state IN ('created', 'working')")}
    unknown = {*market.broker._working} - live - unbookable
    faults += [f"{ref} works at the broker only" for ref in sorted(unknown)]
    if market.held() != market.at_broker() and not market.log.said("DRIFT "):
        faults.append(f"the book holds {market.held()} and the broker {market.at_broker()}")
    return faults


def _said_to_be_unbookable(market: Market) -> set[str]:
    """Exits of positions that the book never came to hold: their fills died with the process, and it is said."""
    return {ref for line in market.log.said("SPILLED EXIT") for ref in re.findall(r"ref=(\S+) IS NOT BOOKED", line)}
