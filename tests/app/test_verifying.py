"""The book is looked through by a process of its own; not having looked is no good news."""

from pathlib import Path

import pytest
from builders import CONFIGURATION
from replayed_book import ReplayedBook, a_replayed_book

from trader.app.settings import Settings, load_settings
from trader.app.verifying import faults_of_the_book
from trader.domain.errors import BookError


@pytest.fixture
def book(tmp_path: Path) -> ReplayedBook:
    """A book that the default configuration may trade on."""
    book = a_replayed_book(tmp_path, until="10:05")
    book.damage("UPDATE book_stamp SET kind = 'simulated'")
    return book


def settings_of(book: ReplayedBook, config: Path = CONFIGURATION) -> Settings:
    return load_settings(config, book={"db": book.db})


async def test_a_sound_book_has_no_faults(book: ReplayedBook) -> None:
    assert await faults_of_the_book(settings_of(book)) == ""


async def test_an_event_changed_long_ago_is_a_fault(book: ReplayedBook) -> None:
    book.damage("UPDATE book_events SET data = '{}' WHERE seq = 2")
    assert "event 2 another hash" in await faults_of_the_book(settings_of(book))


async def test_not_having_looked_is_an_error(book: ReplayedBook, tmp_path: Path) -> None:
    gone = tmp_path / "gone.toml"
    gone.write_text(CONFIGURATION.read_text("utf-8"), "utf-8")
    (tmp_path / "families.toml").write_text(CONFIGURATION.with_name("families.toml").read_text("utf-8"), "utf-8")
    settings = settings_of(book, gone)
    gone.unlink()
    with pytest.raises(BookError, match="could not be looked through"):
        await faults_of_the_book(settings)
