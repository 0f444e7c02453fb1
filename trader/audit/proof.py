"""Proof that the rules see: each finds the violation that is planted for it, and nothing in a book that is sound.

The tables are those of the audited book, by name and column, in memory; without the guards that would refuse a plant.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing

from trader.audit.besides import Knowledge, parts_of
from trader.audit.rule import Answer, Rule
from trader.audit.sound import sow
from trader.audit.watching import Watch

_COLUMNS = """
SELECT t.name, group_concat(c.name || ' ' || c.type) FROM main.sqlite_master t JOIN pragma_table_info(t.name, 'main') c
WHERE t.type = 'table' AND t.name LIKE 'book!_%' ESCAPE '!' GROUP BY t.name
"""
_GUARD = "CREATE TRIGGER a_guard BEFORE DELETE ON book_stamp BEGIN SELECT RAISE(ABORT, 'a_guard'); END"


def blind(book: sqlite3.Connection, rules: Sequence[Rule]) -> dict[str, str]:
    """Rules that did not prove that they see, by name, and why."""
    try:
        with closing(sound_book(book)) as sound:
            before = _answers(sound, rules, "")
            faults = {answer.rule.name: _fault(sound, answer) for answer in before}
    except sqlite3.Error as error:
        return dict.fromkeys((rule.name for rule in rules), f"the book's tables are not those that it knows: {error}")
    return {name: fault for name, fault in faults.items() if fault}


def sound_book(book: sqlite3.Connection) -> sqlite3.Connection:
    """A sound book in memory, in the tables of this one, without the guards of its schema. The caller closes it."""
    sound = sqlite3.connect(":memory:", isolation_level=None)
    for table, columns in book.execute(_COLUMNS).fetchall():
        sound.execute(f"CREATE TABLE {table} ({columns})")
    sow(sound)
    sound.execute(_GUARD)
    return sound


def _fault(sound: sqlite3.Connection, before: Answer) -> str:
    """Why a rule's answer of the sound book, and of those in which it is broken, are not what they should be."""
    if before.findings:
        return f"it finds fault with a sound book: {before.findings[0].id} {before.findings[0].said}"
    afters = [before, *(_answers(sound, [before.rule], plant)[0] for plant in before.rule.plants)]
    if fault := next((answer.fault for answer in afters if answer.fault), ""):
        return f"its query fails on a small book: {fault}"
    if all(answer.findings for answer in afters[1:]) and before.rule.plants:
        return ""
    return "it does not find a violation that was planted for it"


def _answers(sound: sqlite3.Connection, rules: Sequence[Rule], plant: str) -> list[Answer]:
    """What the rules say of a copy into which something was planted."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as copy:
        sound.backup(copy)
        copy.executescript(plant)
        return Watch(copy, Knowledge(parts_of(sound), {})).look(rules)
