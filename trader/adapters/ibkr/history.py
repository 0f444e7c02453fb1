"""Finished minutes, asked of the historical data servers.

Rule 1: an answer is unknown until it is whole. Empty, late, refused: none of them says that there were no bars.
Rule 2: times go out in UTC and come back in seconds since 1970; no zone of any host has a part in it.
Rule 3: questions are paced (see `pacing`), and each has a deadline.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from trader.adapters.ibkr.client_library import BarData
from trader.adapters.ibkr.connection import Connection
from trader.adapters.ibkr.contracts import Contracts
from trader.adapters.ibkr.data_bars import minute_bar, what_to_show
from trader.adapters.ibkr.minute_bars import MINUTE
from trader.adapters.ibkr.pacing import Kind, Pacing, Request, turn
from trader.domain.market import Bar, BarTime
from trader.services.ports import Log

_DAY_S = 86_400


@dataclass(slots=True)
class Found:
    """Bars by the end of their minute and by symbol; and why symbols have none."""

    bars: dict[datetime, dict[str, Bar]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def bar_times(self, ends: Collection[datetime]) -> list[BarTime]:
        """The bar times of those minutes in which somebody traded, oldest first."""
        return [
            BarTime(end, MINUTE, tuple(bar for _, bar in sorted(self.bars[end].items())))
            for end in sorted(ends)
            if self.bars.get(end)
        ]


class HistoricalBars:
    """Questions about the past."""

    def __init__(self, connection: Connection, contracts: Contracts, pacing: Pacing, log: Log) -> None:
        self._connection = connection
        self._contracts = contracts
        self._pacing = pacing
        self._log = log

    def may_be_asked(self, questions: int) -> bool:
        """Whether so many questions are still allowed in these ten minutes."""
        return self._pacing.room(Kind.HISTORY, asyncio.get_running_loop().time()) >= questions

    async def minutes(self, symbols: Collection[str], after: datetime, until: datetime, deadline_s: float) -> Found:
        """Ask for the minutes of regular hours that ended later than `after` and not later than `until`.

        The deadline is for everything, with waiting for one's turn; each question has the connection's own beside it.
        """
        found = Found()
        async with asyncio.TaskGroup() as group:
            for symbol in self._pacing.held_first(symbols):
                group.create_task(self._ask(symbol, after, until, deadline_s, found))
        return found

    async def _ask(self, symbol: str, after: datetime, until: datetime, deadline_s: float, found: Found) -> None:
        try:
            async with asyncio.timeout(deadline_s):
                bars = await self._bars(symbol, after, until)
        except TimeoutError:
            found.missing[symbol] = f"no answer in {deadline_s:g} s"
            return
        except _Unknown as unknown:
            found.missing[symbol] = str(unknown)
            return
        for end, bar in bars.items():
            found.bars.setdefault(end, {})[symbol] = bar

    async def _bars(self, symbol: str, after: datetime, until: datetime) -> Mapping[datetime, Bar]:
        if self._connection.session is None:
            raise _Unknown("not connected")
        end, duration = f"{until.astimezone(UTC):%Y%m%d-%H:%M:%S}", _duration(after, until)
        request = Request(Kind.HISTORY, symbol, f"{duration} until {end}")
        await turn(self._pacing, request)
        try:
            answer = await self._answer(symbol, end, duration)
        finally:
            self._pacing.answered()
        if not answer:
            raise _Unknown("the answer was empty, which proves nothing")
        return self._believed(symbol, answer)

    async def _answer(self, symbol: str, end: str, duration: str) -> tuple[BarData, ...]:
        session = self._connection.session
        if session is None:
            raise _Unknown("not connected")
        listed = self._contracts.get(symbol)
        if listed is None:
            raise _Unknown("not qualified")
        patience_s = self._connection.timing.request_s
        client, contract, ids = session.client, listed.contract, list[int]()

        def send(id_: int) -> None:
            ids.append(id_)
            client.reqHistoricalData(id_, contract, end, duration, "1 min", what_to_show(symbol), True, 2, False, [])

        answer = None
        try:
            answer = await session.ask(send, patience_s)
        finally:
            if answer is None and ids and session.is_open:
                session.outgoing.request(lambda: client.cancelHistoricalData(ids[0]))
        if answer is None:
            raise _Unknown(f"no whole answer in {patience_s:g} s" if session.is_open else "the connection has ended")
        if answer.failure is not None:
            raise _Unknown(str(answer.failure))
        return answer.items

    def _believed(self, symbol: str, answer: Collection[BarData]) -> Mapping[datetime, Bar]:
        """The bars that can be, by their ends; an answer may reach further back than was asked."""
        bars: dict[datetime, Bar] = {}
        for told in answer:
            try:
                bar = minute_bar(symbol, told)
            except ValueError as fault:
                self._log.warning(f"HISTORICAL BAR LEFT OUT of {symbol}, {told.date}: {fault}")
                continue
            if bar is not None:
                bars[bar.timestamp + MINUTE] = bar
        return bars


class _Unknown(Exception):
    """No answer that proves anything."""


def _duration(after: datetime, until: datetime) -> str:
    """How far back from its end a question reaches, in IB's words; rather too far than too near."""
    span_s = int((until - after).total_seconds())
    return f"{span_s} S" if span_s <= _DAY_S else f"{-(-span_s // _DAY_S) + 1} D"
