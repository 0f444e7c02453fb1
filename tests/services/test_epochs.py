"""An epoch is one unbroken connection to the broker: when it ends, nothing but exits until everything is told anew."""

from pathlib import Path

import pytest
from builders import Market, a_machine, a_signal, an_unwritable_book
from test_reconciliation import hold, inquire, refused_by, says

from trader.audit.audit import audit
from trader.domain.decision import Rule
from trader.domain.events import (
    NO_EVIDENCE,
    TELLS,
    EpochEnded,
    Evidence,
    EvidenceGiven,
    JournalType,
    SignalReceived,
    Tick,
)

LOST = EpochEnded("IB has lost its servers (1100)")


def epochs(market: Market) -> list[str]:
    """Their beginnings and ends, as the journal tells them."""
    told = market.sql("SELECT type FROM events WHERE type IN ('reconciled', 'epoch_ended') ORDER BY seq")
    return [type_ for (type_,) in told]


def entries_found(market: Market) -> list[tuple[str]]:
    """By the audit's rule on them."""
    [answer] = [answer for answer in audit(market.path, {}) if answer.rule.name == "no_entry_while_unreconciled"]
    assert not answer.fault
    return [(finding.id,) for finding in answer.findings]


async def test_no_entry_after_the_end_of_an_epoch_until_everything_is_told_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        await market.bar()
        await market.engine.handle([LOST])
        assert refused_by(await market.submit("QQQ", 0.8)) is Rule.UNRECONCILED
        with monkeypatch.context() as cut:
            says(NO_EVIDENCE, cut)
            await inquire(market, times=3)
        assert refused_by(await market.submit("QQQ", 0.8)) is Rule.UNRECONCILED, "unknown is not complete"
        await inquire(market)
        assert (await market.submit("QQQ", 0.8)).ticket is not None


@pytest.mark.parametrize("told", [NO_EVIDENCE._replace(positions={}), NO_EVIDENCE])
async def test_the_journal_tells_once_an_epoch_that_the_broker_has_told_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: Evidence
) -> None:
    async with a_machine(tmp_path) as market:
        await inquire(market, times=2)
        with monkeypatch.context() as cut:
            says(told, cut)
            await market.engine.handle([LOST])
            await inquire(market, times=2)
        assert epochs(market) == ["reconciled", "epoch_ended"]
        await inquire(market, times=2)
        assert epochs(market) == ["reconciled", "epoch_ended", "reconciled"]


async def test_two_complete_answers_in_one_step_are_told_as_one(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.engine.handle([LOST])
        answer = EvidenceGiven((), await market.broker.evidence(()))
        await market.engine.handle([answer, answer])
        assert epochs(market)[-2:] == ["epoch_ended", "reconciled"]


async def test_an_answer_without_everything_keeps_no_entry_back_once_the_broker_has_told_everything(
    tmp_path: Path,
) -> None:
    async with a_machine(tmp_path) as market:
        await market.bar()
        signal = SignalReceived(a_signal("QQQ", 0.8, at=market.now))
        await market.handle(EvidenceGiven((), NO_EVIDENCE), signal)
        assert market.sql("SELECT symbol, outcome FROM book_signals") == [("QQQ", "ordered")]


async def test_an_epoch_that_ends_with_the_answer_that_began_it_is_told_as_ended(tmp_path: Path) -> None:
    """Otherwise the journal would say that the broker has told everything, and the gate that it has not."""
    async with a_machine(tmp_path) as market:
        await market.engine.handle([LOST])
        await market.engine.handle([EvidenceGiven((), await market.broker.evidence(())), LOST])
        assert epochs(market)[-2:] == ["reconciled", "epoch_ended"]
        assert refused_by(await market.submit("QQQ", 0.8)) is Rule.UNRECONCILED


async def test_an_epoch_in_which_the_broker_has_not_told_everything_ends_without_a_word(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.restart(recovering=False)
        await market.engine.handle([LOST])
        assert epochs(market) == ["reconciled"], "of the run before"
        assert not market.log.said("EPOCH ENDED")


@pytest.mark.parametrize("tells", [TELLS, 1])
async def test_the_audit_finds_an_entry_that_was_made_before_the_broker_had_told_everything(
    tmp_path: Path, tells: int
) -> None:
    """Of a run that does not tell when, nothing can be said."""
    async with a_machine(tmp_path) as market:
        await market.engine.mark(JournalType.RUN_STARTED, kind="paper", tells=tells)
        await market.engine.handle([LOST])
        await inquire(market)
        assert (await market.submit("QQQ", 0.8)).ticket is not None
        assert entries_found(market) == []
        await market.engine.handle([LOST])
        market.engine.trading.gate.open(Rule.UNRECONCILED)
        assert (await market.submit("AAPL", 0.8)).ticket is not None
        [unreconciled] = market.sql("SELECT order_ref FROM book_orders WHERE symbol = 'AAPL'")
        assert entries_found(market) == ([unreconciled] if tells == TELLS else [])


async def test_exits_go_on_after_the_end_of_an_epoch(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await hold(market, "AAPL")
        await market.engine.handle([LOST])
        await market.bar(closes={"AAPL": 195.0})
        await market.bar()
        assert market.held() == {}


async def test_an_order_that_the_new_epoch_does_not_show_is_of_unknown_fate(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.bar()
        decision = await market.submit("QQQ", 0.8)
        assert decision.ticket is not None
        market.broker._working.clear()
        await market.engine.handle([LOST])
        await inquire(market)
        assert market.sql("SELECT state FROM book_orders") == [("unknown",)]


async def test_the_end_of_an_epoch_is_told_once_and_is_in_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        await market.bar()
        with an_unwritable_book(monkeypatch):
            await market.engine.handle([LOST])
            assert market.engine.trading.gate.why.count("1100") == 1, "at once, whether or not it can be written"
        await market.engine.handle([Tick()])
        await market.engine.handle([LOST])
        told = market.sql("SELECT data ->> 'reason' FROM events WHERE type = 'epoch_ended'")
        assert told == [("IB has lost its servers (1100)",)]
        assert market.log.said("EPOCH ENDED") == [
            "EPOCH ENDED: IB has lost its servers (1100); no entry leaves until the broker has told everything anew, "
            "exits go on account=paper"
        ]


async def test_the_first_answer_after_the_end_of_an_epoch_is_believed_at_once_of_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it is not complete: an exit of what is not there would open a short."""
    async with a_machine(tmp_path) as market:
        held = await hold(market, "AAPL")
        await market.engine.handle([LOST])
        says(NO_EVIDENCE._replace(positions={}), monkeypatch)
        await inquire(market)
        assert market.sql("SELECT symbol, book, broker FROM book_drift") == [("AAPL", held, 0)]
