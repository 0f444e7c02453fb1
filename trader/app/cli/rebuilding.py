"""`trader rebuild`: whether the book equals its journal, and how to make it so again."""

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from trader.app.cli.alone import alone_with_book
from trader.app.cli.asking import operator_name
from trader.app.cli.context import ConfigOption, DbOption, JsonOption, account_of, check_place, settings_for
from trader.app.cli.output import Exit, complain, is_terminal, say, show_facts, show_rows
from trader.domain.errors import BookBroken, ConfigurationError

if TYPE_CHECKING:  # reading the configuration costs a quarter of a second; commands do it when they run
    from trader.adapters.sqlite.projections import Comparison
    from trader.app.settings import Settings

_COLUMNS = ("what", "where", "journal", "book")


def rebuild_command(
    check: Annotated[bool, typer.Option("--check", help="Compare only; changes nothing.")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Back up, then write what differs anew.")] = False,
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fold the account's journal and compare positions, lots, cash, orders, locks and halts with it. Exit code 4 when
    they differ.

    With --apply they are written anew from the journal, after a backup, while no daemon runs. Executions and the
    journal itself are never changed. Rows of which the journal does not tell, as refused signals, are compared with
    their checksums; they cannot be written anew, and --apply takes them as they are.
    """
    if check == apply:
        raise ConfigurationError("name either --check or --apply")
    settings = settings_for(config, db)
    check_place(settings.book.db)
    if apply:
        _apply(settings)
    comparison = _compare(settings)
    _show(comparison, as_json=as_json)
    if comparison.findings:
        raise typer.Exit(Exit.FINDINGS)


def _compare(settings: "Settings") -> "Comparison":
    from trader.adapters.sqlite.projections import compare

    with account_of(settings) as (book, account, _):
        return compare(book, account)


def _apply(settings: "Settings") -> None:
    """Mend the account's rows, alone with the book: its guards, which are of all accounts, stand aside meanwhile.

    Raises AlreadyRunning.
    """
    from trader.adapters.clock import SystemClock
    from trader.adapters.sqlite.backup import backup
    from trader.adapters.sqlite.database import connect
    from trader.adapters.sqlite.one_account import refuse_others
    from trader.adapters.sqlite.rebuilding import rebuild

    place = settings.book
    try:
        with alone_with_book(place.db, settings.account.name):
            before = _compare(settings)
            if before.journal_findings or not before.findings:
                return
            complain(f"backup: {backup(place.db, place.backups, SystemClock().now(), place.backups_kept)}")
            with closing(connect(place.db)) as connection:
                refuse_others(connection, settings.account.name)
                rebuilt = rebuild(connection, settings.account.name, operator_name())
            complain(str(rebuilt))
    except sqlite3.Error as error:
        raise BookBroken(f"{place.db} cannot be mended ({error}); nothing was changed") from error


def _show(comparison: "Comparison", *, as_json: bool) -> None:
    if as_json:
        findings = [finding._asdict() for finding in comparison.findings]
        show_facts({"events": comparison.events, "findings": findings}, as_json=True)
    elif comparison.findings:
        show_rows(_COLUMNS, comparison.findings, as_json=False)
        complain(f"{len(comparison.findings)} findings; {_advice(comparison)}")
    elif is_terminal():
        say(_equal(comparison))
    else:  # rows are for programs, words are for people
        show_rows(_COLUMNS, (), as_json=False)
        complain(_equal(comparison))


def _equal(comparison: "Comparison") -> str:
    return f"the book equals its journal ({comparison.events} events)"


def _advice(comparison: "Comparison") -> str:
    if comparison.journal_findings:
        return "the journal itself is damaged: keep the file and go back to a backup"
    if any(finding.where.startswith(("book_fills", "book_commissions")) for finding in comparison.book_findings):
        return "executions are never rewritten: keep the file and go back to a backup"
    if any(finding.where == "book_stamp" for finding in comparison.book_findings):
        return "a stamp cannot be made anew: keep the file and go back to a backup"
    return "stop the daemon, then `trader rebuild --apply`"
