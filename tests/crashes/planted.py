"""Bugs to plant into a daemon that is to be killed: `python -m crashes.planted NAME CRASHES`.

Each is one protection taken away. The program ends with 0 when the rig has seen it.
"""

import shutil
import sys
from collections.abc import Callable, Mapping

from crash_rig.campaign import LIVES, run
from crash_rig.life import End

from trader.domain.decision import Rule
from trader.domain.events import EvidenceGiven
from trader.services.draft import Draft
from trader.services.engine import Engine
from trader.services.exit_scanner import ExitScanner
from trader.services.gate import Gate
from trader.services.inquiry import Inquiry
from trader.services.locking import PendingLocks
from trader.services.spilling import Spilling
from trader.services.step import Step

_SEED = 7


def sent_before_it_is_durable() -> None:
    """Entries leave first and are committed then."""
    commit, speak = PendingLocks.commit, Engine._speak
    engines: list[Engine] = []
    init = Engine.__init__

    def made(self: Engine, *arguments: object) -> None:
        init(self, *arguments)  # type: ignore[arg-type]
        engines.append(self)

    async def sends_first(self: PendingLocks, draft: Draft) -> Mapping[str, Rule]:
        for entry in draft.commit.entries:
            engines[0]._ports.broker.place(entry.order)
        return await commit(self, draft)

    def says_the_rest(self: Engine, step: Step) -> None:
        step.draft.commit.entries.clear()
        speak(self, step)

    _put(Engine, "__init__", made)
    _put(PendingLocks, "commit", sends_first)
    _put(Engine, "_speak", says_the_rest)


def spill_forgotten() -> None:
    """A start does not look into the spill file."""
    _put(Spilling, "take_up", lambda self, book: book.orders_made)


def executions_of_evidence_ignored() -> None:
    """What the broker has executed while nobody listened is not booked."""
    hear = Inquiry.hear

    def deaf(self: Inquiry, step: Step, given: EvidenceGiven, *, is_first: bool) -> None:
        evidence = given.evidence._replace(executions=())
        hear(self, step, EvidenceGiven(given.asked, evidence), is_first=is_first)

    _put(Inquiry, "hear", deaf)


def entries_before_recovery() -> None:
    """Nothing keeps an entry from leaving before the broker has answered completely."""
    close = Gate.close

    def stays_open(self: Gate, rule: Rule, why: str) -> bool:
        return rule is not Rule.UNRECONCILED and close(self, rule, why)

    _put(Gate, "close", stays_open)


def exits_not_watched() -> None:
    """The scanner passes over what is held."""
    _put(ExitScanner, "_look", lambda *_: "nobody has looked")


def _put(owner: type, name: str, value: object) -> None:
    setattr(owner, name, value)


BUGS: dict[str, Callable[[], None]] = {
    bug.__name__: bug
    for bug in (
        sent_before_it_is_durable,
        spill_forgotten,
        executions_of_evidence_ignored,
        entries_before_recovery,
        exits_not_watched,
    )
}


def main() -> str:
    """Plant one bug, and kill until it is seen. Gives what is wrong, or nothing."""
    plant, crashes = BUGS[sys.argv[1]], int(sys.argv[2])
    for number in range(-(-crashes // LIVES)):
        outcome = run(_SEED, number, LIVES, plant)
        if outcome.folder is not None:
            shutil.rmtree(outcome.folder)
        if any(life.end is End.BY_ITSELF for life in outcome.lived):
            return f"{sys.argv[1]} has ended the daemon: it is no bug of the kind that was meant"
        if outcome.violations:
            sys.stdout.write(f"{outcome.violations[0].fault}\n")
            return ""
    return f"{sys.argv[1]} was not seen in {crashes} crashes"


if __name__ == "__main__":
    sys.exit(main() or 0)
