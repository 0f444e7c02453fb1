"""The five principles after each commit: what was looked at is carried forward, so that a look is as short as its news.

Rule 1: executions become a balance by symbol once they were looked at, and cash runs on as one number. Of orders those
are kept whose lock is held, and those of the last minutes.
Rule 2: it takes what it has carried forward for granted. The look at everything begins with the first event.
"""

import sqlite3

from trader.audit import running, telling
from trader.audit.besides import Knowledge
from trader.audit.principles import PRINCIPLES
from trader.audit.reading import version_of
from trader.audit.rule import Answer
from trader.audit.watching import Watch

_CARRIED = """
BEGIN;
INSERT INTO told_releases (account, seq, at_us, order_ref, evidence)
SELECT account, seq, at_us, order_ref, 'filled' FROM told_fills WHERE lock_released;

CREATE TEMP TABLE balances AS
SELECT account, max(seq) AS seq, symbol, at_us, held, family, direction FROM told_fills GROUP BY account, symbol;
DELETE FROM told_fills;
INSERT INTO told_fills (account, seq, symbol, at_us, side, quantity, held, family, direction)
SELECT account, seq, symbol, at_us, 'BUY', held, held, family, direction FROM balances WHERE held > 0;

DELETE FROM told_commissions;
DELETE FROM told_cash;
DELETE FROM told_accounts;
DELETE FROM cash_after;
DELETE FROM lives WHERE held = 0;

DELETE FROM told_orders WHERE purpose <> 'entry' OR (order_ref IN (SELECT order_ref FROM told_releases)
    AND at_us < (SELECT at_us - 300000000 FROM heads h WHERE h.account = told_orders.account));
DELETE FROM told_releases WHERE order_ref NOT IN (SELECT order_ref FROM told_orders);
DELETE FROM told_states;
DELETE FROM told_closings;
DROP TABLE balances;
COMMIT;
"""


class Following:
    """Looks at what is new in one book."""

    def __init__(self, book: sqlite3.Connection, knowledge: Knowledge) -> None:
        self._book = book
        self._watch = Watch(book, knowledge, (telling.tell, running.add_up))
        self._version: int | None = None

    def look(self) -> list[Answer]:
        """Ask the principles of what was committed since the last look; no answers where nothing was.

        Advice is left to the look at everything.
        """
        version = version_of(self._book)
        if version == self._version:
            return []
        answers = self._watch.look([rule for rule in PRINCIPLES if not rule.is_advice])
        if not any(answer.fault for answer in answers):
            self._book.executescript(_CARRIED)
            self._version = version
        return answers
