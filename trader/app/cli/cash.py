"""`trader cash`: what came or went otherwise than by trading is booked, by hand or from the broker's statement."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trader.app.cli.asking import Asking, ask_daemon
from trader.app.cli.context import ConfigOption, DbOption, JsonOption, account_of, settings_for
from trader.app.cli.operating import ReasonOption, typed_micros
from trader.app.cli.output import Exit, complain, show_rows
from trader.domain.errors import ConfigurationError

if TYPE_CHECKING:  # commands read what is slow to import when they run
    from trader.adapters.statements import Movement
    from trader.app.settings import Settings

cash_application = typer.Typer(no_args_is_help=True, help="Book cash that came or went otherwise than by trading.")

_COLUMNS = ("date", "kind", "amount", "text", "answer")


@cash_application.command("book", context_settings={"ignore_unknown_options": True})
def book_command(
    amount: Annotated[str, typer.Argument(help="What it adds to cash, dollars: 1000, or -12.50 for what went.")],
    kind: Annotated[str, typer.Option(help="deposit, withdrawal, interest, dividend, tax, fee or correction.")],
    reason: ReasonOption,
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Book one movement of cash."""
    from trader.domain.cash import CashKind

    if kind not in set(CashKind):
        raise ConfigurationError(f"--kind {kind}: write one of {', '.join(CashKind)}")
    asking = Asking("cash", settings_for(config, db), as_json)
    asking.ask(reason=reason, kind=kind, amount_micros=typed_micros("AMOUNT", amount))


@cash_application.command("import")
def import_command(
    statement: Annotated[Path, typer.Argument(help="An activity statement of Interactive Brokers, CSV.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this it is only shown.")] = False,
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Book deposits, withdrawals, dividends, interest, fees and withholding tax of a statement: each once, in dollars.

    What is dated up to the day on which the account was opened is left out: its first cash has it already.
    """
    from trader.adapters.statements import read_statement

    settings = settings_for(config, db)
    found = read_statement(statement, settings.ibkr.account if settings.broker.kind == "ibkr" else "")
    booked, opened_on = _known(settings)
    rows: list[list[object]] = []
    answers = [_answer(settings, movement, booked, opened_on, yes=yes) for movement in found.movements]
    for movement, answer in zip(found.movements, answers, strict=True):
        amount = movement.amount_micros / 1_000_000
        rows.append([movement.day.isoformat(), movement.kind.value, amount, movement.text, answer])
    show_rows(_COLUMNS, rows, as_json=as_json, title="Cash in the statement", least=("text",))
    for left_out in found.foreign:
        complain(f"LEFT OUT, book it by hand: {left_out}")
    if any(answer.startswith("refused") for answer in answers):
        raise typer.Exit(Exit.REFUSED)
    if _WOULD in answers:
        complain(f"trader: {answers.count(_WOULD)} would be booked; nothing was done, add --yes")
        raise typer.Exit(Exit.REFUSED)


_WOULD = "would be booked"


def _known(settings: "Settings") -> tuple[set[str], date]:
    """The movements that the book has, and the New York date on which the account was opened."""
    from trader.adapters.sqlite.rows import from_us
    from trader.domain.session import new_york_date

    with account_of(settings) as (book, account, _):
        rows = book.execute("SELECT movement FROM book_cash_movements WHERE account = ?", (account,)).fetchall()
        [opened_us] = book.execute("SELECT opened_us FROM book_accounts WHERE account = ?", (account,)).fetchone()
    return {row[0] for row in rows}, new_york_date(from_us(opened_us))


def _answer(settings: "Settings", movement: "Movement", booked: set[str], opened_on: date, *, yes: bool) -> str:
    """What becomes of one movement."""
    if movement.name in booked:
        return "is booked already"
    if movement.day <= opened_on:
        return f"left out: the account was opened on {opened_on}"
    if not yes:
        return _WOULD
    request: dict[str, object] = {
        "ask": "cash",
        "kind": movement.kind.value,
        "amount_micros": movement.amount_micros,
        "movement": movement.name,
        "reason": movement.text,
    }
    answer = ask_daemon(settings, request)
    return f"refused: {answer['error']}" if "error" in answer else str(answer["message"])
