"""What the broker says it holds, against the ledger: unknown is never empty, and a difference is never traded over."""

import json
from datetime import date, datetime
from pathlib import Path

import pytest
from builders import Market, a_fill, a_machine, an_unwritable_book, assert_sound, new_york

from trader.adapters.paper.broker import PaperBroker, Treatment
from trader.adapters.sqlite.rows import from_us
from trader.domain.decision import Decision, Rule, Side
from trader.domain.errors import BrokerUnreachable
from trader.domain.events import (
    EVIDENCE_PARTS,
    NO_EVIDENCE,
    CommandName,
    Ended,
    Evidence,
    EvidenceGiven,
    FillReported,
    JournalType,
)
from trader.domain.money import micros
from trader.domain.order import Order

PATIENT = {"entry_timeout_s": 3600}
PARTS = EVIDENCE_PARTS


def says(evidence: Evidence, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the broker answers this."""

    async def answer(*_: object) -> Evidence:
        return evidence

    monkeypatch.setattr(PaperBroker, "evidence", answer)


def an_answer(**parts: object) -> Evidence:
    """A complete answer: nothing, but for what is named."""
    return Evidence((), frozenset(), {}, {})._replace(**parts)  # type: ignore[arg-type]


async def inquire(market: Market, times: int = 1, every_s: float = 15) -> None:
    for _ in range(times):
        await market.engine.inquire()
        await market.settle()
        await market.wait(every_s)


async def hold(market: Market, symbol: str) -> int:
    await market.bar({symbol: 0.8})
    await market.bar()
    return market.held()[symbol]


def refused_by(decision: Decision) -> Rule | None:
    return decision.refusal.rule if decision.refusal is not None else None


# -- the gate ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", PARTS)
async def test_no_entry_before_the_broker_has_told_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    async with a_machine(tmp_path) as market:
        held = await hold(market, "AAPL")
        with monkeypatch.context() as cut:
            says(an_answer(**{"positions": {"AAPL": held}, part: None}), cut)
            await market.restart()
            assert market.log.said(f"RECOVERY INCOMPLETE: the broker does not tell its {part}; no entry leaves until")
            assert market.engine.trading.gate.why == f"unreconciled: the broker does not tell its {part}"
            await market.bar()
            assert refused_by(await market.submit("QQQ", 0.8)) is Rule.UNRECONCILED
            assert market.sql("SELECT * FROM book_drift") == [], "unknown is not empty"
        await inquire(market)
        assert (await market.submit("QQQ", 0.8)).ticket is not None


async def test_no_entry_before_the_broker_was_asked(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.restart(recovering=False)
        assert market.engine.trading.gate.why == "unreconciled: the broker has not been asked yet"
        await market.bar()
        assert refused_by(await market.submit("QQQ", 0.8)) is Rule.UNRECONCILED


async def test_exits_do_not_wait_for_the_broker_to_tell_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        await hold(market, "AAPL")
        says(NO_EVIDENCE, monkeypatch)
        await market.restart()
        untold = "the broker does not tell its executions, working, ended, positions"
        assert market.engine.trading.gate.why == f"unreconciled: {untold}"
        assert market.log.errors[-1] == (
            f"RECOVERY INCOMPLETE: {untold}; no entry leaves until it does, exits go on account=paper"
        )
        await market.bar(closes={"AAPL": 195.0})
        await market.bar()
        assert market.held() == {}


async def test_an_answer_whose_step_was_not_written_opens_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        await market.restart(recovering=False)
        reconciliation = market.engine.trading.reconciliation
        reconciliation._heard = True
        reconciliation.not_happened()
        reconciliation.happened()
        assert reconciliation.is_first


async def test_the_answer_after_one_that_was_not_written_is_believed_at_once_as_the_first_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        held = await hold(market, "AAPL")
        await market.restart(recovering=False)
        missing = EvidenceGiven((), NO_EVIDENCE._replace(positions={}))
        with an_unwritable_book(monkeypatch):
            await market.handle(missing)
        await market.handle(missing)
        assert market.sql("SELECT symbol, book, broker FROM book_drift") == [("AAPL", held, 0)]


# -- foreign shares ------------------------------------------------------------------------------------------------


async def with_foreign(market: Market, symbol: str = "PSQ", shares: int = 40) -> None:
    market.broker._positions[symbol] = shares
    await market.restart(keep_broker=True)
    await market.bar()


async def test_foreign_shares_are_listed_left_alone_and_bar_their_family(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await with_foreign(market)
        assert market.sql("SELECT symbol, book, broker FROM book_drift") == [("PSQ", 0, 40)]
        assert "40 foreign shares" in market.log.said("DRIFT PSQ")[0]
        decision = await market.submit("QQQ", 0.8)
        assert refused_by(decision) is Rule.DRIFT
        assert (await market.submit("AAPL", 0.8)).ticket is not None, "other families trade"
        await market.bars_until("16:00")
        assert market.at_broker() == {"PSQ": 40}
        assert market.one("SELECT json_extract(data, '$.foreign') FROM events WHERE type = 'flat_proven'") == "PSQ 40"
        market.check()


async def test_a_difference_that_stays_is_told_once_and_its_end_too(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await with_foreign(market)
        before = market.sql("SELECT * FROM book_drift")
        await inquire(market, 3, every_s=61)
        assert market.sql("SELECT * FROM book_drift") == before
        await assert_sound(market)
        market.broker._positions["PSQ"] = 0
        await inquire(market, 2)
        assert [line.partition(":")[0] for line in market.log.said("DRIFT")] == [
            "DRIFT PSQ book 0 broker 40",
            "DRIFT ENDED PSQ",
        ]
        found, ended = market.sql("SELECT symbol, data FROM events WHERE type LIKE 'drift%' ORDER BY seq")
        assert (found[0], json.loads(found[1])) == ("PSQ", {"book": 0, "broker": 40})
        assert (ended[0], json.loads(ended[1])) == ("PSQ", {"reason": "book and broker have 0"})
        await assert_sound(market)


async def test_what_differs_is_found_beside_what_agrees(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        held = await hold(market, "AAPL")
        market.broker._positions.update(JD=20, PSQ=40)
        await market.restart(keep_broker=True)
        assert market.at_broker() == {"AAPL": held, "JD": 20, "PSQ": 40}
        assert market.sql("SELECT symbol FROM book_drift ORDER BY symbol") == [("JD",), ("PSQ",)]


def compared_at(market: Market) -> datetime:
    """When the book was last compared with the broker, as it says itself."""
    return from_us(market.one("SELECT at_us FROM book_reconciled"))


async def test_when_it_was_compared_last_goes_with_the_next_commit_whatever_that_is_about_and_with_no_other(
    tmp_path: Path,
) -> None:
    async with a_machine(tmp_path) as market:
        await inquire(market)
        await market.wait(61)
        before = compared_at(market)
        await market.engine.ask_broker()
        await market.settle()
        assert compared_at(market) == before, "it is worth no commit of its own"
        await market.command(CommandName.HALT)
        assert compared_at(market) == market.now
        statements: list[str] = []
        await market.book.writer.transact(lambda book: book.set_trace_callback(statements.append))
        await market.command(CommandName.RESUME)
        assert not [statement for statement in statements if "book_reconciled" in statement]
        assert "COMMIT" in statements


async def test_when_it_was_compared_last_is_known_after_a_step_that_was_thrown_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        await inquire(market)
        compared_at = market.engine.trading.reconciliation.reconciled_at
        assert compared_at is not None
        with an_unwritable_book(monkeypatch):
            await market.command(CommandName.HALT)
        await market.wait(1)
        assert market.engine.trading.reconciliation.reconciled_at == compared_at


async def test_adopted_shares_have_exits_and_cost_no_cash(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await with_foreign(market)
        cash = market.one("SELECT cash FROM account")
        answer = await market.command(CommandName.ADOPT, "symbol", "PSQ", price_micros=micros(39.0))
        assert answer == "adopted 40 PSQ at 39.00; its exits are armed"
        assert market.held() == {"PSQ": 40}
        assert market.one("SELECT cash FROM account") == cash
        assert market.sql("SELECT entry, state FROM armed_exits") == [(39.0, "open")]
        assert market.sql("SELECT * FROM book_drift") == []
        await market.bar(closes={"PSQ": 38.0})
        await market.bar()
        assert market.at_broker() == {}
        market.check()


async def test_adopted_shares_are_not_sold_before_their_adoption_is_in_the_book(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then they are foreign, and their sale would be one that no book of ours can hold."""
    async with a_machine(tmp_path) as market:
        await with_foreign(market)
        with an_unwritable_book(monkeypatch):
            answer = await market.command(CommandName.ADOPT, "symbol", "PSQ", price_micros=micros(39.0))
            assert answer.startswith("refused for now")
            for price in (38.0, 37.5, 37.0):
                await market.bar(closes={"PSQ": price})
            assert market.at_broker() == {"PSQ": 40}
            assert market.spill.read() == []
        for price in (37.0, 36.5, 36.0):
            await market.bar(closes={"PSQ": price})
        assert market.at_broker() == market.held() == {}
        market.check()


async def test_nothing_is_adopted_that_is_not_foreign(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        held = await hold(market, "AAPL")
        for symbol in ("AAPL", "PSQ"):
            answer = await market.command(CommandName.ADOPT, "symbol", symbol, price_micros=micros(39.0))
            assert answer.startswith(f"refused: no foreign shares of {symbol}")
        assert market.held() == {"AAPL": held}


async def test_foreign_shares_of_the_other_side_are_not_adopted_beside_a_position(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await hold(market, "QQQ")
        await with_foreign(market)
        cash = market.one("SELECT cash FROM account")
        answer = await market.command(CommandName.ADOPT, "symbol", "PSQ", price_micros=micros(39.0))
        assert answer.startswith("refused: QQQ is held, which is the other side")
        assert (set(market.held()), market.one("SELECT cash FROM account")) == ({"QQQ"}, cash)


async def test_foreign_shares_are_not_adopted_while_an_entry_of_the_other_side_works(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=lambda _: Treatment(delay_bars=9), signals=PATIENT) as market:
        await market.bar({"QQQ": 0.2})
        assert market.working() == [("BUY", "PSQ")]
        await with_foreign(market, "QQQ")
        answer = await market.command(CommandName.ADOPT, "symbol", "QQQ", price_micros=micros(500.0))
        assert answer.startswith("refused: PSQ has a working entry, which is the other side")
        assert market.held() == {}
        market.check()


async def test_foreign_shares_that_are_sold_at_the_broker_bar_nothing_any_more(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await with_foreign(market)
        del market.broker._positions["PSQ"]
        await inquire(market)
        assert market.log.said("DRIFT ENDED PSQ")
        assert (await market.submit("QQQ", 0.8)).ticket is not None


async def test_what_differs_is_remembered_by_the_book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_machine(tmp_path) as market:
        await with_foreign(market)
        says(NO_EVIDENCE, monkeypatch)
        await market.restart(keep_broker=True)
        assert set(market.engine.book.drift) == {"PSQ"}


# -- missing shares ------------------------------------------------------------------------------------------------


async def test_what_the_broker_lacks_is_not_sold_and_not_forgotten(tmp_path: Path) -> None:
    """A sell of it would open a short."""
    async with a_machine(tmp_path) as market:
        held = await hold(market, "AAPL")
        market.broker._positions["AAPL"] = 0
        await market.restart(keep_broker=True)
        assert "are missing at the broker" in market.log.said("DRIFT AAPL")[0]
        await market.bar(closes={"AAPL": 195.0})
        await market.bars(3)
        assert market.held() == {"AAPL": held}
        assert market.one("SELECT count(*) FROM orders WHERE side = 'SELL'") == 0
        assert market.engine.trading.exits.last.armed == {"AAPL": 0}
        await market.bars_until("15:59")
        assert market.log.said("NOT FLAT"), "it pages"
        market.check()


@pytest.mark.parametrize("part", ["executions", "working", "ended"])
async def test_what_the_broker_lacks_is_not_sold_either_while_it_does_not_tell_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    async with a_machine(tmp_path) as market:
        held = await hold(market, "AAPL")
        with monkeypatch.context() as cut:
            says(an_answer(**{"positions": {"AAPL": 0, "PSQ": 40}, part: None}), cut)
            await market.restart()
            assert market.sql("SELECT symbol, book, broker FROM book_drift") == [("AAPL", held, 0)]
            await market.bar(closes={"AAPL": 195.0})
            await market.bars(3)
            assert market.one("SELECT count(*) FROM orders WHERE side = 'SELL'") == 0
        await inquire(market)
        await market.bar()
        assert market.held() == {}, "the broker has it after all"


@pytest.mark.parametrize("keeps", [("executions", "working", "ended"), ()], ids=["positions", "everything"])
async def test_a_broker_that_says_once_that_it_holds_nothing_delays_the_exit_and_leads_to_no_other_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keeps: tuple[str, ...]
) -> None:
    async with a_machine(tmp_path, script=lambda _: Treatment(delay_bars=9), signals=PATIENT) as market:
        await market.bar({"AAPL": 0.8})
        await market.bars(10)
        held = market.held()["AAPL"]
        await market.bar(closes={"AAPL": 195.0})
        assert [side for side, _ in market.working()] == ["SELL"], "an exit works while the broker says that"
        true = await market.broker.evidence([])
        with monkeypatch.context() as cut:
            says(an_answer(**{part: getattr(true, part) for part in keeps}), cut)
            await market.restart(keep_broker=True)
            await market.bar()
        assert market.held() == {"AAPL": held}
        await inquire(market, 3)
        await market.bars(12)
        assert (market.held(), market.at_broker(), market.sql("SELECT * FROM book_drift")) == ({}, {}, [])
        assert market.one("SELECT sum(filled) FROM orders WHERE side = 'SELL'") == held
        assert market.one("SELECT count(*) FROM orders WHERE side = 'BUY'") == 1
        market.check()


async def test_an_exit_asks_for_no_more_than_the_broker_has(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        held = await hold(market, "AAPL")
        market.broker._positions["AAPL"] = held - 10
        await market.restart(keep_broker=True)
        await market.bar(closes={"AAPL": 195.0})
        await market.bars(5)
        assert market.held() == {"AAPL": 10}
        assert market.at_broker() == {}
        assert market.one("SELECT sum(quantity) FROM orders WHERE side = 'SELL'") == held - 10, "and not once more"
        market.check()


async def test_missing_shares_are_booked_as_sold_by_the_operator(tmp_path: Path) -> None:
    """Also when a part of them was sold before: the phantom rest must have a way out."""
    async with a_machine(tmp_path) as market:
        held = await hold(market, "AAPL")
        market.broker._positions["AAPL"] = held - 10
        await market.restart(keep_broker=True)
        await market.bar(closes={"AAPL": 195.0})
        await market.bars(2)
        assert market.held() == {"AAPL": 10}
        answer = await market.command(CommandName.ADJUST, "symbol", "AAPL", price_micros=micros(195.0))
        assert answer.startswith("booked 10 AAPL as sold at 195.00")
        assert market.held() == market.at_broker() == {}
        assert market.sql("SELECT * FROM book_drift") == []
        await market.bar()
        assert (await market.submit("AAPL", 0.8)).ticket is not None
        market.check()


async def test_what_is_not_missing_is_not_booked_as_sold(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        held = await hold(market, "AAPL")
        await with_foreign(market)
        for symbol in ("AAPL", "PSQ", "MSFT"):
            answer = await market.command(CommandName.ADJUST, "symbol", symbol, price_micros=micros(195.0))
            assert answer.startswith(f"refused: no missing shares of {symbol}")
        assert market.held() == {"AAPL": held}


async def test_a_found_execution_ends_what_was_missing(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        held = await hold(market, "AAPL")
        market.broker._positions["AAPL"] = 0
        await market.restart(keep_broker=True)
        sold = a_fill("AAPL", held, 199.0, side=Side.SELL, order_ref="by-hand", at=market.now)
        await market.report(sold)
        await inquire(market)
        assert market.held() == {}
        assert market.sql("SELECT * FROM book_drift") == []
        assert market.journaled(JournalType.DRIFT_ENDED) == 1


async def test_a_short_at_the_broker_is_said_and_never_bought_back(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        market.broker._positions["AAPL"] = -25
        await market.restart(keep_broker=True)
        assert "short of 25 shares" in market.log.said("DRIFT AAPL")[0]
        await market.bar()
        assert refused_by(await market.submit("AAPL", 0.8)) is Rule.DRIFT
        assert market.broker.orders_received == 0


# -- at run time ---------------------------------------------------------------------------------------------------


async def test_at_run_time_a_difference_counts_the_second_time(tmp_path: Path) -> None:
    """A report may be on its way."""
    async with a_machine(tmp_path) as market:
        await with_foreign(market)
        held = await hold(market, "AAPL")
        market.broker._positions["AAPL"] = held + 5
        await inquire(market)
        assert set(market.engine.book.drift) == {"PSQ"}
        await inquire(market)
        assert set(market.engine.book.drift) == {"AAPL", "PSQ"}


async def test_a_symbol_with_a_working_order_is_not_compared_at_run_time(tmp_path: Path) -> None:
    async with a_machine(tmp_path, signals=PATIENT) as market:
        await with_foreign(market)
        market.script = lambda _: Treatment(parts=(0,))
        await market.bar({"AAPL": 0.8})
        market.broker._positions["AAPL"] = 5
        await inquire(market, 4, every_s=1)
        assert set(market.engine.book.drift) == {"PSQ"}


async def test_at_the_start_a_symbol_with_a_working_order_is_compared_too(tmp_path: Path) -> None:
    async with a_machine(tmp_path, signals=PATIENT) as market:
        await with_a_working_entry(market)
        market.broker._positions["JD"] = 5
        await market.restart(keep_broker=True)
        assert market.sql("SELECT symbol, book, broker FROM book_drift") == [("JD", 0, 5)]


# -- orders at the start -------------------------------------------------------------------------------------------


async def with_a_working_entry(market: Market) -> Order:
    market.script = lambda _: Treatment(parts=(0,))
    await market.bar({"JD": 0.9})
    [order] = market.engine.book.orders.values()
    return order


def states_told(market: Market) -> list[tuple[str, str]]:
    """What the journal says of every change of an order's state, and why."""
    return market.sql("SELECT data ->> 'state', data ->> 'reason' FROM events WHERE type = 'order_state' ORDER BY seq")


async def test_an_order_that_the_broker_does_not_show_at_the_start_is_of_unknown_fate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One answer is no proof; its lock and its cash stay."""
    async with a_machine(tmp_path, signals=PATIENT) as market:
        order = await with_a_working_entry(market)
        says(an_answer(), monkeypatch)
        await market.restart()
        assert states_told(market) == [("unknown", "the broker does not show it")]
        assert market.engine.book.locks["JD"].reserved_micros > 0
        await inquire(market, 2)
        assert market.one("SELECT state FROM orders") == "unknown"
        await inquire(market)
        assert market.one("SELECT state FROM orders") == "cancelled"
        assert order.ref == market.one("SELECT order_ref FROM orders"), "and no second one"


async def test_an_order_that_the_broker_shows_at_the_start_is_never_in_doubt(tmp_path: Path) -> None:
    async with a_machine(tmp_path, signals=PATIENT) as market:
        await with_a_working_entry(market)
        told = states_told(market)
        await market.restart(keep_broker=True)
        assert market.one("SELECT state FROM orders") == "working"
        assert states_told(market) == told


async def test_an_exit_that_the_broker_does_not_show_at_the_start_is_of_unknown_fate_too(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await hold(market, "AAPL")
        market.script = lambda _: Treatment(parts=(0,))
        await market.command(CommandName.FLATTEN)
        market.broker._working.clear()
        await market.restart(keep_broker=True)
        assert market.one("SELECT state FROM orders WHERE side = 'SELL'") == "unknown"


async def test_an_order_that_ended_with_more_than_is_booked_waits_for_its_executions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path, signals=PATIENT) as market:
        order = await with_a_working_entry(market)
        ended = an_answer(ended={order.ref: Ended(30, "cancelled by the exchange")}, positions={"JD": 30})
        with monkeypatch.context() as partly:
            says(ended, partly)
            await market.restart()
            await inquire(market, 5)
        assert market.one("SELECT state FROM orders") == "unknown"
        assert states_told(market)[-1] == ("unknown", "ended with 30 shares filled, of which 0 are booked")
        fill = a_fill("JD", 30, 30.0, order_ref=order.ref, at=market.now)
        says(ended._replace(executions=(fill,)), monkeypatch)
        await inquire(market, 2)
        assert market.sql("SELECT state, filled FROM orders") == [("cancelled", 30)]
        assert states_told(market)[-1] == ("cancelled", "cancelled by the exchange")
        assert market.held() == {"JD": 30}
        assert market.sql("SELECT * FROM book_drift") == []
        market.check()


async def test_executions_of_the_time_between_are_booked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_machine(tmp_path, signals=PATIENT) as market:
        order = await with_a_working_entry(market)
        fills = (
            a_fill("JD", 30, 30.0, order_ref=order.ref, at=market.now),
            a_fill("JD", order.quantity - 30, 30.0, order_ref=order.ref, at=market.now),
        )
        says(an_answer(executions=(*fills, *fills), positions={"JD": order.quantity}), monkeypatch)
        for _ in range(3):
            await market.restart()
        assert market.held() == {"JD": order.quantity}
        assert len(market.trades()) == 2
        assert market.sql("SELECT state FROM orders") == [("filled",)]
        market.check()


async def test_a_rejected_order_is_found_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_machine(tmp_path, signals=PATIENT) as market:
        order = await with_a_working_entry(market)
        says(an_answer(ended={order.ref: Ended(0, "no such contract", rejected=True)}), monkeypatch)
        await market.restart()
        assert states_told(market) == [("rejected", "no such contract")], "and was never in doubt"
        assert market.engine.book.locks == {}


async def test_three_idle_restarts_change_nothing_but_the_rows_that_record_a_run(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await hold(market, "AAPL")
        await market.restart()

        def rows() -> list[str]:
            """Every row but those that tell in which phase a run began, that the broker was heard, and their count."""
            lines = [line for line in market.reader.iterdump() if line.startswith("INSERT")]
            owned = market.sql("SELECT account, cash_micros, reserved_micros, orders_made FROM book_accounts")
            of_a_run = ("'phase'", "'reconciled'", '"book_accounts"')
            kept = [line for line in lines if not any(name in line for name in of_a_run)]
            return [*kept, *map(str, owned)]

        before = rows()
        for _ in range(3):
            await market.restart()
        assert rows() == before
        assert market.broker.orders_received == 0


async def test_a_broker_that_does_not_answer_at_all_lets_nobody_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unreachable(*_: object) -> Evidence:
        raise BrokerUnreachable("no answer within 5 s")

    async with a_machine(tmp_path) as market:
        monkeypatch.setattr(PaperBroker, "evidence", unreachable)
        with pytest.raises(BrokerUnreachable):
            await market.restart()


async def test_an_execution_of_long_ago_that_the_broker_tells_again_is_no_news(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run remembers ten days; what is older the book knows, and recovery does not stumble over it."""
    async with a_machine(tmp_path) as market:
        held = await hold(market, "AAPL")
        [(execution, ref)] = market.sql("SELECT execution_id, order_ref FROM trades")
        old = a_fill("AAPL", held, 200.0, execution_id=execution, order_ref=ref, at=market.now)
        market.clock.set(new_york("12:00", date(2025, 7, 14)))
        says(an_answer(executions=(old,), positions={"AAPL": held}), monkeypatch)
        await market.restart()
        assert market.log.said("CONTRADICTION") == []
        assert market.held() == {"AAPL": held}
        assert not market.engine.trading.gate.why


@pytest.mark.parametrize("change", [-10, 10])
async def test_a_difference_that_arises_while_it_runs_is_found(tmp_path: Path, change: int) -> None:
    """Somebody trades by hand: the next exit would have sold what the broker has no more."""
    async with a_machine(tmp_path) as market:
        held = await hold(market, "AAPL")
        await inquire(market)
        market.broker._positions["AAPL"] += change
        await inquire(market, 12, every_s=5)
        assert market.sql("SELECT symbol, book, broker FROM book_drift") == [("AAPL", held, held + change)]


async def test_a_broker_that_agrees_is_asked_once_a_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_machine(tmp_path) as market:
        asked: list[datetime] = []

        async def answer(*_: object) -> Evidence:
            asked.append(market.now)
            return an_answer()

        monkeypatch.setattr(PaperBroker, "evidence", answer)
        await inquire(market, 24, every_s=5)
        assert len(asked) == 2


async def test_a_difference_that_is_known_is_asked_about_once_a_minute_and_a_new_one_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        asked: list[datetime] = []
        holds = {"AAPL": 30}

        async def answer(*_: object) -> Evidence:
            asked.append(market.now)
            return an_answer(positions=dict(holds))

        monkeypatch.setattr(PaperBroker, "evidence", answer)
        await inquire(market, 24, every_s=5)
        assert [(at - asked[0]).total_seconds() for at in asked] == [0, 5, 65]
        holds["AAPL"] = 20
        asked.clear()
        await inquire(market, 12, every_s=5)
        first, second, *_ = asked
        assert (second - first).total_seconds() == 5
        assert len(asked) == 2
        assert market.sql("SELECT broker FROM book_drift") == [(20,)]


async def test_the_broker_is_asked_before_its_day_ends_though_it_was_asked_just_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        await inquire(market)
        executed = a_fill("AAPL", 5, 200.0, at=market.now)
        says(an_answer(executions=(executed,), positions={"AAPL": 5}), monkeypatch)
        await market.engine.ask_broker()
        await market.settle()
        assert market.held() == {"AAPL": 5}


async def test_an_answer_of_a_step_that_was_refused_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        held = await hold(market, "AAPL")
        missing = EvidenceGiven((), an_answer(positions={"AAPL": held - 10}))
        booked = market.one("SELECT execution_id FROM trades")
        market.engine.trading._settlement._seen._kept.clear()
        refused = a_fill("AAPL", execution_id=booked, at=market.now)
        await market.handle(missing, FillReported(refused))
        assert market.sql("SELECT * FROM book_drift") == []
        await market.handle(missing)
        assert market.sql("SELECT symbol FROM book_drift") == [("AAPL",)]
