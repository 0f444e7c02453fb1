"""The newest audit of the book, asked anew every minute while somebody looks; its age is shown with it."""

import asyncio
import sqlite3
import time
from pathlib import Path
from typing import NamedTuple

from trader.app.overnight import may_stay
from trader.app.settings import Settings
from trader.audit.audit import audit, worst
from trader.audit.principles import PRINCIPLES
from trader.audit.reading import CannotCheck
from trader.audit.rule import Answer, Verdict

_EVERY_S, _LOOK_S = 60.0, 0.5
_NOT_ASKED = "not asked yet"


class Audited(NamedTuple):
    """One audit. `age_s` is since it began."""

    verdict: str
    answers: tuple[Answer, ...]
    fault: str
    age_s: float

    @property
    def principles(self) -> tuple[Answer, ...]:
        """The five lamps."""
        names = {rule.name for rule in PRINCIPLES}
        return tuple(answer for answer in self.answers if answer.rule.name in names)


class Audits:
    """Keeps the newest."""

    def __init__(self, settings: Settings) -> None:
        self._path: Path = settings.book.db
        self._may_stay = may_stay(settings)
        self._answers: tuple[Answer, ...] = ()
        self._fault = _NOT_ASKED
        self._is_wanted = False
        self._at_s = time.monotonic()

    def newest(self) -> Audited:
        """The newest audit; one that could not be made is no good news."""
        self._is_wanted = True
        verdict = Verdict.COULD_NOT_CHECK if self._fault else worst(self._answers)
        return Audited(verdict, self._answers, self._fault, round(time.monotonic() - self._at_s, 1))

    async def keep_asking(self) -> None:
        """For as long as the dashboard runs."""
        while True:
            if self._is_wanted and (self._fault == _NOT_ASKED or time.monotonic() - self._at_s >= _EVERY_S):
                self._is_wanted = False
                await asyncio.to_thread(self._ask)
            await asyncio.sleep(_LOOK_S)

    def _ask(self) -> None:
        at_s = time.monotonic()
        try:
            self._answers, self._fault = tuple(audit(self._path, self._may_stay)), ""
        except (CannotCheck, sqlite3.Error) as error:
            self._fault = str(error)
        self._at_s = at_s
