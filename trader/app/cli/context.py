"""What most commands begin with: which configuration, which book, which account."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from trader.adapters.sqlite.database import read_only
from trader.adapters.sqlite.one_account import show_only
from trader.domain.errors import BookBroken, BookError
from trader.domain.symbol import read_symbol

if TYPE_CHECKING:  # reading the configuration costs a quarter of a second; commands do it when they run
    from trader.app.settings import Settings

ConfigOption = Annotated[Path | None, typer.Option("--config", "-c", help="Configuration file.", show_default=False)]
DbOption = Annotated[Path | None, typer.Option("--db", help="The book, a SQLite file.", show_default=False)]
JsonOption = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]


def as_symbol(text: str) -> str:
    """A symbol as the book has it, however it is typed; what is none stays, for whom it is told to say so."""
    try:
        return read_symbol(text.upper())
    except ValueError:
        return text.upper()


_DEFAULT_CONFIG = Path("config/default.toml")


def config_path(config: Path | None) -> Path:
    """The configuration named, else config/default.toml here, else the one that came with the program."""
    if config is not None:
        return config
    if _DEFAULT_CONFIG.is_file():
        return _DEFAULT_CONFIG
    return Path(__file__).resolve().parents[3] / _DEFAULT_CONFIG


def settings_for(
    config: Path | None, db: Path | None = None, flags: Mapping[str, Mapping[str, object]] | None = None
) -> "Settings":
    """Read the configuration; `--db` and other flags, by section, go over it. Raises ConfigurationError."""
    from trader.app.settings import load_settings

    sections = {name: dict(section) for name, section in (flags or {}).items()}
    if db is not None:
        sections.setdefault("book", {})["db"] = db
    return load_settings(config_path(config), **sections)


def settings_of_every_account(config: Path | None, db: Path | None) -> "list[Settings]":
    """The same for each account that is configured, by name."""
    from trader.app.settings import load_every_account

    return load_every_account(config_path(config), **({"book": {"db": db}} if db is not None else {}))


def check_place(db: Path) -> None:
    """Refuse a place where no book can be made, before anything is. Raises BookError."""
    if db.is_dir():
        raise BookError(f"{db.absolute()} is a folder, not a book; name a file in it with --db")
    if not db.parent.is_dir():
        place = f"there is no folder {db.parent.absolute()}; make it, or name another book with --db"
        raise BookError(f"cannot make the book {db}: {place}")


class Reading(NamedTuple):
    """An open book that shows one account's rows, and whose they are."""

    book: sqlite3.Connection
    account: str
    settings: "Settings"


@contextmanager
def reading(config: Path | None, db: Path | None) -> Iterator[Reading]:
    """The book and account of a configuration, opened for reading. Raises ConfigurationError and BookError."""
    with account_of(settings_for(config, db)) as found:
        yield found


@contextmanager
def account_of(settings: "Settings") -> Iterator[Reading]:
    """The same for settings that were read before."""
    path, account = settings.book.db, settings.account.name
    with _opened(path) as book:
        known = [row[0] for row in book.execute("SELECT account FROM book_accounts ORDER BY account")]
        if account not in known:
            raise BookError(f"{path.absolute()} has no account {account!r}; it has {', '.join(known) or 'none yet'}")
        show_only(book, account)
        yield Reading(book, account, settings)


def accounts_in(path: Path) -> list[str]:
    """Whose rows a book holds; nobody's where it cannot be read."""
    try:
        with _opened(path) as book:
            return [row[0] for row in book.execute("SELECT account FROM book_accounts ORDER BY account")]
    except BookError:
        return []


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A damaged book may open well and fail at the row that is damaged. The path is said as it was looked up."""
    path = path.absolute()
    if path.is_dir():
        check_place(path)
    connection = read_only(path)
    try:
        yield connection
    except sqlite3.Error as error:
        raise BookBroken(f"the book {path} cannot be read ({error}); see `trader doctor --full`") from error
    finally:
        connection.close()
