"""Each query of the audit is broken in every way that a slip of the pen could, and the proof has to notice."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from trader.audit.proof import blind
from trader.audit.reading import SCHEMA
from trader.audit.rule import Rule
from trader.audit.rules import EVERY_RULE

_SLIPS = (
    (r" <> ", " = "),
    (r" IS NOT (?!NULL)", " IS "),
    (r"\bNOT EXISTS\b", "EXISTS"),
    (r"\bNOT IN\b", "IN"),
    (r"\bsum\(", "min("),
    (r"\bHAVING\b.*", ""),
    (r" > ", " < "),
    (r" < ", " > "),
)
"""What is written, and what is written in its place: comparisons turned round, sums and conditions dropped."""


_SHOWN = r"printf\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"
"""What is only said of a finding."""

FINDS_MORE = {
    "flat_at_close": 2,
    "no_entry_while_drifting": 1,
    "no_entry_while_differing": 1,
    "stops_within_held": 1,
    "executions_once": 1,
    "exits_within_held": 1,
    "drift_as_told": 1,
    "cash_drift_as_told": 1,
}
"""So many slips make a rule find more than it should, in a state that the sound book is not in."""


def mutants(rule: Rule) -> Iterator[str]:
    """Its query with one thing broken: that it finds at all, one of its parts, or a slip."""
    query = rule.query
    yield f"SELECT * FROM ({query}) WHERE 0"  # noqa: S608
    parts = re.split(r"\n\s*UNION ALL\n\s*(?=SELECT (?:DISTINCT )?\w*\.?account,|SELECT '')", query)
    for left_out in range(len(parts) if len(parts) > 1 else 0):
        yield "\nUNION ALL\n".join(part for place, part in enumerate(parts) if place != left_out)
    shown = {place for words in re.finditer(_SHOWN, query) for place in range(*words.span())}
    for written, slip in _SLIPS:
        for match in re.finditer(written, query):
            if match.start() not in shown:
                yield query[: match.start()] + slip + query[match.end() :]


@pytest.fixture(scope="module")
def book() -> Iterator[sqlite3.Connection]:
    """An empty book, as shipped."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(SCHEMA.read_text("utf-8"))
        yield connection


@pytest.mark.parametrize("rule", EVERY_RULE, ids=lambda rule: rule.name)
def test_a_broken_query_does_not_prove_that_it_sees(book: sqlite3.Connection, rule: Rule) -> None:
    broken = [rule._replace(query=query, name=query) for query in mutants(rule)]
    unproven = blind(book, broken)
    survivors = [mutant.query for mutant in broken if mutant.query not in unproven]
    assert len(survivors) == FINDS_MORE.get(rule.name, 0), "\n".join(survivors)
