"""What strategies and operators may do wrong costs them their own request, and never the daemon."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

import pytest
from builders import a_bar, a_machine, bar_time

from trader import Bar, Signal
from trader.adapters.run_lock import Holder
from trader.adapters.sqlite.database import connect
from trader.adapters.sqlite.projections import compare
from trader.app.requests import BadRequest, Requests
from trader.domain.decision import Refusal, Rule
from trader.domain.errors import BookBroken, ConfigurationError
from trader.domain.events import CommandName, SignalReceived
from trader.domain.money import micros
from trader.domain.rules import Rules
from trader.services.strategy_host import StrategyHost


class Mute(Exception):
    """An exception that raises when it is asked what it says."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


class Panic(BaseException):
    """What an extension module may raise, and its text is no better."""

    def __str__(self) -> str:
        raise Panic


class OddFloat(float):
    """A number that raises when it is looked at."""

    def __ge__(self, other: object) -> bool:
        raise RuntimeError("do not compare me")

    __le__ = __gt__ = __lt__ = __ge__


class Raising:
    """A strategy that raises what it was given, or yields it."""

    def __init__(self, what: object) -> None:
        self.what = what

    def on_bar(self, bar: Bar) -> Iterable[Signal]:
        """Misbehave."""
        if isinstance(self.what, BaseException):
            raise self.what
        yield self.what  # type: ignore[misc]


@pytest.mark.parametrize(
    ("what", "rule"),
    [
        (ValueError("no"), Rule.STRATEGY_RAISED),
        (Mute(), Rule.STRATEGY_RAISED),
        (SystemExit(3), Rule.STRATEGY_RAISED),
        (GeneratorExit(), Rule.STRATEGY_RAISED),
        (asyncio.CancelledError(), Rule.STRATEGY_RAISED),
        (Panic(), Rule.STRATEGY_RAISED),
        (None, Rule.NOT_A_SIGNAL),
        (Signal("QQQ", OddFloat(0.8)), Rule.NOT_A_SIGNAL),
        (Signal("QQQ", float("nan")), Rule.BAD_PROBABILITY),
        (Signal("QQQ\n2026 INFO forged", 0.8), Rule.BAD_SYMBOL),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_a_strategy_raises_or_yields_is_refused(what: object, rule: Rule) -> None:
    host = StrategyHost(Raising(what), "raising", Rules())

    ((signal, refusal),) = host.on_bars(bar_time(a_bar()))

    assert isinstance(refusal, Refusal)
    assert refusal.rule is rule
    assert signal.symbol in (a_bar().symbol, getattr(what, "symbol", ""))


def test_a_strategy_whose_start_raises_is_a_configuration_error() -> None:
    class Starting(Raising):
        def on_start(self, symbols: object) -> None:
            raise ValueError("no such file")

    with pytest.raises(ConfigurationError, match="on_start raised ValueError"):
        StrategyHost(Starting(None), "starting", Rules()).start(("QQQ",))


async def test_an_entry_unwanted_in_the_step_that_made_it_is_cancelled_in_the_next(tmp_path: Path) -> None:
    """Nothing was sent yet that could be cancelled; and the journal has to say first that the order was made."""
    async with a_machine(tmp_path) as market:
        await market.bar()
        await market.handle(SignalReceived(Signal("QQQ", 0.95)), SignalReceived(Signal("QQQ", 0.5)))
        await market.bars(2)
        assert market.sql("SELECT state, filled FROM orders") == [("cancelled", 0)]
        connection = connect(market.path)
        try:
            assert compare(connection, "paper").findings == []
        finally:
            connection.close()
        market.check()


@pytest.mark.parametrize("amount", ["-1000000000", "9000000000000", "0"])
async def test_cash_cannot_be_moved_below_zero_or_beyond_reason(tmp_path: Path, amount: str) -> None:
    async with a_machine(tmp_path) as market:
        cash = market.one("SELECT cash_micros FROM book_accounts")
        answer = await market.command(CommandName.CASH, amount_micros=micros(amount))
        assert answer.startswith("refused")
        assert market.one("SELECT cash_micros FROM book_accounts") == cash


@pytest.mark.parametrize("reason", ["\udcff", "two\nlines", "", "   ", "x" * 201])
async def test_a_reason_that_cannot_be_kept_is_refused(tmp_path: Path, reason: str) -> None:
    async with a_machine(tmp_path) as market:
        requests = Requests(market.engine, market.clock, Holder(1, "1", "x", "now"), (), lambda _: None)
        with pytest.raises(BadRequest, match="reason has to be a printable text"):
            await requests.answer({"ask": "halt", "operator": "me", "reason": reason})


CORRECTION = {
    "execution_id": "reversal",
    "order_ref": "paper-1-0001",
    "account": "paper",
    "symbol": "QQQ",
    "side": "SELL",
    "quantity": 1,
    "price_micros": 1,
    "commission_micros": 0,
}


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        ({"ask": "buy"}, "does not know how to"),
        ({"ask": 7}, "ask has to be"),
        ({"ask": "halt", "scope": "sector", "target": "XLK"}, "name a family or a symbol"),
        ({"ask": "halt", "scope": "symbol"}, "name a family or a symbol"),
        ({"ask": "halt", "scope": "all", "target": "QQQ"}, "name a family or a symbol"),
        ({"ask": "halt", "scope": "symbol", "target": "qqq"}, "is no symbol such as"),
        ({"ask": "halt", "operator": ""}, "operator has to be"),
        ({"ask": "signal", "symbol": "QQQ", "probability": "0.8"}, "probability has to be a number"),
        ({"ask": "signal", "symbol": "QQQ", "probability": True}, "probability has to be a number"),
        ({"ask": "signal", "probability": 0.8}, "symbol has to be"),
        ({"ask": "adjust", "fill": {**CORRECTION, "quantity": 1.5}}, "quantity is not a whole number"),
        ({"ask": "adjust", "fill": {**CORRECTION, "price_micros": "1"}}, "price_micros is not a whole number"),
        ({"ask": "adjust", "fill": {**CORRECTION, "execution_id": ""}}, "execution_id has to be"),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_a_request_that_is_not_understood_does_nothing(
    tmp_path: Path, request_: dict[str, object], why: str
) -> None:
    async with a_machine(tmp_path) as market:
        requests = Requests(market.engine, market.clock, Holder(1, "1", "x", "now"), (), lambda _: None)
        with pytest.raises(BadRequest, match=why):
            await asyncio.wait_for(requests.answer({"operator": "me", "reason": "a test", **request_}), timeout=1)
        assert len(market.engine.inbox) == 0


def test_a_book_with_two_names_is_refused(tmp_path: Path) -> None:
    """SQLite keeps one write-ahead log a name: two names side by side destroy the file."""
    first, second = tmp_path / "a.db", tmp_path / "b.db"
    connect(first).close()
    second.hardlink_to(first)

    for name in (first, second):
        with pytest.raises(BookBroken, match="second name"):
            connect(name)
