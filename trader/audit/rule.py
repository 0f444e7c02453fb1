"""A rule is a value: what it says, the query that finds what breaks it, and a violation that it has to find."""

from enum import StrEnum
from typing import NamedTuple


class Named(StrEnum):
    """What the ids of a rule's findings are; it decides how their story is found."""

    SIGNAL = "signal"
    ORDER = "order"
    EXECUTION = "execution"
    SYMBOL = "symbol"
    EVENT = "event"
    ROW = "row"
    """Something without a story: an account, a day, a part of the schema."""


class Rule(NamedTuple):
    """Violated if and only if its query gives rows: account, id of what breaks it, and what is wrong with that."""

    name: str
    says: str
    """One sentence that is true of a sound book."""
    over: str
    """The table that it looks through, at every row."""
    named: Named
    query: str
    plants: tuple[str, ...]
    """Each breaks the rule in the small sound book, and every one has to be found."""
    is_advice: bool = False
    is_barred: bool = False
    """The daemon bars by itself just what such a finding is about."""


class Verdict(StrEnum):
    """How a rule was answered."""

    HOLDS = "holds"
    VIOLATED = "violated"
    COULD_NOT_CHECK = "could not check"
    WARNING = "warning"


FAILS = frozenset({Verdict.VIOLATED, Verdict.COULD_NOT_CHECK})
"""Not having looked is no good news."""


class Finding(NamedTuple):
    """One row that breaks a rule."""

    account: str
    id: str
    said: str
    why: str
    """The id that `trader why` tells the story of; empty where there is none."""


class Answer(NamedTuple):
    """What became of one rule."""

    rule: Rule
    verdict: Verdict
    looked_at: int
    """Rows."""
    findings: tuple[Finding, ...] = ()
    fault: str = ""
    """Why it could not be checked."""
