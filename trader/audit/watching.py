"""One look at a book: every rule asked, each answer with what it has looked at."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence

from trader.audit import besides, chain, checksums, running, summing, telling
from trader.audit.besides import Knowledge
from trader.audit.reading import one_moment
from trader.audit.rule import Answer, Finding, Named, Rule, Verdict

MOST_TOLD = 20
"""Findings of one rule; more are not told one by one."""

_STORIES = {
    Named.SYMBOL: "SELECT order_ref FROM book_orders WHERE account = ? AND symbol = ? ORDER BY created_us DESC LIMIT 1",
    Named.EVENT: (
        "SELECT coalesce(json_extract(data, '$.execution_id'), json_extract(data, '$.order_ref')) FROM book_events "
        "WHERE account = ? AND seq = ? AND json_valid(data)"
    ),
}
"""Whose story is that of an id which has none of its own."""


Step = Callable[[sqlite3.Connection], None]

EVERYTHING: tuple[Step, ...] = (
    telling.tell,
    chain.follow,
    running.add_up,
    besides.tell,
    summing.sum_up,
    checksums.compare,
)
"""What a look takes in before the rules are asked."""


def unchecked(rules: Iterable[Rule], why: str) -> list[Answer]:
    """The answers where none could be had."""
    return [Answer(rule, Verdict.COULD_NOT_CHECK, 0, fault=why) for rule in rules]


class Watch:
    """Looks at one book again and again; the journal is taken in once."""

    def __init__(self, book: sqlite3.Connection, knowledge: Knowledge, steps: Sequence[Step] = EVERYTHING) -> None:
        self.book = book
        self._steps = steps
        telling.prepare(book)
        chain.prepare(book)
        running.prepare(book)
        summing.prepare(book)
        besides.prepare(book, knowledge)
        checksums.prepare(book)

    def look(self, rules: Sequence[Rule]) -> list[Answer]:
        """Ask every rule of one moment of the book. What cannot be read leaves them all unchecked."""
        try:
            with one_moment(self.book):
                for step in self._steps:
                    step(self.book)
                counts: dict[str, int] = {}
                return [self._answer(rule, counts) for rule in rules]
        except sqlite3.Error as error:
            return unchecked(rules, str(error))

    def _answer(self, rule: Rule, counts: dict[str, int]) -> Answer:
        try:
            if rule.over not in counts:
                [counts[rule.over]] = self.book.execute(f"SELECT count(*) FROM {rule.over}").fetchone()  # noqa: S608
            rows = self.book.execute(rule.query).fetchmany(MOST_TOLD)
            findings = tuple(Finding(str(row[0]), str(row[1]), str(row[2]), self._why(rule, row)) for row in rows)
        except sqlite3.Error as error:
            return Answer(rule, Verdict.COULD_NOT_CHECK, 0, fault=str(error))
        broken = Verdict.WARNING if rule.is_advice else Verdict.VIOLATED
        return Answer(rule, broken if findings else Verdict.HOLDS, counts[rule.over], findings)

    def _why(self, rule: Rule, row: Sequence[object]) -> str:
        """The id of the nearest story."""
        if rule.named in _STORIES:
            found = self.book.execute(_STORIES[rule.named], (row[0], row[1])).fetchone()
            return str(found[0]) if found is not None and found[0] is not None else ""
        return "" if rule.named is Named.ROW else str(row[1])
