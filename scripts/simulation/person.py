"""The operator: gives commands at bad moments, and puts right what only a person may."""

import asyncio
import json
from pathlib import Path
from typing import NamedTuple

from simulation.faults import Fault, Faults
from simulation.host import InnerDoor
from simulation.truth import Truth
from trader.adapters.control import Answer
from trader.domain.decision import Rule
from trader.domain.errors import TraderError
from trader.domain.order import OrderState
from trader.services.engine import Engine

_LOOKS_EVERY_S = 84.0
_PATIENCE_S = 960.0
"""Of the market: so long a halt stands before somebody has looked, and resumes."""
_CASH = "cash"
_LATCH = "latch "
_WORDS = {"operator": "simulated", "reason": "the simulation wants it"}
_BAD_LINES = (
    "not json",
    '{"symbol": "QQQ"}',
    '{"symbol": "QQQ", "probability": "high"}',
    "[]",
    '{"probability": 1e999}',
)


class Post(NamedTuple):
    """What the operator has to do with beside the daemon."""

    faults: Faults
    venue: Truth
    """The broker's own screen."""
    market_speed: float
    """Seconds of the market to a second of the loop."""


class Person:
    """In front of one life."""

    def __init__(self, post: Post, engine: Engine, door: InnerDoor, inbox: Path, halt: Path) -> None:
        self.acknowledged: list[Answer] = []
        self._faults = post.faults
        self._venue = post.venue
        self._speed = post.market_speed
        self._engine = engine
        self._door = door
        self._inbox = inbox
        self._halt = halt
        self._since_s: dict[str, float] = {}

    async def watch(self) -> None:
        """Look at it again and again, for as long as it lives."""
        while True:
            await asyncio.sleep(_LOOKS_EVERY_S / self._speed)
            if self._door.is_open:
                await self._meddle()
                await self._repair()

    async def _meddle(self) -> None:
        strikes, chance = self._faults.strikes, self._faults.chance
        if strikes(Fault.OPERATOR_HALTS, 0.004):
            await self.ask("halt")
        if strikes(Fault.OPERATOR_FLATTENS, 0.004):
            await self.ask("flatten")
        if strikes(Fault.OPERATOR_ADJUSTS, 0.004):
            amount_micros = chance(Fault.OPERATOR_ADJUSTS).randint(-2_000_000, 5_000_000)
            await self.ask("cash", kind="correction", amount_micros=amount_micros)
        if strikes(Fault.SIGNAL_FROM_OUTSIDE, 0.01):
            symbol = chance(Fault.SIGNAL_FROM_OUTSIDE).choice(("QQQ", "JPM", "SQQQ", "NOSUCH"))
            await self.ask("signal", symbol=symbol, probability=chance(Fault.SIGNAL_FROM_OUTSIDE).choice((0.05, 0.95)))
        if strikes(Fault.BAD_LINE, 0.01):
            self._write(chance(Fault.BAD_LINE).choice(_BAD_LINES))
        if strikes(Fault.HALT_FILE, 0.001):
            self._halt.touch()

    async def _repair(self) -> None:
        """After some time somebody has looked, and does what the log says."""
        now_s = asyncio.get_running_loop().time()
        self._venue.look()
        book = self._engine.book
        needs = [
            *book.halts,
            *(f"{_LATCH}{key}" for key in book.latches),
            *(ref for ref, order in book.orders.items() if order.state is OrderState.UNKNOWN),
        ]
        needs += [f"drift {symbol}" for symbol in book.drift]
        if Rule.CASH_DIFFERS in self._engine.trading.gate.why:
            needs.append(_CASH)
        self._since_s = {need: self._since_s.get(need, now_s) for need in needs}
        for need, since_s in list(self._since_s.items()):
            if now_s - since_s > _PATIENCE_S / self._speed:
                await self._put_right(need)

    async def _put_right(self, need: str) -> None:
        if need in self._engine.book.halts:
            self._halt.unlink(missing_ok=True)
            scope, _, target = need.partition(":")
            if self._faults.strikes(Fault.OPERATOR_RESUMES, 1.0) or self._faults.is_healed:
                await self.ask("resume", scope=scope, target=target)
        elif need.startswith(_LATCH):
            await self._clear(need.removeprefix(_LATCH))
        elif need == _CASH:
            amount_micros = self._venue.cash_micros - self._engine.book.cash_micros
            await self.ask("cash", kind="correction", amount_micros=amount_micros)
        elif need.startswith("drift "):
            self._since_s[need] = asyncio.get_running_loop().time()
            await self._make_agree(need.removeprefix("drift "))
        elif need in self._engine.book.orders and self._faults.strikes(Fault.OPERATOR_RESOLVES, 0.1):
            await self._resolve(need)

    async def _clear(self, key: str) -> None:
        """What has tripped stays so until somebody has looked; then it is counted anew."""
        latch = self._engine.book.latches.get(key)
        if latch is not None and (self._faults.strikes(Fault.OPERATOR_RESUMES, 1.0) or self._faults.is_healed):
            scope = latch.scope.value if latch.target else "all"
            await self.ask("resume", breaker=latch.breaker.value, scope=scope, target=latch.target)

    async def _resolve(self, ref: str) -> None:
        """Say of an order of unknown fate what the broker's own screen shows, if that is plain."""
        booked, ended = self._engine.book.orders[ref].filled, self._venue.ended.get(ref)
        if ref in self._venue.working:
            await self.ask("resolve", order_ref=ref, fate="working")
        elif ended is not None and ended.filled == booked:
            await self.ask("resolve", order_ref=ref, fate="cancelled")

    async def _make_agree(self, symbol: str) -> None:
        """Foreign shares are taken in, sometimes; a short is bought back; what is missing then is booked as sold."""
        drift = self._engine.book.drift.get(symbol)
        bar = self._engine.trading.prices.last(symbol)
        if drift is None or bar is None:
            return
        short = -self._venue.positions.get(symbol, 0)
        if short > 0:
            self._venue.buy_by_hand(bar, short)
        elif self._venue.positions.get(symbol, 0) != drift.broker:
            return  # the broker's own screen shows something else by now
        elif drift.broker < drift.book and self._faults.strikes(Fault.OPERATOR_ADJUSTS, 0.2):
            await self.ask("adjust", scope="symbol", target=symbol, price_micros=bar.close_micros)
        elif drift.broker > drift.book and self._faults.strikes(Fault.OPERATOR_ADOPTS, 0.2):
            await self._adopt(symbol, bar.close_micros, drift.broker - drift.book)

    async def _adopt(self, symbol: str, price_micros: int, shares: int) -> None:
        answer = await self.ask("adopt", scope="symbol", target=symbol, price_micros=price_micros)
        if answer.get("ok") and not answer.get("refused"):
            self._venue.adopted(symbol, shares)

    async def ask(self, what: str, **more: object) -> Answer:
        """By the door; what the daemon does not take is no fault of the one who asks."""
        request = {"ask": what, **_WORDS, **more}
        try:
            answer: Answer = {"ok": True, **await self._door.handler(request)}
        except (TraderError, ValueError) as error:
            answer = {"ok": False, "error": str(error)}
        self.acknowledged.append({**request, **answer})
        return answer

    def _write(self, line: str) -> None:
        with self._inbox.open("a", encoding="utf-8") as inbox:
            inbox.write(f"{line}\n")
            inbox.write(json.dumps({"symbol": "QQQ", "probability": 0.5}) + "\n")
