"""Incident 3: two managers beside one store, and a look-up that did not say whose executions it wanted.

Seen then: every five minutes the manager of `tiny` made tracking rows of positions that `large` held, could not close
them, and made them again. Deeper: a row that was `closing` was invisible to the look-up; a default account stood in for
the missing one; a broker that failed read as one that holds nothing; and a row that was stuck was called closed.
"""

from pathlib import Path

import pytest
from builders import Neighbour, a_fill, neighbours

from trader.adapters.paper.broker import PaperBroker, Treatment
from trader.adapters.sqlite import one_account
from trader.adapters.sqlite.queries import QUERIES
from trader.app.accounts import choose
from trader.domain.decision import Rule, Side
from trader.domain.errors import BookBroken, BookRefused, BrokerUnreachable, ConfigurationError
from trader.domain.events import NO_EVIDENCE, Evidence, JournalType
from trader.domain.ledger import PositionState
from trader.domain.order import Fill

CYCLES = 6
HELD_BY_LARGE = {"AAPL": 0.8, "MSFT": 0.8}
NEVER = Treatment(parts=(0,), ignore_cancel=True)


async def cycle(*managers: Neighbour, restarts: bool = False) -> None:
    """Five minutes of each, at whose end it asks its broker what was executed."""
    for manager in managers:
        if restarts:
            await manager.restart(keep_broker=True)
        await manager.bars(5)
        await manager.engine.ask_broker()
        await manager.settle()


def created(manager: Neighbour) -> list[str]:
    """What it said that it made."""
    return manager.log.said("Created position")


def everything(manager: Neighbour) -> dict[str, list[tuple[object, ...]]]:
    """What the account has in the book that makes it an account with trades."""
    tables = ("book_positions", "book_orders", "book_fills", "book_lots", "book_locks", "book_events")
    return {table: manager.sql(f"SELECT * FROM {table}") for table in tables}  # noqa: S608  (our names)


# -- the store has both accounts' executions ------------------------------------------------------------------------


@pytest.mark.parametrize("restarts", [False, True], ids=["running", "restarted"])
async def test_a_manager_makes_positions_of_its_own_executions_alone(tmp_path: Path, restarts: bool) -> None:
    async with neighbours(tmp_path, "large", "tiny") as (large, tiny):
        await large.bars(2, HELD_BY_LARGE)
        await tiny.bars(2)
        held = large.held()
        for _ in range(CYCLES):
            await cycle(large, tiny, restarts=restarts)
        assert (large.held(), tiny.held()) == (held, {})
        assert created(large) == ["Created position AAPL account=large", "Created position MSFT account=large"]
        assert created(tiny) == []
        assert not any(rows for table, rows in everything(tiny).items() if table != "book_events")
        large.check()
        tiny.check()


async def test_both_may_hold_the_same_each_once(tmp_path: Path) -> None:
    async with neighbours(tmp_path, "large", "tiny") as managers:
        for manager in managers:
            await manager.bars(2, HELD_BY_LARGE)
        for _ in range(CYCLES):
            await cycle(*managers, restarts=True)
        for manager in managers:
            assert set(manager.held()) == set(HELD_BY_LARGE)
            assert created(manager) == [
                f"Created position {symbol} account={manager.account}" for symbol in HELD_BY_LARGE
            ]
            assert manager.journaled(JournalType.FILL) == len(HELD_BY_LARGE)
            assert {account for (account,) in manager.sql("SELECT account FROM events")} == {manager.account}
            manager.check()


@pytest.fixture
def one_store(monkeypatch: pytest.MonkeyPatch) -> list[Fill]:
    """The incident's store: whoever asks it is told the executions of both accounts."""
    store: list[Fill] = []
    evidence = PaperBroker.evidence

    async def unfiltered(broker: PaperBroker, order_refs: tuple[str, ...]) -> Evidence:
        told = await evidence(broker, order_refs)
        store.extend(fill for fill in told.executions or () if fill not in store)
        return told._replace(executions=tuple(store))

    monkeypatch.setattr(PaperBroker, "evidence", unfiltered)
    return store


async def test_an_execution_of_the_other_account_makes_nothing_and_is_said(
    tmp_path: Path, one_store: list[Fill]
) -> None:
    async with neighbours(tmp_path, "large", "tiny") as (large, tiny):
        await large.bars(2, HELD_BY_LARGE)
        await cycle(large)
        assert {fill.account for fill in one_store} == {"large"}
        before = everything(large)
        for _ in range(CYCLES):
            await cycle(tiny)
        assert tiny.held() == {}
        assert created(tiny) == []
        assert not any(rows for table, rows in everything(tiny).items() if table != "book_events")
        assert everything(large) == before
        assert len(tiny.log.said("UNEXPECTED EXECUTION")) == len(one_store) == 2, "said once, and not in every cycle"
        assert tiny.journaled(JournalType.ALARM) == 2
        tiny.check()


async def test_the_row_is_not_made_for_a_name_that_is_nearly_right(tmp_path: Path) -> None:
    """There the same account was `large`, `large-default` and `large-100k`."""
    async with neighbours(tmp_path, "large") as (large,):
        for name in ("large-100k", "Large", ""):
            await large.report(a_fill("JD", 10, 30.0, at=large.now, account=name))
            with pytest.raises(BookRefused, match=r"FOREIGN KEY|another_account"):
                await large.writer.transact(
                    lambda book, name=name: book.execute(QUERIES["insert_input"], (name, 1, "BarTime", "{}"))  # type: ignore[misc]
                )
        assert large.held() == {}
    for name in ("large-100k", "large-default", "Large"):
        with pytest.raises(ConfigurationError, match="configured: large, tiny"):
            choose(["large", "tiny"], name)


# -- a row stuck in closing -----------------------------------------------------------------------------------------


async def stuck(manager: Neighbour) -> None:
    """It holds one position, whose exit the broker has and does nothing about."""
    await manager.bars(2, {"AAPL": 0.8})
    manager.script = lambda order: NEVER if order.side is Side.SELL else Treatment()
    await manager.bar({"AAPL": 0.2})
    assert manager.sql("SELECT symbol, state FROM positions") == [("AAPL", "closing")]


@pytest.mark.parametrize("restarts", [False, True], ids=["running", "restarted"])
async def test_closing_is_held_and_is_neither_made_again_nor_called_closed(tmp_path: Path, restarts: bool) -> None:
    """An hour of it: there it was called closed after thirty minutes."""
    async with neighbours(tmp_path, "large", "tiny") as (large, tiny):
        await stuck(large)
        row = large.sql("SELECT symbol, quantity, opened_us, state FROM book_positions")
        for _ in range(12):
            await cycle(large, tiny, restarts=restarts)
            refusal = (await large.submit("AAPL", 0.9)).refusal
            assert refusal is not None
            assert large.sql("SELECT symbol, quantity, opened_us, state FROM book_positions") == row
            assert large.engine.book.positions["AAPL"].state is PositionState.CLOSING
        assert created(large) == ["Created position AAPL account=large"]
        assert large.sql("SELECT count(*) FROM orders WHERE side = 'SELL'") == [(1,)], "and it is not sold twice"
        assert tiny.held() == {}
        large.check()


async def test_closed_means_filled(tmp_path: Path) -> None:
    async with neighbours(tmp_path, "large", "tiny") as (large, tiny):
        await stuck(large)
        await cycle(large, tiny)
        [(ref, held)] = large.sql("SELECT order_ref, quantity FROM orders WHERE side = 'SELL'")
        assert large.sql("SELECT count(*) FROM round_trips") == [(0,)]
        await large.report(a_fill("AAPL", held, 200.0, side=Side.SELL, order_ref=ref, at=large.now, account="large"))
        assert large.sql("SELECT state, quantity FROM positions") == [("flat", 0)]
        assert large.sql("SELECT count(*) FROM round_trips") == [(1,)]
        large.check()


@pytest.mark.parametrize("state", ["open", "closing"])
async def test_the_database_refuses_a_second_position_of_one_instrument(tmp_path: Path, state: str) -> None:
    async with neighbours(tmp_path, "large", "tiny") as (large, tiny):
        await (large.bars(2, {"AAPL": 0.8}) if state == "open" else stuck(large))
        columns = [str(row[1]) for row in large.sql("PRAGMA table_info(book_positions)")]
        stored = ", ".join(column for column in columns if column != "multiplier")  # which is computed
        with pytest.raises(
            BookRefused, match=r"UNIQUE constraint failed: book_positions\.account, book_positions\.symbol"
        ):
            await large.writer.transact(
                lambda book: book.execute(
                    f"INSERT INTO book_positions ({stored}) SELECT {stored} FROM book_positions "  # noqa: S608
                    "WHERE account = 'large'"
                )
            )
        await tiny.bars(2, {"AAPL": 0.8})
        assert set(tiny.held()) == set(large.held()) == {"AAPL"}


async def test_an_exit_names_what_is_held_and_never_its_underlying(tmp_path: Path) -> None:
    """There the underlying was sold in the place of what was held, which opened a short."""
    async with neighbours(tmp_path, "large", "tiny") as (large, tiny):
        await large.bars(2, {"QQQ": 0.95})
        await tiny.bars(2, {"QQQ": 0.8})
        assert (set(large.held()), set(tiny.held())) == ({"TQQQ"}, {"QQQ"})
        shares = large.held()["TQQQ"]
        await large.bars(2, {"QQQ": 0.5})
        assert large.sql("SELECT symbol, quantity FROM orders WHERE side = 'SELL'") == [("TQQQ", shares)]
        assert (large.held(), set(tiny.held())) == ({}, {"QQQ"})
        assert min(large.at_broker().values(), default=0) >= 0


# -- a broker that fails --------------------------------------------------------------------------------------------


async def unreachable(*_: object) -> Evidence:
    raise BrokerUnreachable("HTTP 500")


async def silent(*_: object) -> Evidence:
    return NO_EVIDENCE


async def without_positions(*_: object) -> Evidence:
    return NO_EVIDENCE._replace(executions=(), working=frozenset(), ended={})


@pytest.mark.parametrize(
    ("fails", "restarts"),
    [(unreachable, False), (silent, False), (without_positions, False), (silent, True), (without_positions, True)],
)
async def test_a_broker_that_fails_holds_what_the_book_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: object, restarts: bool
) -> None:
    """There "no answer" read as "no positions", and every position looked phantom and was closed in the book."""
    async with neighbours(tmp_path, "large", "tiny") as (large, tiny):
        await large.bars(2, HELD_BY_LARGE)
        rows = large.sql("SELECT symbol, quantity, opened_us, state FROM book_positions")
        with monkeypatch.context() as broken:
            broken.setattr(PaperBroker, "evidence", fails)
            for _ in range(CYCLES):
                await cycle(large, restarts=restarts)
            assert large.sql("SELECT symbol, quantity, opened_us, state FROM book_positions") == rows
            assert large.sql("SELECT * FROM book_drift") == []
            assert large.sql("SELECT count(*) FROM orders WHERE side = 'SELL'") == [(0,)]
            if restarts:
                refusal = (await large.submit("JD", 0.9)).refusal
                assert refusal is not None
                assert refusal.rule is Rule.UNRECONCILED
        await tiny.bars(2, {"JD": 0.8})
        assert set(tiny.held()) == {"JD"}, "and the neighbour trades on"
        await cycle(large)
        assert large.sql("SELECT * FROM book_drift") == []
        large.check()


async def test_with_a_broker_that_fails_nothing_starts_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with neighbours(tmp_path, "large", "tiny") as (large, tiny):
        await large.bars(2, HELD_BY_LARGE)
        before = everything(large)
        with monkeypatch.context() as broken:
            broken.setattr(PaperBroker, "evidence", unreachable)
            with pytest.raises(BrokerUnreachable):
                await large.restart()
        assert everything(large) == before
        await tiny.bars(2, {"JD": 0.8})
        await large.restart()
        assert (set(large.held()), set(tiny.held())) == (set(HELD_BY_LARGE), {"JD"})


# -- the protections, taken away ------------------------------------------------------------------------------------


def forget_the_account(monkeypatch: pytest.MonkeyPatch, *queries: str) -> None:
    """The incident's own cause, planted: a look-up that takes the account and does not use it."""
    for name in queries:
        unfiltered = QUERIES[name].replace("account = ? AND", "account IS NOT NULL AND ? IS NOT NULL AND")
        assert unfiltered != QUERIES[name]
        monkeypatch.setitem(QUERIES, name, unfiltered)


async def test_one_look_up_that_forgets_the_account_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with neighbours(tmp_path, "large", "tiny") as (large, tiny):
        await large.bars(2, HELD_BY_LARGE)
        forget_the_account(monkeypatch, "held_positions")
        with pytest.raises(BookBroken, match=r"AAPL has .* shares in its position and 0 in its lots"):
            await tiny.restart()


async def test_a_look_up_that_does_not_see_what_is_closing_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with neighbours(tmp_path, "large", "tiny") as (large, _):
        await stuck(large)
        only_open = QUERIES["held_positions"].replace("quantity > 0", "quantity > 0 AND state = 'open'")
        monkeypatch.setitem(QUERIES, "held_positions", only_open)
        with pytest.raises(BookBroken, match=r"AAPL has 0 shares in its position and \d+ in its lots"):
            await large.restart()


async def test_what_all_look_ups_forget_the_database_still_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`tiny` takes what `large` holds for its own and wants to stop it out: not a row of either changes by it."""
    async with neighbours(tmp_path, "large", "tiny") as (large, tiny):
        await large.bars(2, HELD_BY_LARGE)
        before = everything(large)
        forget_the_account(monkeypatch, "held_positions", "open_lots")
        await tiny.restart()
        assert set(tiny.engine.book.positions) == set(HELD_BY_LARGE)
        await tiny.bar(closes={"AAPL": 150.0, "MSFT": 300.0})
        await tiny.bars(3)
        assert everything(large) == before
        assert tiny.held() == {}
        assert tiny.sql("SELECT count(*) FROM book_orders") == [(0,)]
        assert tiny.log.errors


async def test_without_the_binding_a_commit_of_the_other_account_would_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it is the binding that keeps the accounts apart where nothing else does."""
    statement = "UPDATE book_accounts SET signals_seen = 99 WHERE account = 'large'"
    async with neighbours(tmp_path, "large", "tiny") as (large, tiny):
        with pytest.raises(BookRefused, match=one_account.REFUSAL):
            await tiny.writer.transact(lambda book: book.execute(statement))
        monkeypatch.setattr(one_account, "refuse_others", lambda *_: None)
        await tiny.restart()
        await tiny.writer.transact(lambda book: book.execute(statement))
        assert large.one("SELECT signals_seen FROM book_accounts") == 99
