"""A trading day from before the open until after the close, with troubles by a seed.

Prices walk, depth comes and goes, the strategy swings. Every few minutes something happens and is healed, and before
the next one all has to be right. Where entries were stopped for a person to look, one looks and goes on.

Of two orders that IB makes of one, both may be filled before anybody can look, and that stays wrong in the book. Here
nothing is traded of their symbol until one of them was cancelled by hand.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import NamedTuple

from builders import OFTEN
from gateway.fault_script import Fault
from gateway.faults import TwoPermIds

from proof.book_file import read_book
from proof.exits import Watch
from proof.in_process import TaskDaemon
from proof.matrix import heal, named, until_right
from proof.rig import ACCOUNT, Rig, a_rig
from proof.stages import Stage, nothing
from proof.troubles import TROUBLES, Trouble, cancel_the_second
from proof.truth import Allowed, differences
from trader.domain.decision import Rule

_RIGHT_WITHIN_S = 240.0
_SAID = ("execDetails", "openOrder", "orderStatus", "commissionReport", "position", "realtimeBar", "currentTime")
_ASKED = ("placeOrder", "reqExecutions", "reqPositions", "reqAllOpenOrders", "reqCompletedOrders", "reqCurrentTime")
_STRIKES_WITHIN_S = 150.0
_FIVE_S = 5.0
_STEP_PPM = 250
"""Of the price in five seconds: one standard deviation."""
_DEPTHS = (None,) * 12 + (0, 20, 60, 120)
_LOOKED_AT_S = 120.0
_ENTERED = ("AAPL", "MSFT")
"""What can be bought alone."""


class Session(NamedTuple):
    """From its open to its close."""

    opens: datetime
    closes: datetime

    @property
    def flattens(self) -> datetime:
        """Everything is sold from here on."""
        return self.closes - timedelta(minutes=10)


FULL = Session(datetime(2026, 11, 23, 14, 30, tzinfo=UTC), datetime(2026, 11, 23, 21, 0, tzinfo=UTC))
HALF = Session(datetime(2026, 11, 27, 14, 30, tzinfo=UTC), datetime(2026, 11, 27, 18, 0, tzinfo=UTC))
_BEFORE, _AFTER = timedelta(minutes=2), timedelta(minutes=2)


class Day(NamedTuple):
    """What became of it."""

    fired: Counter[str]
    fills: int
    lives: int
    troubles: int
    violations: list[str]
    is_flat: bool
    log: list[str]


async def a_day(folder: Path, seed: int, session: Session) -> Day:
    """Trade through it."""
    random = Random(seed)
    limits = {"position_pct": 10, **OFTEN}
    daemon = TaskDaemon()
    given = {"strategy": {"entry": "proof.strategies:Swings"}, "limits": limits}
    async with a_rig(folder, session.opens - _BEFORE, daemon, given, seed) as rig:
        daemon.by(rig.clock)
        Watch(rig)
        await rig.start()
        async with asyncio.TaskGroup() as group:
            going_on = [group.create_task(_prices_walk(rig, random)), group.create_task(_somebody_looks(rig))]
            await rig.until_time(session.opens)
            troubles, violations = await _troubles_come(rig, random, session)
            await rig.until_time(session.closes + _AFTER)
            for task in going_on:
                task.cancel()
        violations += await differences(rig)
        is_flat = any("FLAT PROVEN" in line for line in daemon.log) and not read_book(rig.book).held
        fills = len([one for one in rig.gateway.truth.executions if one.order.order_ref])
        return Day(named(rig), fills, daemon.dead + 1, troubles, violations, is_flat, daemon.log)


async def _troubles_come(rig: Rig, random: Random, session: Session) -> tuple[int, list[str]]:
    """Until shortly before the day's positions are closed, and once more while they are."""
    number, violations = 0, list[str]()
    for trouble in _chosen(random):
        is_last = (session.flattens - rig.clock.now()).total_seconds() < _RIGHT_WITHIN_S + _STRIKES_WITHIN_S
        if is_last:
            await rig.until_time(session.flattens - timedelta(seconds=1))
        await _lives_through(rig, trouble, _moment(random))
        number += 1
        wrong = await until_right(rig, _moment(random), trouble.allowed, _RIGHT_WITHIN_S)
        violations += [f"{rig.clock.now():%H:%M:%S} after {trouble.name}: {what}" for what in wrong]
        if is_last:
            break
        await rig.passes(random.uniform(30, 150))
    return number, violations


async def _lives_through(rig: Rig, trouble: Trouble, stage: Stage) -> None:
    faults = [rig.gateway.faults.add(fault) for fault in trouble.arm(rig, stage)]
    await trouble.before(rig)
    await trouble.then(rig)
    fired = rig.gateway.faults.fired
    before = Counter(fired)

    def has_struck() -> bool:
        return not rig.daemon.is_alive or all(fired[fault] > before[fault] for fault in faults)

    await rig.until(has_struck, _STRIKES_WITHIN_S, every_s=1)
    await rig.passes(_FIVE_S)
    await heal(rig, trouble)


def _double_an_entry(rig: Rig, _: Stage) -> Iterable[Fault]:
    """Of the first symbol of which nothing is held and nothing works; where there is none, nothing happens."""
    book = read_book(rig.book)
    works = {order.listing.symbol for order in rig.gateway.truth.live()}
    for symbol in _ENTERED:
        if symbol not in book.held and symbol not in works:
            rig.dry.add(symbol)
            rig.gateway.market.depth(symbol, 0)
            return (TwoPermIds(symbol=symbol),)
    return ()


async def _enter_what_is_dry(rig: Rig) -> None:
    for symbol in rig.dry:
        await rig.signal(symbol, 0.8)


async def _one_is_cancelled(rig: Rig) -> None:
    await cancel_the_second(rig)
    for symbol in rig.dry:
        rig.gateway.market.depth(symbol, None)
    rig.dry.clear()


_CANCELLED_IN_TIME = Trouble(
    "two permIds, the second cancelled in time",
    _double_an_entry,
    then=_enter_what_is_dry,
    heal=_one_is_cancelled,
    allowed=Allowed(halted=True),
)


def _chosen(random: Random) -> Iterator[Trouble]:
    """All that a day can go on after, shuffled, again and again."""
    mendable = [trouble for trouble in TROUBLES if not (trouble.allowed.broken or trouble.allowed.oversold)]
    mendable.append(_CANCELLED_IN_TIME)
    while True:
        random.shuffle(mendable)
        yield from mendable


def _moment(random: Random) -> Stage:
    """What is struck."""
    return Stage("day", random.choice(_SAID), random.choice(_ASKED), frozenset(), nothing, nothing)


async def _prices_walk(rig: Rig, random: Random) -> None:
    while True:
        for symbol in rig.prices:
            rig.move(symbol, str(Decimal(round(random.gauss(0, _STEP_PPM))) / 10_000))
        if rig.clock.now().second < _FIVE_S:
            for symbol in [symbol for symbol in rig.prices if symbol not in rig.dry]:
                rig.gateway.market.depth(symbol, None)
            rig.gateway.market.depth(random.choice(list(rig.prices)), random.choice(_DEPTHS))
            for symbol in rig.dry:
                rig.gateway.market.depth(symbol, 0)
        await rig.passes(_FIVE_S)


async def _somebody_looks(rig: Rig) -> None:
    """A person who sells again what was bought by hand, books what that has cost, and lets entries go on."""
    while True:
        await rig.passes(_LOOKED_AT_S)
        if "all" in read_book(rig.book).halts:
            rig.fired["halted, looked at, resumed"] += 1
            await rig.command("resume")
        for symbol in read_book(rig.book).halted_symbols:
            rig.fired["symbol halted, looked at, resumed"] += 1
            await rig.command("resume", symbol)
        for tripped in read_book(rig.book).tripped:
            rig.fired["tripped, looked at, resumed"] += 1
            await rig.clear(tripped)
        status = await rig.status()
        if status is not None and str(status["barred"]).startswith(Rule.CASH_DIFFERS):
            rig.fired["cash booked by hand"] += 1
            await rig.book_cash(rig.broker_cash_micros - read_book(rig.book).cash_micros)
        bought = Counter[str]()
        for one in rig.gateway.truth.executions:
            if one.order.account == ACCOUNT and not one.order.order_ref:
                bought[one.order.listing.symbol] += one.signed_shares
        for symbol in [symbol for symbol, shares in bought.items() if shares and symbol in read_book(rig.book).drift]:
            rig.fired["sold again by hand"] += 1
            rig.gateway.announce(rig.gateway.place_by_hand(ACCOUNT, symbol, "SELL", bought[symbol]))
