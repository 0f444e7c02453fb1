"""The whole audit of a book: first the proof that the rules see, then the look. A rule that is blind has not looked."""

from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

from trader.audit.besides import Overnight, as_shipped
from trader.audit.proof import blind
from trader.audit.reading import open_read_only
from trader.audit.rule import FAILS, Answer, Rule, Verdict
from trader.audit.rules import EVERY_RULE
from trader.audit.watching import Watch


def audit(path: Path, may_stay: Overnight) -> list[Answer]:
    """Ask every rule of every moment of a book, of all its accounts. Raises CannotCheck when it cannot be opened."""
    with closing(open_read_only(path)) as book:
        return proven_look(Watch(book, as_shipped(may_stay)), EVERY_RULE)


def proven_look(watch: Watch, rules: Sequence[Rule]) -> list[Answer]:
    """Prove that the rules see, on the book's own tables, and look."""
    unproven = blind(watch.book, rules)
    return [_unless_blind(answer, unproven.get(answer.rule.name)) for answer in watch.look(rules)]


def _unless_blind(answer: Answer, fault: str | None) -> Answer:
    """What a blind rule has found still counts; that it has found nothing does not."""
    if fault is None or answer.findings or answer.fault:
        return answer
    return answer._replace(verdict=Verdict.COULD_NOT_CHECK, fault=f"it is blind: {fault}")


def worst(answers: Iterable[Answer]) -> Verdict:
    """The one word for all of them."""
    verdicts = {answer.verdict for answer in answers}
    order = (Verdict.VIOLATED, Verdict.COULD_NOT_CHECK, Verdict.WARNING)
    return next((verdict for verdict in order if verdict in verdicts), Verdict.HOLDS)


def fails(answers: Iterable[Answer]) -> bool:
    """Whether anything is wrong, or was not looked at."""
    return worst(answers) in FAILS
