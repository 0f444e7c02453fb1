"""What a drill is, and what has come of it."""

from collections.abc import Callable, Coroutine
from enum import StrEnum
from typing import NamedTuple

from trader.app.drills.evidence import Catch, Evidence, Kind, read_evidence
from trader.app.drills.rehearsal import Progress, Rehearsal
from trader.app.settings import Settings
from trader.domain.decision import UNSTAMPED
from trader.domain.money import dollars

_FAULTS_TOLD = 3


class Verdict(StrEnum):
    """How a drill has ended."""

    CAUGHT = "caught"
    NOT_CAUGHT = "not caught"
    NOT_PLAYED = "not played"
    """There is nothing in the configuration that it could happen to."""


class Ended(NamedTuple):
    """What has come of a drill."""

    verdict: Verdict
    happened: str
    """In a sentence: what went through, or what did not."""
    by: Catch | None = None
    """The protection that has caught it."""
    orders: int = 0
    """Orders to buy that the broker had before that."""
    at_risk_usd: float = 0.0
    """The most that was held, or on its way to be, at any moment."""
    loss_usd: float = 0.0
    noticed: tuple[Catch, ...] = ()
    """The first act of each other protection that the scratch book tells of."""


Play = Callable[[Settings, Progress], Coroutine[None, None, Ended]]


class Drill(NamedTuple):
    """One disaster. `settings` are a scratch copy, whose folder is there."""

    name: str
    of: str
    """Where it has happened."""
    says: str
    """What is played."""
    bars: int
    """About so many, for who waits."""
    play: Play


def not_played(why: str) -> Ended:
    """Nothing in the configuration could have this happen."""
    return Ended(Verdict.NOT_PLAYED, why)


async def ended(rehearsal: Rehearsal, harm: str, otherwise: str, by: Callable[[Evidence], Catch | None]) -> Ended:
    """Say what has come of a rehearsal: `harm` is what should not have happened, in words, or nothing.

    `by` finds the protection in what the book says. Without harm and without one it is not caught either: luck is no
    protection. Whatever a drill is about, no order may have left that the book had not intended.
    """
    await rehearsal.write_down()
    harm = "; ".join(filter(None, (harm, *rehearsal.tap.faults[:_FAULTS_TOLD])))
    evidence = read_evidence(rehearsal.settings.book.db, rehearsal.settings.account.name)
    catch = by(evidence)
    entries = rehearsal.broker.entries
    before = [order for order in entries if catch is None or catch.at is None or order.created_at <= catch.at]
    return Ended(
        verdict=Verdict.CAUGHT if catch is not None and not harm else Verdict.NOT_CAUGHT,
        happened=harm or (otherwise if catch is not None else f"{otherwise}; but no protection has acted"),
        by=catch if not harm else None,
        orders=len(before if not harm else entries),
        at_risk_usd=float(dollars(rehearsal.at_risk_micros)),
        loss_usd=evidence.loss_usd,
        noticed=_firsts(evidence),
    )


def after_the_last_entry(rehearsal: Rehearsal, *kinds: Kind) -> Callable[[Evidence], Catch | None]:
    """What has stopped entries; else what has acted most often since the last order to buy has left."""

    def find(evidence: Evidence) -> Catch | None:
        entries = rehearsal.broker.entries
        since = entries[-1].created_at if entries else UNSTAMPED
        return evidence.stopped() or evidence.most(since, *kinds) or evidence.first(*kinds)

    return find


def _firsts(evidence: Evidence) -> tuple[Catch, ...]:
    """One of each rule, with how often it has acted in all."""
    firsts: dict[tuple[Kind, str], Catch] = {}
    for catch in evidence.catches:
        key = catch.kind, catch.rule
        known = firsts.get(key)
        firsts[key] = catch if known is None else known._replace(times=known.times + catch.times)
    return tuple(firsts.values())
