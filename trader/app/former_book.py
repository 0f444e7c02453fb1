"""The book of the time when there was one account. Whoever declares several must not begin another one beside it.

Rule 1: the account keeps its name: the orders at the broker have it in their references, and the hash of every event
covers it. Its book is moved to where the account keeps it now, or is given to it as `book.db`.
Rule 2: nothing is moved unasked.
"""

import re
from collections.abc import Iterator
from glob import escape
from pathlib import Path

from trader.adapters.sqlite.moving import accounts_in
from trader.app.accounts import without_name
from trader.app.checks import Check, fail, ok, warn
from trader.app.sections import ACCOUNT_NAME
from trader.app.settings import Settings
from trader.domain.errors import ConfigurationError


def check_former_book(settings: Settings) -> None:
    """Raise ConfigurationError where a book would be begun anew beside one that has the account."""
    former, account = _former(settings), settings.account.name
    if former is not None and account in accounts_in(former) and not settings.book.db.exists():
        raise ConfigurationError(
            f"{former} has the account {account}, of the time when it was the only one, and {settings.book.db} would "
            f"be begun anew beside it: type `ACCOUNT_NAME={account} trader move-book {former} --yes`, or leave the "
            f'book where it is and write db = "{former}" under [accounts.{account}.book]'
        )


def former_book_check(settings: Settings) -> Check:
    """The same for the doctor, who also sees accounts that nobody looks after any more."""
    try:
        check_former_book(settings)
    except ConfigurationError as error:
        return fail("former book", str(error), "move it, or name it")
    return ok("former book", "none is left beside the account's own")


def undeclared_check(settings: Settings) -> Check:
    """Whether a book here has an account that is not declared, or is no longer called so: it has no daemon."""
    declared = settings.accounts or {settings.account.name}
    for book in _books_beside(settings):
        orphans = [name for name in accounts_in(book) if name not in declared]
        if orphans:
            return warn(
                "accounts of the books",
                f"{book} has {', '.join(orphans)}, not declared: no daemon looks after what is held there",
                f"declare [accounts.{orphans[0]}], which keeps its name, or move the file away",
            )
    return ok("accounts of the books", "each is declared")


def _books_beside(settings: Settings) -> Iterator[Path]:
    """The account's own book, the one of a single account, and those of accounts as they are called by default."""
    own, former = settings.book.db, _former(settings)
    yield own
    if former is None:
        return
    yield former
    for path in sorted(former.parent.glob(f"{escape(former.stem)}-*{escape(former.suffix)}")):
        if path != own and re.fullmatch(ACCOUNT_NAME, path.stem.removeprefix(f"{former.stem}-")):
            yield path


def _former(settings: Settings) -> Path | None:
    """Where a single account's book was, if this one has its name from several."""
    former = without_name(settings.book.db, settings.account.name) if settings.accounts else settings.book.db
    return former if former != settings.book.db else None
