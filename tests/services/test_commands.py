"""What an operator asks: exactly that is done, or it is refused and nothing has changed; either way it is kept."""

from pathlib import Path

import pytest
from builders import Market, a_fill, a_machine

from trader.adapters.paper.broker import Treatment
from trader.domain.decision import Side
from trader.domain.events import CommandName, JournalType
from trader.domain.order import Order

PATIENT = {"entry_timeout_s": 3600}
FLATTEN, HALT, RESUME, ADJUST = CommandName.FLATTEN, CommandName.HALT, CommandName.RESUME, CommandName.ADJUST


async def hold_and_order(market: Market) -> None:
    """QQQ and AAPL held, entries of JD and MSFT working."""
    await market.bar({"QQQ": 0.8, "AAPL": 0.8})
    await market.bar()
    market.script = lambda _: Treatment(parts=(0,))
    await market.bar({"JD": 0.9, "MSFT": 0.9})
    assert set(market.held()) == {"QQQ", "AAPL"}
    assert {symbol for _, symbol in market.working()} == {"JD", "MSFT"}


def closing(market: Market) -> set[str]:
    return {symbol for (symbol,) in market.sql("SELECT symbol FROM positions WHERE state = 'closing'")}


def cancelled(market: Market) -> set[str]:
    return {symbol for (symbol,) in market.sql("SELECT symbol FROM orders WHERE state = 'cancelled'")}


@pytest.mark.parametrize(
    ("scope", "target", "closed", "taken_back"),
    [
        ("all", "", {"QQQ", "AAPL"}, {"JD", "MSFT"}),
        ("symbol", "AAPL", {"AAPL"}, set()),
        ("symbol", "JD", set(), {"JD"}),
        ("family", "QQQ", {"QQQ"}, set()),
        ("family", "MSFT", set(), {"MSFT"}),
    ],
)
async def test_a_flatten_closes_and_takes_back_what_is_in_its_scope_and_halts_it(
    tmp_path: Path, scope: str, target: str, closed: set[str], taken_back: set[str]
) -> None:
    async with a_machine(tmp_path) as market:
        await hold_and_order(market)
        await market.command(FLATTEN, scope, target)
        assert (closing(market), cancelled(market)) == (closed, taken_back)
        assert market.sql("SELECT scope, target FROM book_halts") == [(scope, target)]
        market.check()


@pytest.mark.parametrize("filled", [0, 5])
async def test_a_family_is_flattened_with_all_its_members(tmp_path: Path, filled: int) -> None:
    async with a_machine(tmp_path, script=lambda _: Treatment(parts=(filled,)), signals=PATIENT) as market:
        await market.bar({"QQQ": 0.95})
        await market.bar()
        assert market.held() == ({"TQQQ": filled} if filled else {})
        assert market.working() == [("BUY", "TQQQ")]
        await market.command(FLATTEN, "family", "QQQ")
        assert closing(market) == set(market.held())
        assert cancelled(market) == {"TQQQ"}


async def test_the_first_reason_of_a_halt_stays_and_a_resume_needs_a_halt(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        assert await market.command(RESUME) == "refused: all is not halted (halted: nothing)"
        await market.command(HALT, "symbol", "QQQ")
        assert await market.command(HALT, "symbol", "QQQ") == "symbol:QQQ was halted already: a test"
        assert await market.command(RESUME) == "refused: all is not halted (halted: symbol:QQQ)"
        assert await market.command(RESUME, "symbol", "QQQ") == "entries resumed: symbol:QQQ"
        assert market.journaled(JournalType.HALTED) == market.journaled(JournalType.RESUMED) == 1
        assert market.journaled(JournalType.COMMAND) == 5
        await market.restart()
        assert market.engine.book.halts == {}


def slow_exits(order: Order) -> Treatment:
    return Treatment(delay_bars=5 if order.side is Side.SELL else 0)


async def test_a_correction_is_refused_while_an_order_of_its_symbol_works(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=slow_exits) as market:
        await market.bar({"JD": 0.9})
        sale = a_fill("JD", 1, 30.0, side=Side.SELL, order_ref="by-hand", execution_id="correction", at=market.now)
        assert (await market.command(ADJUST, fill=sale)).startswith("refused: JD has a working order")
        await market.bar()
        await market.command(FLATTEN)
        assert market.working() == [("SELL", "JD")]
        assert (await market.command(ADJUST, fill=sale)).startswith("refused: JD has a working order")
        assert len(market.trades()) == 1
        market.check()


async def test_a_correction_is_booked_once_and_never_into_a_short(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.bar({"JD": 0.9})
        await market.bar()
        held = market.held()["JD"]
        sale = a_fill("JD", 7, 30.0, side=Side.SELL, order_ref="by-hand", execution_id="correction", at=market.now)
        assert (await market.command(ADJUST, fill=sale)).startswith("booked correction")
        market.broker._positions["JD"] -= 7
        assert await market.command(ADJUST, fill=sale) == "refused: correction is booked already"
        await market.restart()
        assert await market.command(ADJUST, fill=sale) == "refused: correction is booked already"
        too_much = sale._replace(execution_id="another", quantity=held)
        assert (await market.command(ADJUST, fill=too_much)).startswith("refused: JD: execution another sells")
        assert market.held() == {"JD": held - 7}
        assert (await market.command(ADJUST)).startswith("refused: nothing to adjust")
        market.check()


@pytest.mark.parametrize(("target", "closed"), [("QQQ", set()), ("TQQQ", {"TQQQ"})])
async def test_a_symbol_is_flattened_without_its_family(tmp_path: Path, target: str, closed: set[str]) -> None:
    async with a_machine(tmp_path) as market:
        await market.bars(2, {"QQQ": 0.95})
        assert set(market.held()) == {"TQQQ"}
        await market.command(FLATTEN, "symbol", target)
        assert closing(market) == closed


async def test_a_correction_never_makes_cash_negative(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.bars(2, {"JD": 0.8})
        bought = a_fill("AAPL", 1000, 200.0, order_ref="by-hand", execution_id="too-much", at=market.now)
        answer = await market.command(ADJUST, fill=bought)
        assert answer.startswith("refused: cash would be")
        assert set(market.held()) == {"JD"}


async def test_a_correction_never_makes_both_sides_of_a_family(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.bars(2, {"QQQ": 0.8})
        bought = a_fill("PSQ", 1, 40.0, order_ref="by-hand", execution_id="inverse", at=market.now)
        assert (await market.command(ADJUST, fill=bought)).startswith("refused: QQQ is held")
        assert set(market.held()) == {"QQQ"}


@pytest.mark.parametrize("wrong", [{"quantity": 0}, {"quantity": -5}, {"price_micros": 2**65}, {"account": "other"}])
async def test_a_correction_that_cannot_be_an_execution_is_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    async with a_machine(tmp_path) as market:
        odd = a_fill("JD", 1, 30.0, execution_id="odd", at=market.now)._replace(**wrong)  # type: ignore[arg-type]
        assert (await market.command(ADJUST, fill=odd)).startswith("refused: it would have")
        assert market.held() == {}
