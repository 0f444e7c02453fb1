"""The audit beside a running daemon: the principles after each commit, everything each minute.

Rule 1: it looks from connections of its own that cannot write, and beside the loop: no commit waits for it.
Rule 2: what is violated, and what could not be checked, trips the breaker `audit`. Each finding does so once, for as
long as it stands, and a restart changes nothing of that: the latch names its findings, and who has cleared it knows of
them. That a rule could not be checked does so once a run: it says nothing of what is there to be found.
Rule 3: a finding is gone when a look at everything does not have it any more. That is written down, so that it is new
when it is there again later, whichever run sees it. While the latch that names it stands, it trips nothing that is not
tripped.
Rule 4: findings are sent to the breaker one message at a time. What is found while one is on its way, or was sent
beside another cause that has tripped it first, trips it once that is cleared. What is there and has not tripped it
counts with what comes later.
Rule 5: what the engine bars by itself, as a drift, is left to it.
"""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Set
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple, Protocol, TypeVar

from trader.adapters.control import Answer as Told
from trader.adapters.schedule import Schedule
from trader.app.overnight import may_stay
from trader.app.settings import Settings
from trader.audit.audit import proven_look
from trader.audit.besides import Knowledge, as_shipped
from trader.audit.following import Following
from trader.audit.reading import CannotCheck, open_read_only, version_of
from trader.audit.rule import FAILS, Answer, Finding, Rule, Verdict
from trader.audit.rules import RULES
from trader.audit.watching import MOST_TOLD, Watch, unchecked
from trader.domain.alarm import AlarmType
from trader.domain.breaker import FAULT, Breaker, Latch, findings_as_inputs, findings_in
from trader.domain.events import BreakerMeasured
from trader.domain.portfolio import Book
from trader.services.ports import Log

_PRINCIPLES_S = 0.25
"""Between two looks whether anything was committed."""
_EVERYTHING_S = 60.0
_ON_ITS_WAY_S = 10.0
"""A message that has tripped nothing by then has come to a breaker that is off, or is set to more findings."""
_LONGEST_CAUSE = 300
_Looking = TypeVar("_Looking", Following, Watch)


class BookWatch:
    """Looks at one book, each kind of look from a connection of its own. Its looks take their time: call them aside."""

    def __init__(self, settings: Settings) -> None:
        self._db = settings.book.db
        self._knowledge = as_shipped(may_stay(settings))
        self._following: Following | None = None
        self._watch: Watch | None = None
        self._books: list[sqlite3.Connection] = []
        self._looked_at = -1
        """The version of the book at the last look at everything."""
        self._looking = 0

    def principles(self) -> list[Answer]:
        """Ask the principles of what was committed since the last look."""
        return self._look(self._principles)

    def everything(self) -> list[Answer]:
        """Prove that the rules see, and ask them all; no answers where nothing was committed since."""
        return self._look(self._everything)

    def close(self) -> None:
        """Break off what still looks; that gives its connection back itself."""
        for book in self._books:
            book.interrupt()
            if not self._looking:
                book.close()

    def _look(self, look: Callable[[], list[Answer]]) -> list[Answer]:
        self._looking += 1
        try:
            return look()
        except (CannotCheck, sqlite3.Error) as error:
            return unchecked(RULES, str(error))
        except Exception as error:  # noqa: BLE001  (whatever it was: nothing was looked at, and that is told)
            return unchecked(RULES, f"{type(error).__name__}: {error}")
        finally:
            self._looking -= 1

    def _principles(self) -> list[Answer]:
        if self._following is None:
            self._following = self._begun(Following)
        return self._following.look()

    def _everything(self) -> list[Answer]:
        if self._watch is None:
            self._watch = self._begun(Watch)
        version = version_of(self._watch.book)
        if version == self._looked_at:
            return []
        answers = proven_look(self._watch, RULES)
        self._looked_at = version
        return answers

    def _begun(self, looking: Callable[[sqlite3.Connection, Knowledge], _Looking]) -> _Looking:
        book = open_read_only(self._db)
        try:
            begun = looking(book, self._knowledge)
        except BaseException:
            book.close()
            raise
        self._books.append(book)
        return begun


class Aside(Protocol):
    """Does what takes its time beside the loop."""

    def __call__(self, job: Callable[[], list[Answer]]) -> Awaitable[list[Answer]]:
        """Do it there."""
        ...


class _Sent(NamedTuple):
    """A message to the breaker."""

    findings: Mapping[str, str]
    """Key -> sentence."""
    cleared_at: datetime | None
    """When the breaker had been cleared last."""
    at_s: float


class Auditing:
    """Hears the looks at an account's book, says what is new in them, and trips the breaker."""

    def __init__(
        self,
        watch: BookWatch,
        aside: Aside,
        measured: Callable[[BreakerMeasured], None],
        alarm: Callable[[AlarmType, str, str], None],
        book: Callable[[], Book],
        log: Log,
        account: str,
        told: Iterable[str],
    ) -> None:
        """`book`: as it is committed now. `told`: what the breaker was told of before, by its keys."""
        self._watch = watch
        self._aside = aside
        self._measured = measured
        self._alarm = alarm
        self._book = book
        self._log = log
        self._account = account
        self._told = set(told)
        """Keys of what was said, in this run or by a latch, and has not gone since."""
        self._can_go = set(self._told)
        """Those of them that a look at everything has, or may have: what only a principle has said is not missed."""
        self._wrong: dict[str, str] = {}
        """What the breaker has not been told, as it had tripped already: key -> sentence."""
        self._below: dict[str, str] = {}
        """What the breaker was told, and has not tripped for: its limit is higher, or it is off."""
        self._sent: _Sent | None = None
        self._verdicts: Counter[Verdict] = Counter()
        """Rules, at the last look at everything."""
        self._looked_at_s: float | None = None

    def begin(self, schedule: Schedule) -> None:
        """Look from now on."""
        schedule.every(_PRINCIPLES_S, "audit the principles", self._look_at_principles)
        schedule.every(_EVERYTHING_S, "audit the book", self._look_at_everything)

    def end(self) -> None:
        """Look no more."""
        with suppress(sqlite3.Error):
            self._watch.close()

    async def _look_at_principles(self) -> None:
        self.hear(await self._aside(self._watch.principles))

    async def _look_at_everything(self) -> None:
        answers = await self._aside(self._watch.everything)
        self.hear(answers)
        for answer in answers:
            for key in self._missed(answer):
                self._forget(answer.rule, key)
        self._looked_at_s = asyncio.get_running_loop().time()
        if answers:
            self._verdicts = Counter(self._verdict_of(answer) for answer in answers)

    def hear(self, answers: list[Answer]) -> None:
        """Say what is new; of what fails, tell the breaker."""
        latch = self._book().latches.get(Breaker.AUDIT)
        known = findings_in(latch.inputs) if latch is not None else frozenset()
        for answer in answers:
            for key, sentence in self._news(answer):
                if answer.verdict in FAILS:
                    if key not in known:
                        self._wrong[key] = sentence
                    self._alarm(AlarmType.AUDIT, answer.rule.name, sentence)
                    self._log.error(f"AUDIT {sentence} account={self._account}")
                else:
                    self._log.warning(f"AUDIT {sentence} account={self._account}")
        self._see_what_came_of_it(latch, known)
        if self._wrong and latch is None and self._sent is None:
            wrong, self._wrong, self._below = {**self._below, **self._wrong}, {}, {}
            cause = "; ".join(wrong.values())[:_LONGEST_CAUSE]
            self._measured(BreakerMeasured(Breaker.AUDIT, len(wrong), cause, findings_as_inputs(list(wrong))))
            self._sent = _Sent(wrong, self._cleared_at, asyncio.get_running_loop().time())

    @property
    def _cleared_at(self) -> datetime | None:
        return self._book().cleared.get(Breaker.AUDIT)

    def _see_what_came_of_it(self, latch: Latch | None, known: Set[str]) -> None:
        """Of the message that is on its way: whether it has tripped the breaker, or something else has before it."""
        sent = self._sent
        if sent is None:
            return
        if latch is not None and known.isdisjoint(sent.findings):
            self._wrong = {**sent.findings, **self._wrong}
        if latch is not None or self._cleared_at != sent.cleared_at:
            self._sent = None
        elif asyncio.get_running_loop().time() >= sent.at_s + _ON_ITS_WAY_S:
            self._sent, self._below = None, dict(sent.findings)

    def as_answer(self) -> Told:
        """For `status`: rules by verdict at the last look at everything, and how long ago that was taken, or found that
        nothing had been committed since; nothing before the first."""
        if self._looked_at_s is None:
            return {}
        age_s = asyncio.get_running_loop().time() - self._looked_at_s
        return {"rules": {verdict.value: self._verdicts[verdict] for verdict in Verdict}, "age_s": round(age_s, 1)}

    def _verdict_of(self, answer: Answer) -> Verdict:
        """What only another account of the book has done breaks no rule here."""
        return Verdict.HOLDS if answer.findings and not [*self._keyed(answer)] else answer.verdict

    def _news(self, answer: Answer) -> Iterator[tuple[str, str]]:
        """Keys and sentences not said before: findings of this account or of the whole book, or why there are none."""
        if answer.rule.is_barred:
            return
        word = answer.verdict.upper()
        fault = f"{answer.rule.name}{FAULT}"
        if answer.fault and self._is_new(fault):
            yield fault, f"{word} {answer.rule.name}: {answer.fault}"
        for key, finding in self._keyed(answer):
            if self._is_new(key):
                story = f", trader why {finding.why}" if finding.why else ""
                yield key, f"{word} {answer.rule.name}: {finding.id} {finding.said}{story}"

    def _keyed(self, answer: Answer) -> Iterator[tuple[str, Finding]]:
        for finding in answer.findings:
            if finding.account in ("", self._account):
                yield f"{answer.rule.name}|{finding.account}|{finding.id}", finding

    def _missed(self, answer: Answer) -> Set[str]:
        """What a look at everything does not have any more. One that tells only the first of many, or was not taken,
        misses nothing."""
        found = {key for key, _ in self._keyed(answer)}
        self._can_go |= found
        if answer.fault or len(answer.findings) >= MOST_TOLD:
            return frozenset()
        of_the_rule, fault = f"{answer.rule.name}|", f"{answer.rule.name}{FAULT}"
        return {key for key in self._can_go - found if key.startswith(of_the_rule) and key != fault}

    def _forget(self, rule: Rule, key: str) -> None:
        """What has stopped entries, and is gone, does so again when it is there again: the book has to know, too."""
        self._can_go.discard(key)
        self._below.pop(key, None)
        if key not in self._told:
            return
        self._told.discard(key)
        if not rule.is_advice:
            what = f"{key.replace('|', ' ')} is not found any more"
            self._alarm(AlarmType.AUDIT_GONE, key, what)
            self._log.warning(f"AUDIT GONE {what} account={self._account}")

    def _is_new(self, key: str) -> bool:
        is_new = key not in self._told
        self._told.add(key)
        return is_new
