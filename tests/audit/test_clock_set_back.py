"""A clock that is set back between two events changes nothing of their order: the journal has it, and not the times."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from small_book import a_small_book

from trader.audit.besides import Knowledge, parts_of
from trader.audit.entries import (
    NO_ENTRY_WHILE_DIFFERING,
    NO_ENTRY_WHILE_DRIFTING,
    NO_ENTRY_WHILE_HALTED,
    NO_ENTRY_WHILE_TRIPPED,
)
from trader.audit.journal import HALTS_AS_TOLD
from trader.audit.orders import ONE_WORKING_ENTRY
from trader.audit.plants import told, tripped, wanted
from trader.audit.principles import ONE_OPENING_PER_BAR
from trader.audit.rule import Rule, Verdict
from trader.audit.watching import Watch

_AN_HOUR_BACK_US = -3_600_000_000

_A_HALT = """
INSERT INTO book_halts (account, scope, target, reason, since_us, flattens)
SELECT account, 'symbol', 'JD', 'a test', at_us, 1 FROM book_events WHERE account = 'one' ORDER BY seq DESC LIMIT 1;
"""
_ITS_END = """
UPDATE book_halts SET cleared_reason = 'seen', cleared_us = (
    SELECT at_us FROM book_events WHERE account = 'one' ORDER BY seq DESC LIMIT 1) WHERE target = 'JD';
"""
_HALTED_AND_RESUMED = (
    told("one", "halted", scope="symbol", target="JD", reason="a test", flattens=True),
    _A_HALT,
    told("one", "resumed", later_us=_AN_HOUR_BACK_US, key="symbol:JD", reason="seen"),
    _ITS_END,
)

_THEIR_LOCKS = """
INSERT INTO book_locks (order_ref, account, symbol, acquired_us, released_us)
SELECT data ->> 'order_ref', account, symbol, at_us, iif(data ->> 'order_ref' = 'one-1-0098', at_us + 1, NULL)
FROM book_events WHERE data ->> 'order_ref' IN ('one-1-0098', 'one-1-0099') AND type = 'order_created';
"""
_LOCKED_AGAIN = (
    wanted("one", "JD").replace("one-1-0099", "one-1-0098"),
    told("one", "lock_released", "JD", order_ref="one-1-0098", evidence="cancelled"),
    wanted("one", "JD", later_us=_AN_HOUR_BACK_US),
    _THEIR_LOCKS,
)
_A_MINUTE_US = 60_000_000
_OPENED_AGAIN = (
    wanted("one", "JD").replace("one-1-0099", "one-1-0097"),
    wanted("one", "JD", later_us=-_A_MINUTE_US).replace("one-1-0099", "one-1-0098"),
    wanted("one", "JD", later_us=0),
)
"""In a minute that is lived twice."""


@pytest.fixture
def book() -> Iterator[sqlite3.Connection]:
    """A sound book, whose schema refuses nothing."""
    with closing(a_small_book()) as sound:
        yield sound


@pytest.mark.parametrize(
    ("rule", "happened"),
    [
        (HALTS_AS_TOLD, _HALTED_AND_RESUMED),
        (ONE_WORKING_ENTRY, _LOCKED_AGAIN),
        (ONE_OPENING_PER_BAR, _OPENED_AGAIN),
    ],
    ids=lambda value: value.name if isinstance(value, Rule) else "",
)
def test_a_clock_that_is_set_back_is_no_violation(
    book: sqlite3.Connection, rule: Rule, happened: tuple[str, ...]
) -> None:
    book.executescript("".join(happened))
    (answer,) = Watch(book, Knowledge(parts_of(book), {})).look([rule])
    assert (answer.verdict, answer.findings) == (Verdict.HOLDS, ())


_KEPT_BACK = {
    NO_ENTRY_WHILE_HALTED: told("one", "halted", scope="all", target="", reason="a test", flattens=False),
    NO_ENTRY_WHILE_TRIPPED: tripped("one", "account"),
    NO_ENTRY_WHILE_DRIFTING: told("one", "drift_found", "JD", book=0, broker=8),
    NO_ENTRY_WHILE_DIFFERING: told("one", "clock_differs", skew_s=-3600.0),
}


@pytest.mark.parametrize("rule", _KEPT_BACK, ids=lambda rule: rule.name)
def test_an_entry_that_was_kept_back_is_found_by_a_clock_that_was_set_back(
    book: sqlite3.Connection, rule: Rule
) -> None:
    book.executescript(_KEPT_BACK[rule] + wanted("one", "JD", later_us=_AN_HOUR_BACK_US))
    [answer] = Watch(book, Knowledge(parts_of(book), {})).look([rule])
    assert [finding.id for finding in answer.findings] == ["one-1-0099"]
