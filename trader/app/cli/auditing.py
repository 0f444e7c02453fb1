"""`trader audit`: whether every rule holds, at every moment that the book tells of."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import typer

from trader.app.cli.context import ConfigOption, DbOption, JsonOption, settings_for
from trader.app.cli.output import Exit, complain, show_facts, show_rows

if TYPE_CHECKING:  # the rules are read when they are asked
    from trader.audit.rule import Answer

_COLUMNS = ("verdict", "rule", "looked_at", "account", "id", "said", "why")


def audit_command(config: ConfigOption = None, db: DbOption = None, as_json: JsonOption = False) -> None:
    """Ask every rule of every moment of the book, by code that shares nothing with the code that writes it.

    A rule holds, is violated, is a warning, or could not be checked. First each one has to find a violation that is
    planted for it in memory; one that does not was not checked. Exit code 4 for what is violated or was not checked.
    """
    from trader.app.overnight import may_stay
    from trader.audit.audit import audit, fails
    from trader.audit.reading import CannotCheck

    settings = settings_for(config, db)
    try:
        answers = audit(settings.book.db, may_stay(settings))
    except CannotCheck as error:
        complain(f"trader: could not check: {error}")
        raise typer.Exit(Exit.FINDINGS) from error
    _show(answers, as_json=as_json)
    if fails(answers):
        raise typer.Exit(Exit.FINDINGS)


def _show(answers: "Sequence[Answer]", *, as_json: bool) -> None:
    from trader.audit.audit import worst

    if as_json:
        show_facts({"verdict": worst(answers), "rules": [_as_facts(answer) for answer in answers]}, as_json=True)
        return
    show_rows(_COLUMNS, _rows(answers), as_json=False, least=("looked_at",))
    complain(_in_short(answers))


def _as_facts(answer: "Answer") -> dict[str, object]:
    return {
        "rule": answer.rule.name,
        "says": answer.rule.says,
        "verdict": answer.verdict,
        "looked_at": answer.looked_at,
        "fault": answer.fault,
        "findings": [finding._asdict() for finding in answer.findings],
    }


def _rows(answers: "Sequence[Answer]") -> "Iterator[tuple[object, ...]]":
    """A line for each finding, and one for each rule without any."""
    for answer in answers:
        rule, looked_at = answer.rule, answer.looked_at
        if not answer.findings:
            yield answer.verdict, rule.name, looked_at, "", "", answer.fault or rule.says, ""
        for finding in answer.findings:
            why = f"trader why {finding.why}" if finding.why else ""
            yield answer.verdict, rule.name, looked_at, finding.account, finding.id, finding.said, why


def _in_short(answers: "Sequence[Answer]") -> str:
    from trader.audit.rule import Verdict

    counts = {verdict: sum(answer.verdict is verdict for answer in answers) for verdict in Verdict}
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    return f"{len(answers)} rules, each of which has found what was planted for it or is told as unchecked: {told}"
