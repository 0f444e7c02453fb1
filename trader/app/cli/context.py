"""What most commands begin with: which configuration, which book, which account."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from trader.adapters.sqlite.database import read_only
from trader.domain.errors import BookBroken, BookError

if TYPE_CHECKING:  # reading the configuration costs a quarter of a second; commands do it when they run
    from trader.app.settings import Settings

ConfigOption = Annotated[Path | None, typer.Option("--config", "-c", help="Configuration file.", show_default=False)]
DbOption = Annotated[Path | None, typer.Option("--db", help="The book, a SQLite file.", show_default=False)]
JsonOption = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]


def upper(text: str) -> str:
    """Symbols are in capitals, however they are typed."""
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


@contextmanager
def book_of(settings: "Settings") -> Iterator[sqlite3.Connection]:
    """The book, opened for reading. Raises BookError."""
    with _opened(settings.book.db) as connection:
        yield connection


def check_place(db: Path) -> None:
    """Refuse a place where no book can be made, before anything is. Raises BookError."""
    if db.is_dir():
        raise BookError(f"{db.absolute()} is a folder, not a book; name a file in it with --db")
    if not db.parent.is_dir():
        place = f"there is no folder {db.parent.absolute()}; make it, or name another book with --db"
        raise BookError(f"cannot make the book {db}: {place}")


class Reading(NamedTuple):
    """An open book, and the account whose rows are meant."""

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
        yield Reading(book, account, settings)


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
