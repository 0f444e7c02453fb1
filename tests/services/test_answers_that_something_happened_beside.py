"""A broker's answer takes its time, and executions are booked meanwhile: of their symbols it says nothing."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from builders import Market, a_fill, a_machine

from trader.domain.decision import Outcome, Rule, Side
from trader.domain.events import CommandName, EpochEnded, Evidence


class Asked(NamedTuple):
    """A machine whose broker says what it held when it was asked, and then something happens."""

    market: Market
    meanwhile: list[Callable[[], Awaitable[None]]]

    async def traded(self, side: Side, symbol: str = "JD") -> None:
        """Somebody trades at the broker, and it is reported at once."""
        self.market.broker._positions[symbol] = 10 if side is Side.BUY else 0
        price = self.market.prices[symbol]
        await self.market.report(a_fill(symbol, 10, price, side=side, order_ref="hand", at=self.market.now))

    async def ask(self) -> None:
        """One question, whenever the last one was."""
        await self.market.wait(61)
        await self.market.engine.inquire()
        await self.market.settle()


@asynccontextmanager
async def a_slow_broker(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Asked]:
    async with a_machine(folder) as market:
        asked = Asked(market, [])
        evidence = market.broker.evidence

        async def slow(refs: Collection[str]) -> Evidence:
            told = (await evidence(refs))._replace(cash_micros=market.engine.book.cash_micros)
            while asked.meanwhile:
                await asked.meanwhile.pop()()
            return told

        monkeypatch.setattr(market.broker, "evidence", slow)
        await asked.ask()
        yield asked


async def test_two_answers_that_executions_have_overtaken_are_no_drift(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each says that the broker has none, and each was true when it was asked."""
    async with a_slow_broker(tmp_path, monkeypatch) as asked:
        for _ in range(2):
            asked.meanwhile.append(lambda: asked.traded(Side.BUY))
            await asked.ask()
            assert asked.market.held() == {"JD": 10}
            assert asked.market.sql("SELECT * FROM book_drift") == []
            assert asked.market.sql("SELECT * FROM book_cash_drift") == []
            await asked.traded(Side.SELL)
        await asked.ask()
        assert not asked.market.log.said("DRIFT")
        assert not asked.market.log.said("CASH DIFFERS")


async def test_the_first_answer_of_an_epoch_opens_nothing_where_something_happened_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_slow_broker(tmp_path, monkeypatch) as asked:
        await asked.market.handle(EpochEnded("the socket closed"))
        asked.meanwhile.append(lambda: asked.traded(Side.BUY, "MSFT"))
        asked.meanwhile.append(lambda: asked.traded(Side.BUY, "JD"))
        await asked.ask()
        assert asked.market.sql("SELECT * FROM book_drift") == []
        assert asked.market.engine.trading.gate.why == "unreconciled: JD, MSFT moved while the broker was asked"
        await asked.market.command(CommandName.RESUME)
        await asked.market.bar()
        refusal = (await asked.market.submit("AAPL", 0.9)).refusal
        assert refusal is not None
        assert refusal.rule is Rule.UNRECONCILED
        await asked.ask()
        await asked.market.bar()
        assert (await asked.market.submit("AAPL", 0.9)).outcome is Outcome.ORDERED
        assert asked.market.sql("SELECT * FROM book_drift") == []


async def test_what_differs_is_a_drift_when_nothing_happens_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_slow_broker(tmp_path, monkeypatch) as asked:
        asked.meanwhile.append(lambda: asked.traded(Side.BUY))
        await asked.ask()
        asked.market.broker._positions["JD"] = 4
        for _ in range(2):
            await asked.ask()
        assert asked.market.sql("SELECT symbol, book, broker FROM book_drift") == [("JD", 10, 4)]
