"""The audit beside a running daemon: it sees each commit, says once what is wrong, and stops entries."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from builders import CONFIGURATION, Market, a_machine

from trader.app.auditing import Auditing, BookWatch
from trader.app.settings import load_settings
from trader.audit.besides import as_shipped
from trader.audit.following import Following
from trader.audit.reading import open_read_only
from trader.audit.rule import Answer, Finding, Verdict
from trader.audit.rules import RULES
from trader.audit.watching import Watch
from trader.domain.breaker import Breaker, BreakerRule, findings_as_inputs, findings_in
from trader.domain.events import BreakerMeasured, CommandName

PRINCIPLES = {"no_negative_cash", "no_conflicting_positions", "one_opening_per_bar", "flat_at_close"}


@pytest.fixture
async def market(tmp_path: Path) -> AsyncIterator[Market]:
    """AAPL is held."""
    async with a_machine(tmp_path) as market:
        await market.bars(2, {"AAPL": 0.8})
        yield market


@pytest.fixture
def watch(market: Market) -> BookWatch:
    """Of its book."""
    return BookWatch(load_settings(CONFIGURATION, book={"db": market.path}))


def auditing(market: Market, watch: BookWatch, account: str = "paper") -> Auditing:
    """Its looks are taken here and now."""

    async def here(job: Callable[[], list[Answer]]) -> list[Answer]:
        return job()

    engine = market.engine
    return Auditing(
        watch,
        here,
        engine.inbox.post,
        engine.alarm,
        lambda: engine.book,
        market.log,
        account,
        market.history.findings_told,
    )


def meddle(market: Market, statement: str) -> None:
    """Do what the program never does."""
    with closing(sqlite3.connect(market.path, isolation_level=None)) as book:
        guards = book.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in guards:
            book.execute(f"DROP TRIGGER {name}")
        assert book.execute(statement).rowcount == 1
        for _, guard in guards:
            book.execute(guard)


def wrong(answers: list[Answer]) -> set[str]:
    """Names of the rules that something is wrong with."""
    return {answer.rule.name for answer in answers if answer.findings or answer.fault}


async def test_each_commit_is_looked_at_once(market: Market, watch: BookWatch) -> None:
    assert {answer.rule.name for answer in watch.principles()} == PRINCIPLES
    assert watch.principles() == []
    await market.bar({"AAPL": 0.5})
    assert wrong(watch.principles()) == set()
    assert watch.principles() == []
    watch.close()


async def test_what_was_looked_at_is_carried_forward(market: Market, watch: BookWatch) -> None:
    watch.principles()
    await market.bars(2, {"MSFT": 0.8})
    answers = {answer.rule.name: answer for answer in watch.principles()}
    assert answers["no_negative_cash"].looked_at == 1  # one execution
    assert answers["flat_at_close"].looked_at == 2  # what is held of AAPL, and one execution
    await market.jump(market.now + timedelta(days=1))
    assert wrong(watch.principles()) == {"flat_at_close"}
    watch.close()


async def test_what_is_looked_at_after_a_commit_is_told_by_the_journal_alone(market: Market) -> None:
    """All else is as long as the book, and the look would be as long too."""
    read: set[str] = set()

    def note(action: int, table: str | None, column: str | None, database: str | None, by: str | None) -> int:
        if action == sqlite3.SQLITE_READ and database == "main" and table is not None:
            read.add(table)
        return sqlite3.SQLITE_OK

    with closing(open_read_only(market.path)) as book:
        book.set_authorizer(note)
        assert wrong(Following(book, as_shipped({})).look()) == set()
    assert read == {"book_accounts", "book_events"}


async def test_a_violation_stops_entries_and_is_said_once(market: Market, watch: BookWatch) -> None:
    look = auditing(market, watch)
    await look._look_at_everything()
    await market.settle()
    assert not market.engine.book.latches
    meddle(market, "UPDATE book_lots SET cost_micros = cost_micros + 1 WHERE symbol = 'AAPL'")
    for _ in range(2):
        await look._look_at_everything()
        await market.settle()
    assert "lots_are_positions" in market.engine.book.latches["audit"].cause
    said = market.log.said("AUDIT VIOLATED lots_are_positions: AAPL")
    assert len(said) == 1
    assert "trader why paper-1-0001" in said[0]
    look.end()


async def test_a_violation_under_a_tripped_breaker_trips_it_again_when_it_was_cleared(
    market: Market, watch: BookWatch
) -> None:
    look = auditing(market, watch)
    market.engine.inbox.post(BreakerMeasured(Breaker.AUDIT, 1, "something else", {}))
    await market.settle()
    meddle(market, "UPDATE book_lots SET cost_micros = cost_micros + 1 WHERE symbol = 'AAPL'")
    await look._look_at_everything()
    await market.settle()
    assert market.engine.book.latches["audit"].cause == "something else"
    assert ("audit", "critical") in market.sql("SELECT type, severity FROM alarms")
    assert "cleared" in await market.command(CommandName.RESUME, breaker=Breaker.AUDIT)
    await look._look_at_everything()
    await market.settle()
    assert "lots_are_positions" in market.engine.book.latches["audit"].cause
    look.end()


async def test_two_findings_of_one_moment_are_both_told_and_both_trip(market: Market, watch: BookWatch) -> None:
    look = auditing(market, watch)
    first, second = (
        Answer(rule, Verdict.VIOLATED, 1, (Finding("paper", "AAPL", "is wrong", ""),))
        for rule in RULES
        if rule.name in ("flat_at_close", "lots_are_positions")
    )
    look.hear([first])
    look.hear([second])
    await market.settle()
    assert len(market.log.said("AUDIT VIOLATED")) == 2
    assert first.rule.name in market.engine.book.latches["audit"].cause
    for tripped in (True, False):
        await market.command(CommandName.RESUME, breaker=Breaker.AUDIT)
        look.hear([])
        await market.settle()
        assert ("audit" in market.engine.book.latches) is tripped
        if tripped:
            assert second.rule.name in market.engine.book.latches["audit"].cause
            assert first.rule.name not in market.engine.book.latches["audit"].cause


async def test_a_finding_that_was_sent_beside_another_cause_trips_once_that_is_cleared(
    market: Market, watch: BookWatch
) -> None:
    look = auditing(market, watch)
    market.engine.inbox.post(BreakerMeasured(Breaker.AUDIT, 1, "something else", {}))
    look.hear([Answer(RULES[0], Verdict.VIOLATED, 1, (Finding("paper", "AAPL", "is wrong", ""),))])
    await market.settle()
    look.hear([])
    assert market.engine.book.latches["audit"].cause == "something else"
    await market.command(CommandName.RESUME, breaker=Breaker.AUDIT)
    look.hear([])
    await market.settle()
    assert RULES[0].name in market.engine.book.latches["audit"].cause


@pytest.mark.parametrize("cleared", ["before", "after"])
async def test_what_a_person_has_cleared_trips_no_later_run_and_what_is_new_does(
    market: Market, watch: BookWatch, cleared: str
) -> None:
    meddle(market, "UPDATE book_lots SET cost_micros = cost_micros + 1 WHERE symbol = 'AAPL'")
    look = auditing(market, watch)
    await look._look_at_everything()
    await market.settle()
    assert "lots_are_positions|paper|AAPL" in market.engine.book.latches["audit"].inputs.values()
    if cleared == "before":
        await market.command(CommandName.RESUME, breaker=Breaker.AUDIT)
    await market.restart()
    again = auditing(market, BookWatch(load_settings(CONFIGURATION, book={"db": market.path})))
    await again._look_at_everything()
    await market.settle()
    if cleared == "after":
        await market.command(CommandName.RESUME, breaker=Breaker.AUDIT)
    again.hear([])
    await market.settle()
    assert not market.engine.book.latches
    meddle(market, "UPDATE book_orders SET limit_micros = limit_micros + 1")
    await again._look_at_everything()
    await market.settle()
    cause = market.engine.book.latches["audit"].cause
    assert "orders_as_told" in cause
    assert "lots_are_positions" not in cause
    look.end()
    again.end()


DEARER = "UPDATE book_lots SET cost_micros = cost_micros + 1 WHERE symbol = 'AAPL'"
CHEAPER = "UPDATE book_lots SET cost_micros = cost_micros - 1 WHERE symbol = 'AAPL'"


async def see_everything(market: Market, look: Auditing) -> bool:
    """Look at everything; whether the breaker has tripped then."""
    await look._look_at_everything()
    await market.settle()
    return Breaker.AUDIT in market.engine.book.latches


@pytest.mark.parametrize("again", ["in the same run", "in the next run"])
async def test_what_was_cleared_and_is_there_again_trips_again(market: Market, watch: BookWatch, again: str) -> None:
    look = auditing(market, watch)
    meddle(market, DEARER)
    assert await see_everything(market, look)
    await market.command(CommandName.RESUME, breaker=Breaker.AUDIT)
    assert not await see_everything(market, look), "it stands, and a person knows of it"
    if again == "in the next run":
        look.end()
        await market.restart()
        look = auditing(market, BookWatch(load_settings(CONFIGURATION, book={"db": market.path})))
    meddle(market, CHEAPER)
    assert not await see_everything(market, look)
    meddle(market, DEARER)
    assert await see_everything(market, look)
    look.end()


@pytest.mark.parametrize("is_seen", [True, False])
async def test_what_was_gone_and_came_again_while_nobody_ran_trips_again(
    market: Market, watch: BookWatch, *, is_seen: bool
) -> None:
    look = auditing(market, watch)
    meddle(market, DEARER)
    assert await see_everything(market, look)
    await market.command(CommandName.RESUME, breaker=Breaker.AUDIT)
    meddle(market, CHEAPER)
    if is_seen:
        await see_everything(market, look)
        assert len(market.log.said("AUDIT GONE lots_are_positions paper AAPL")) == 1
        gone = market.sql("SELECT subject, severity, state FROM alarms WHERE type = 'audit_gone'")
        assert gone == [("lots_are_positions|paper|AAPL", "info", "open")]
    look.end()
    await market.restart()
    meddle(market, DEARER)
    again = auditing(market, BookWatch(load_settings(CONFIGURATION, book={"db": market.path})))
    assert await see_everything(market, again) is is_seen, "what nobody has missed was never gone"
    again.end()


async def test_what_came_again_and_was_cleared_again_is_known_to_a_later_run(market: Market, watch: BookWatch) -> None:
    look = auditing(market, watch)
    for statement in (DEARER, CHEAPER, DEARER):
        meddle(market, statement)
        await see_everything(market, look)
        await market.bar()
        if statement is DEARER:
            await market.command(CommandName.RESUME, breaker=Breaker.AUDIT)
    look.end()
    await market.restart()
    again = auditing(market, BookWatch(load_settings(CONFIGURATION, book={"db": market.path})))
    assert not await see_everything(market, again)
    again.end()


async def test_what_comes_and_goes_while_its_latch_stands_is_said_and_trips_no_second_time(
    market: Market, watch: BookWatch
) -> None:
    look = auditing(market, watch)
    for statement in (DEARER, CHEAPER, DEARER):
        meddle(market, statement)
        await see_everything(market, look)
    assert len(market.log.said("AUDIT VIOLATED lots_are_positions: AAPL")) == 2
    await market.command(CommandName.RESUME, breaker=Breaker.AUDIT)
    assert not await see_everything(market, look)
    look.end()


async def test_a_look_that_tells_only_the_first_of_many_misses_nothing(market: Market, watch: BookWatch) -> None:
    look = auditing(market, watch)
    rule = next(rule for rule in RULES if rule.name == "lots_are_positions")
    many = [Finding("paper", str(number), "is wrong", "") for number in range(21)]
    looks = iter([many[:20], many[1:], many[:20]])
    watch.everything = lambda: [Answer(rule, Verdict.VIOLATED, 20, tuple(next(looks)))]  # type: ignore[method-assign]
    for _ in range(3):
        await look._look_at_everything()
    assert len(market.log.said("AUDIT VIOLATED lots_are_positions: 0 ")) == 1


async def test_what_the_look_at_everything_never_had_is_not_missed_by_it(market: Market, watch: BookWatch) -> None:
    look = auditing(market, watch)
    rule = next(rule for rule in RULES if rule.name == "flat_at_close")
    watch.principles = lambda: [  # type: ignore[method-assign]
        Answer(rule, Verdict.VIOLATED, 1, (Finding("paper", "AAPL", "is held", ""),))
    ]
    await look._look_at_principles()
    await look._look_at_everything()
    await look._look_at_principles()
    assert len(market.log.said("AUDIT VIOLATED flat_at_close")) == 1


@pytest.mark.parametrize("cleared", [False, True])
async def test_what_could_not_be_checked_trips_each_run_unless_its_latch_stands(
    market: Market, watch: BookWatch, *, cleared: bool
) -> None:
    blind = Answer(RULES[0], Verdict.COULD_NOT_CHECK, 0, fault="it does not see what it looks for")
    auditing(market, watch).hear([blind])
    await market.settle()
    if cleared:
        await market.command(CommandName.RESUME, breaker=Breaker.AUDIT)
    await market.restart()
    again = auditing(market, watch)
    again.hear([blind])
    await market.settle()
    if not cleared:
        await market.command(CommandName.RESUME, breaker=Breaker.AUDIT)
        again.hear([])
        await market.settle()
    assert (Breaker.AUDIT in market.engine.book.latches) is cleared


def test_a_latch_names_the_newest_findings_whole_and_counts_the_others() -> None:
    keys = [f"rule|paper|{number}" for number in range(203)]
    inputs = findings_as_inputs(keys)
    assert findings_in(inputs) == frozenset(keys[3:])
    assert inputs["findings before"] == 3


async def test_it_tells_how_many_rules_hold_as_of_the_last_look_at_everything(
    market: Market, watch: BookWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = auditing(market, watch)
    await look._look_at_principles()
    assert look.as_answer() == {}, "that was not everything"
    seconds = 1000.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: seconds)
    await look._look_at_everything()
    fine = look.as_answer()
    assert sum(fine["rules"].values()) == len(RULES)  # type: ignore[attr-defined]
    assert (fine["rules"]["violated"], fine["age_s"]) == (0, 0)  # type: ignore[index]
    meddle(market, "UPDATE book_lots SET cost_micros = cost_micros + 1 WHERE symbol = 'AAPL'")
    seconds += 60
    assert look.as_answer() == fine | {"age_s": 60}
    await look._look_at_everything()
    broken = look.as_answer()
    assert broken["rules"]["violated"] > 0  # type: ignore[index]
    seconds += 60
    await look._look_at_everything()
    assert look.as_answer() == broken, "nothing was committed since, and so it is as it was"
    market.path.rename(market.path.with_suffix(".gone"))
    unseen = auditing(market, BookWatch(load_settings(CONFIGURATION, book={"db": market.path})))
    await unseen._look_at_everything()
    assert unseen.as_answer()["rules"]["could not check"] == len(RULES)  # type: ignore[index]
    look.end()


async def test_a_look_that_cannot_be_taken_stops_entries(market: Market, watch: BookWatch) -> None:
    look = auditing(market, watch)
    market.path.rename(market.path.with_suffix(".gone"))
    await look._look_at_everything()
    await market.settle()
    assert market.log.said("AUDIT COULD NOT CHECK")
    assert Breaker.AUDIT in market.engine.book.latches


async def test_a_look_that_breaks_down_stops_entries(
    market: Market, watch: BookWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks_down(connection: sqlite3.Connection) -> None:
        raise OverflowError("date value out of range")

    monkeypatch.setattr("trader.audit.watching.EVERYTHING", (breaks_down,))
    monkeypatch.setattr(Watch.__init__, "__defaults__", ((breaks_down,),))
    look = auditing(market, watch)
    await look._look_at_everything()
    await market.settle()
    assert market.log.said("AUDIT COULD NOT CHECK no_negative_cash: OverflowError: date value out of range")
    assert Breaker.AUDIT in market.engine.book.latches


async def test_looks_that_cannot_begin_leave_nothing_open(
    market: Market, watch: BookWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(connection: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("trader.audit.summing.prepare", full)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        assert {answer.fault for answer in watch.principles()} == {"database or disk is full"}
    assert len(os.listdir("/proc/self/fd")) - before < 20


async def test_with_a_higher_limit_findings_that_come_one_by_one_add_up(
    market: Market, watch: BookWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        market.engine.trading.breakers._panel.rules,
        Breaker.AUDIT,
        BreakerRule(2),
    )
    seconds = 0.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: seconds)
    look = auditing(market, watch)
    for rule, tripped in ((RULES[0], False), (RULES[1], True)):
        look.hear([Answer(rule, Verdict.VIOLATED, 1, (Finding("paper", "AAPL", "is wrong", ""),))])
        await market.settle()
        seconds += 11
        look.hear([])
        await market.settle()
        assert (Breaker.AUDIT in market.engine.book.latches) is tripped
    latch = market.engine.book.latches["audit"]
    assert latch.measured == 2
    assert {key.split("|")[0] for key in findings_in(latch.inputs)} == {RULES[0].name, RULES[1].name}


async def test_what_another_account_of_the_book_has_done_stops_nobody_else(market: Market, watch: BookWatch) -> None:
    look = auditing(market, watch, "tiny")
    meddle(market, "UPDATE book_lots SET cost_micros = cost_micros + 1 WHERE symbol = 'AAPL'")
    await look._look_at_everything()
    assert not [line for line in market.log.errors if "lots_are_positions" in line]
    assert look.as_answer()["rules"]["violated"] == 0  # type: ignore[index]
    look.end()
