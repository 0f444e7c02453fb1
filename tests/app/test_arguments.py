"""What is typed reaches its command, or is refused with a word."""

from pathlib import Path

from replayed_book import trader


def test_a_negative_number_is_a_value_and_no_option(tmp_path: Path) -> None:
    answer = trader("signal", "QQQ", "-0.5", "--db", str(tmp_path / "book.db"))
    assert "no daemon listens" in answer.err


def test_what_is_not_text_is_refused(tmp_path: Path) -> None:
    answer = trader("why", "\udcff", "--db", str(tmp_path / "book.db"))
    assert answer.code == 2
    assert answer.err == "trader: '\\udcff' is not text in UTF-8\n"
