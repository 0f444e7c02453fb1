"""Unknown is a state: evidence ends it, or the operator; never time, and never a second order."""

from datetime import timedelta
from pathlib import Path

import pytest
from builders import Market, a_fill, a_machine, an_unwritable_book
from test_reconciliation import says

from trader.adapters.paper.broker import PaperBroker, Treatment
from trader.domain.decision import Side
from trader.domain.errors import BrokerUnreachable
from trader.domain.events import EVIDENCE_PARTS, CommandName, Evidence, EvidenceGiven, Fate
from trader.domain.order import Order
from trader.services.recovery import recover

PATIENT = {"entry_timeout_s": 3600}
LOST = Treatment(lose_acknowledgement=True, parts=(0,))


async def inquire(market: Market, times: int = 1, every_s: float = 15) -> None:
    """Ask the broker, and let time pass after each answer."""
    for _ in range(times):
        await market.engine.inquire()
        await market.settle()
        await market.wait(every_s)


def forget(market: Market) -> None:
    """The broker never got the order."""
    market.broker._working.clear()


def state(market: Market, side: str = "BUY") -> str:
    return str(market.one("SELECT state FROM orders WHERE side = ? ORDER BY order_ref DESC LIMIT 1", side))


async def with_a_lost_entry(market: Market) -> None:
    """An entry of JD that nobody knows anything of."""
    market.script = lambda _: LOST
    await market.bar({"JD": 0.9})
    assert state(market) == "unknown"


async def test_an_order_that_works_at_the_broker_is_working(tmp_path: Path) -> None:
    async with a_machine(tmp_path, signals=PATIENT) as market:
        await with_a_lost_entry(market)
        await inquire(market)
        assert state(market) == "working"
        assert market.broker.orders_received == 1


async def test_an_order_that_has_ended_since_the_question_leaves_the_answer_to_the_others(tmp_path: Path) -> None:
    async with a_machine(tmp_path, signals=PATIENT) as market:
        await with_a_lost_entry(market)
        asked = ("paper-1-0000", *market.engine.asks_about)
        await market.handle(EvidenceGiven(asked, await market.broker.evidence(asked)))
        assert state(market) == "working"


async def test_an_order_in_no_complete_answer_is_ended_after_the_third(tmp_path: Path) -> None:
    async with a_machine(tmp_path, signals=PATIENT) as market:
        await with_a_lost_entry(market)
        forget(market)
        await inquire(market, 2)
        assert state(market) == "unknown"
        assert (await market.submit("JD", 0.9)).refusal is not None, "its symbol is barred meanwhile"
        await inquire(market)
        assert state(market) == "cancelled"
        assert "in none of 3 complete answers" in market.one("SELECT evidence FROM book_locks")
        assert market.broker.orders_received == 1, "it is never sent again"
        market.check()


async def test_answers_in_a_hurry_prove_nothing(tmp_path: Path) -> None:
    async with a_machine(tmp_path, signals=PATIENT) as market:
        await with_a_lost_entry(market)
        forget(market)
        await inquire(market, 20, every_s=1)
        assert state(market) == "unknown"


async def test_time_alone_ends_nothing(tmp_path: Path) -> None:
    async with a_machine(tmp_path, signals=PATIENT) as market:
        await with_a_lost_entry(market)
        forget(market)
        await market.bars(60)
        assert state(market) == "unknown"
        assert market.engine.book.locks["JD"].reserved_micros > 0


async def test_a_weekend_without_an_answer_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unreachable(*_: object) -> Evidence:
        raise BrokerUnreachable("log in")

    async with a_machine(tmp_path, signals=PATIENT) as market:
        await with_a_lost_entry(market)
        for weekends in (1, 2):
            with monkeypatch.context() as cut:
                cut.setattr(PaperBroker, "evidence", unreachable)
                await inquire(market, 20)
            assert len(market.log.said("NO EVIDENCE about")) == weekends
            await inquire(market)


async def test_a_broker_that_does_not_answer_begins_the_counting_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unreachable(*_: object) -> Evidence:
        raise BrokerUnreachable("no answer within 5 s")

    async with a_machine(tmp_path, signals=PATIENT) as market:
        await with_a_lost_entry(market)
        forget(market)
        await inquire(market, 2)
        with monkeypatch.context() as cut:
            cut.setattr(PaperBroker, "evidence", unreachable)
            await inquire(market)
        assert len(market.log.said("NO EVIDENCE about")) == 1
        await inquire(market, 2)
        assert state(market) == "unknown"
        await inquire(market)
        assert state(market) == "cancelled"


@pytest.mark.parametrize("part", EVIDENCE_PARTS)
async def test_an_answer_that_is_not_complete_proves_no_absence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    async with a_machine(tmp_path, signals=PATIENT) as market:
        await with_a_lost_entry(market)
        says(Evidence((), frozenset(), {}, {})._replace(**{part: None}), monkeypatch)
        await inquire(market, 6)
        assert state(market) == "unknown"


async def test_an_order_is_not_absent_while_the_broker_holds_other_shares(tmp_path: Path) -> None:
    """It may have been executed: its execution has to come first."""
    async with a_machine(tmp_path, signals=PATIENT) as market:
        await with_a_lost_entry(market)
        forget(market)
        market.broker._positions["JD"] = 100
        await inquire(market, 6)
        assert state(market) == "unknown"
        await market.report(a_fill("JD", 100, 30.0, order_ref="paper-1-0001", at=market.now))
        assert market.held() == {"JD": 100}
        assert state(market) == "working"


BOUGHT_BY_HAND = 100


def tells_all(order: Order, *, since_s: float = -60, began_s: float = 1) -> Evidence:
    """A complete answer that does not know an order, of a broker where somebody has bought its symbol by hand.

    It tells what has happened since so many seconds after the order was made; its connection began then.
    """
    made = order.created_at
    told = Evidence((), frozenset(), {}, {order.symbol: BOUGHT_BY_HAND})
    return told._replace(told_since=made + timedelta(seconds=since_s), epoch_began_at=made + timedelta(seconds=began_s))


async def lost_beside_a_purchase_by_hand(market: Market, monkeypatch: pytest.MonkeyPatch, **told: float) -> str:
    """What becomes of an order that never arrived."""
    await with_a_lost_entry(market)
    [order] = market.engine.book.orders.values()
    says(tells_all(order, **told), monkeypatch)
    await inquire(market, 6)
    return state(market)


async def test_an_order_that_would_be_told_is_absent_whatever_was_traded_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path, signals=PATIENT) as market:
        assert await lost_beside_a_purchase_by_hand(market, monkeypatch) == "cancelled"
        assert market.sql("SELECT broker FROM book_drift WHERE symbol = 'JD'") == [(BOUGHT_BY_HAND,)]
        market.check()


@pytest.mark.parametrize("told", [{"since_s": 1}, {"began_s": -1}])
async def test_an_answer_of_a_later_day_or_of_the_connection_it_was_sent_over_proves_no_absence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: dict[str, float]
) -> None:
    async with a_machine(tmp_path, signals=PATIENT) as market:
        assert await lost_beside_a_purchase_by_hand(market, monkeypatch, **told) == "unknown"


async def test_an_order_of_the_moment_from_which_an_answer_tells_would_be_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path, signals=PATIENT) as market:
        assert await lost_beside_a_purchase_by_hand(market, monkeypatch, since_s=0) == "cancelled"


async def test_an_order_of_the_moment_in_which_the_connection_began_may_still_be_on_its_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path, signals=PATIENT) as market:
        assert await lost_beside_a_purchase_by_hand(market, monkeypatch, began_s=0) == "unknown"


async def test_an_order_that_nobody_answers_becomes_unknown(tmp_path: Path) -> None:
    async with a_machine(tmp_path, signals=PATIENT) as market:
        market.script = lambda _: Treatment(is_silent=True, parts=(0,))
        await market.bar({"JD": 0.9})
        await market.wait(9)
        assert state(market) == "created"
        await market.wait(1)
        assert state(market) == "unknown"
        await inquire(market)
        assert state(market) == "working"


async def test_a_cancel_that_nobody_answers_is_asked_after(tmp_path: Path) -> None:
    """The word of the end is lost: else its lock and its cash were held for ever, and nobody could resolve it."""
    async with a_machine(tmp_path, script=lambda _: Treatment(parts=(3,))) as market:
        await market.bar({"JD": 0.9})
        market.broker.cancel = market.broker._working.pop  # type: ignore[assignment]
        await market.bar()
        assert state(market) == "cancelling"
        await market.wait(30)
        assert state(market) == "unknown"
        await inquire(market, 3)
        assert state(market) == "cancelled"
        assert market.held() == {"JD": 3}
        assert market.engine.book.reserved_micros == 0
        market.check()


async def test_an_exit_of_unknown_fate_is_found_absent_and_tried_again(tmp_path: Path) -> None:
    def loses_exits(order: Order) -> Treatment:
        return LOST if order.side is Side.SELL else Treatment()

    async with a_machine(tmp_path, script=loses_exits) as market:
        await market.bars(2, {"JD": 0.9})
        await market.command(CommandName.FLATTEN)
        assert state(market, "SELL") == "unknown"
        forget(market)
        market.script = lambda _: Treatment()
        await inquire(market, 3)
        await market.bars(2)
        assert market.held() == {}
        market.check()


@pytest.mark.parametrize("beside", [30, -30])
async def test_an_exit_is_found_absent_also_where_the_broker_holds_other_shares_since_before(
    tmp_path: Path, beside: int
) -> None:
    """Foreign or missing shares that are known explain the difference: the exit is not waited for without end."""
    async with a_machine(tmp_path) as market:
        await market.bars(2, {"AAPL": 0.8})
        held = market.held()["AAPL"]
        market.broker._positions["AAPL"] += beside
        await market.restart(keep_broker=True)
        market.script = lambda _: LOST
        await market.command(CommandName.FLATTEN)
        assert state(market, "SELL") == "unknown"
        forget(market)
        market.script = lambda _: Treatment()
        await inquire(market, 3)
        await market.bars(2)
        assert market.at_broker().get("AAPL", 0) == max(beside, 0)
        assert market.held().get("AAPL", 0) == held - min(held, held + beside)
        market.check()


async def test_the_orders_of_an_earlier_run_are_asked_about_until_an_answer_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker's memory died with it: an exit that the book calls working would have been waited for without end."""
    async with a_machine(tmp_path) as market:
        await market.bars(2, {"AAPL": 0.8})
        await market.command(CommandName.FLATTEN)
        await market.command(CommandName.RESUME)
        assert state(market, "SELL") == "working"
        await market.restart(recovering=False)
        with an_unwritable_book(monkeypatch):
            await recover(market.engine, market.broker, market.log)
        await inquire(market)
        await market.bars(2)
        assert market.sql("SELECT state FROM orders WHERE side = 'SELL'") == [("cancelled",), ("filled",)]
        assert market.held() == {}
        market.check()


# -- the operator --------------------------------------------------------------------------------------------------


async def resolve(market: Market, fate: Fate, ref: str = "paper-1-0001", price_micros: int = 0) -> str:
    return await market.command(CommandName.RESOLVE, order_ref=ref, fate=fate, price_micros=price_micros)


@pytest.mark.parametrize("fate", [Fate.WORKING, Fate.CANCELLED])
async def test_an_operator_may_say_what_became_of_it(tmp_path: Path, fate: Fate) -> None:
    async with a_machine(tmp_path, signals=PATIENT) as market:
        await with_a_lost_entry(market)
        assert (await resolve(market, fate)).startswith(f"paper-1-0001 is {fate}")
        assert state(market) == fate
        assert bool(market.engine.book.locks) is (fate is Fate.WORKING)
        market.check()


async def test_an_operator_may_say_that_it_was_filled(tmp_path: Path) -> None:
    async with a_machine(tmp_path, signals=PATIENT) as market:
        await with_a_lost_entry(market)
        quantity = market.one("SELECT quantity FROM orders")
        assert (await resolve(market, Fate.FILLED)).startswith("refused: it would have a price of 0")
        assert not (await resolve(market, Fate.FILLED, price_micros=30_000_000)).startswith("refused")
        assert market.held() == {"JD": quantity}
        assert market.one("SELECT execution_id FROM trades") == "resolved-paper-1-0001"
        market.check()
        await market.report(a_fill("JD", quantity, 30.1, order_ref="paper-1-0001", at=market.now))
        assert market.held() == {"JD": quantity}, "the real report does not book it a second time"
        assert "all" in market.engine.book.halts


async def test_only_an_order_of_unknown_fate_is_resolved_by_hand(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=lambda _: Treatment(parts=(0,)), signals=PATIENT) as market:
        await market.bar({"JD": 0.9})
        assert "only an order of unknown fate" in await resolve(market, Fate.CANCELLED)
        assert "is no live order" in await resolve(market, Fate.CANCELLED, "paper-1-0009")
        assert market.working() == [("BUY", "JD")]


async def test_a_price_by_hand_never_makes_cash_negative(tmp_path: Path) -> None:
    async with a_machine(tmp_path, signals=PATIENT) as market:
        await with_a_lost_entry(market)
        assert (await resolve(market, Fate.FILLED, price_micros=20_000_000_000)).startswith("refused: cash would be")
        assert market.held() == {}


def lose_the_word_of_its_end(market: Market) -> None:
    """The broker has ended the order, and its report has never come."""
    emit, market.broker._emit = market.broker._emit, lambda _: None
    market.broker.expire()
    market.broker._emit = emit


async def test_an_order_that_works_in_the_book_alone_is_of_unknown_fate_after_two_answers(tmp_path: Path) -> None:
    """Else an exit whose end nobody has heard of would work for ever, and its position would never be closed."""
    async with a_machine(tmp_path, signals=PATIENT, script=lambda _: Treatment(parts=(0,))) as market:
        await market.bar({"JD": 0.9})
        [ref] = market.engine.book.orders
        lose_the_word_of_its_end(market)
        await inquire(market, every_s=60)
        assert market.engine.book.orders[ref].state == "working", "it may have come there after the answer was given"
        await inquire(market, every_s=60)
        assert state(market) == "unknown"
        why = "SELECT data ->> 'reason' FROM events WHERE data ->> 'state' = 'unknown'"
        assert market.one(why) == "two answers of the broker do not show it as open"
        await inquire(market, 3, every_s=60)
        assert state(market) == "cancelled"


async def test_an_order_that_was_not_there_yet_is_not_doubted_when_the_next_answer_shows_it(tmp_path: Path) -> None:
    async with a_machine(tmp_path, signals=PATIENT, script=lambda _: Treatment(parts=(0,))) as market:
        await market.bar({"JD": 0.9})
        there = dict(market.broker._working)
        market.broker._working.clear()
        await inquire(market, every_s=60)
        market.broker._working.update(there)
        await inquire(market, every_s=60)
        market.broker._working.clear()
        await inquire(market, every_s=60)
        [order] = market.engine.book.orders.values()
        assert order.state == "working"
