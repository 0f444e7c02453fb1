"""What most commands begin with: which configuration, which book, which account."""

import os
import sqlite3
import tomllib
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

_DEFAULT_CONFIG = Path("config/default.toml")
_DEFAULT_DB, _DEFAULT_ACCOUNT = "trading_data.db", "paper"


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


class Reading(NamedTuple):
    """An open book, and the account whose rows are meant."""

    book: sqlite3.Connection
    account: str
    db: Path


@contextmanager
def reading(config: Path | None, db: Path | None) -> Iterator[Reading]:
    """The book and account of a configuration, opened for reading. Raises ConfigurationError and BookError."""
    path, account = book_and_account(config, db)
    with _opened(path) as book:
        known = [row[0] for row in book.execute("SELECT account FROM book_accounts ORDER BY account")]
        if account not in known:
            raise BookError(f"{path} has no account {account!r}; it has {', '.join(known) or 'none yet'}")
        yield Reading(book, account, path)


def book_and_account(config: Path | None, db: Path | None) -> tuple[Path, str]:
    """Where the book lies and whose rows are meant.

    Where nothing but the file can say so, it is asked directly: a read that is typed all day long does not wait for
    the whole configuration to be checked. In every other case, and when in doubt, the settings decide.
    """
    found = _from_file_alone(config_path(config))
    if found is None:
        settings = settings_for(config, db)
        return settings.book.db, settings.account.name
    return db or Path(found[0]), found[1]


def _from_file_alone(config: Path) -> tuple[str, str] | None:
    """The book and the account that the file names, or None when something else may have a say."""
    overridden = any(name.upper().startswith(("TRADER_BOOK", "TRADER_ACCOUNT")) for name in os.environ)
    if overridden or Path(".env").exists():
        return None
    try:
        table = tomllib.loads(config.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    book, account = table.get("book", {}), table.get("account", {})
    if not isinstance(book, dict) or not isinstance(account, dict):
        return None
    db, name = book.get("db", _DEFAULT_DB), account.get("name", _DEFAULT_ACCOUNT)
    return (db, name) if isinstance(db, str) and isinstance(name, str) else None


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A damaged book may open well and fail at the row that is damaged."""
    connection = read_only(path)
    try:
        yield connection
    except sqlite3.Error as error:
        raise BookBroken(f"the book {path} cannot be read ({error}); see `trader doctor --full`") from error
    finally:
        connection.close()
