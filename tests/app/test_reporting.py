"""`trader report` and `trader export`: what they say is what the book says, and a book cannot steer the page."""

import csv
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars
import pytest
from replayed_book import DAY, ReplayedBook, a_replayed_book

from trader.adapters.sqlite.rows import to_us
from trader.domain.session import new_york_day

NOON_US = to_us(new_york_day(DAY)[0]) + 12 * 3_600_000_000


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> ReplayedBook:
    """The whole day: flat at its end."""
    return a_replayed_book(tmp_path_factory.mktemp("day"))


def figures(book: ReplayedBook, *arguments: str) -> dict[str, Any]:
    """A report's figures."""
    answer = book.trader("report", *arguments, "--json", "--out", str(book.folder))
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)["figures"]
    assert isinstance(found, dict)
    return found


def page(book: ReplayedBook, period: str = "2025-06-23") -> str:
    """A report's page."""
    return (book.folder / f"report-paper-{period}.html").read_text("utf-8")


class Elements(HTMLParser):
    """The elements and the visible text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts = 0
        self.links: list[str] = []
        self.text: list[str] = []
        self._in_script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Count what could run, and what could be fetched."""
        self._in_script = tag == "script"
        self.scripts += self._in_script
        self.links += [str(value) for name, value in attrs if name in ("src", "href", "action")]

    def handle_endtag(self, tag: str) -> None:
        """Text is visible again."""
        self._in_script = False

    def handle_data(self, data: str) -> None:
        """Keep what a person sees."""
        if not self._in_script:
            self.text.append(data)


def test_the_day_of_a_report_is_what_the_account_made(book: ReplayedBook) -> None:
    of_day = figures(book, "day", "2025-06-23")
    assert of_day["pnl"] == float(book.one("SELECT round(equity - starting_cash, 2) FROM account"))
    assert str(of_day["fills"]) == book.one("SELECT count(*) FROM trades")
    assert of_day["commission"] == float(book.one("SELECT round(sum(commission), 2) FROM trades"))
    course = of_day["course"]
    assert course["cash"] == float(book.one("SELECT cash FROM account"))


def test_the_groups_of_a_report_add_up_to_its_round_trips(book: ReplayedBook) -> None:
    of_day = figures(book, "day", "2025-06-23")
    pnl = float(book.one("SELECT round(sum(pnl), 2) FROM round_trips"))
    for name in ("by_family", "by_hour", "by_weekday", "by_exit_reason"):
        groups = of_day[name]
        assert round(sum(group["pnl"] for group in groups), 2) == pnl, name
    assert of_day["by_family"] == [
        {"name": "AAPL", "round_trips": 1, "won": 0, "pnl": of_day["by_family"][0]["pnl"]},
        {"name": "QQQ", "round_trips": 3, "won": 0, "pnl": of_day["by_family"][1]["pnl"]},
    ]


def test_a_report_counts_refusals_by_their_rule(book: ReplayedBook) -> None:
    refused = figures(book, "day", "2025-06-23")["refused"]
    assert {(row["stage"], row["rule"], row["signals"]) for row in refused} == set(
        book.sql("SELECT stage, rule, sum(count) FROM signals WHERE outcome = 'refused' GROUP BY 1, 2")
    )


def test_a_date_without_anything_is_an_empty_report_and_no_error(book: ReplayedBook) -> None:
    of_day = figures(book, "day", "2025-06-24")
    assert (of_day["pnl"], of_day["fills"], of_day["round_trips"]) == (0, 0, [])
    assert "Nothing happened to the account." in page(book, "2025-06-24")


def test_cash_that_was_moved_is_no_profit(book: ReplayedBook, tmp_path: Path) -> None:
    before = figures(book, "day", "2025-06-23")["pnl"]
    richer = book.copy_to(tmp_path / "richer")
    richer.damage(
        "INSERT INTO book_events (account, seq, type, symbol, at_us, data, hash) "
        "VALUES ('paper', 100000, 'cash_moved', '', ?, '{\"amount_micros\": 5000000000}', ?)",
        NOON_US,
        "0" * 64,
    )
    of_day = figures(richer, "day", "2025-06-23")
    assert of_day["pnl"] == before
    [day] = of_day["course"]["days"]
    assert day["moved"] == 5000.0
    assert day["closing_equity"] == round(day["opening_equity"] + day["pnl"] + 5000, 2)


def test_what_is_held_moves_the_equity_with_each_recorded_bar(tmp_path: Path) -> None:
    book = a_replayed_book(tmp_path, until="12:20")
    before = figures(book, "day", "2025-06-23")["course"]["points"][-1]["equity"]
    held = int(book.one("SELECT quantity FROM positions WHERE symbol = 'TQQQ'"))
    last = float(book.one("SELECT price FROM trades WHERE symbol = 'TQQQ'"))
    bars = json.dumps({"bars": [["TQQQ", 0, 0, 0, round((last - 1) * 1e6), 1]]})
    book.damage(
        "INSERT INTO book_inputs (account, at_us, kind, data) VALUES ('paper', ?, 'BarTime', ?)",
        NOON_US + 1_800_000_000,
        bars,
    )
    after = figures(book, "day", "2025-06-23")["course"]["points"][-1]["equity"]
    assert round(before - after, 2) == held


def test_nothing_in_the_book_steers_the_page(book: ReplayedBook, tmp_path: Path) -> None:
    hostile = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
    figures(book, "day", "2025-06-23")
    sound = Elements(page(book))
    struck = book.copy_to(tmp_path / "struck")
    struck.damage("UPDATE book_round_trips SET exit_reason = ? WHERE id = 1", hostile)
    struck.damage("UPDATE book_signals SET rule = ? WHERE rule = 'after_cutoff'", hostile)
    figures(struck, "day", "2025-06-23")
    seen = Elements(page(struck))
    assert (seen.scripts, seen.links) == (sound.scripts, [])
    assert hostile in "".join(seen.text)


def test_a_page_needs_nothing_else(book: ReplayedBook) -> None:
    figures(book, "day", "2025-06-23")
    assert Elements(page(book)).links == []
    assert "@import" not in page(book).partition("</style>")[0]


@pytest.mark.parametrize(
    ("typed", "first", "last"),
    [
        (("week", "2025-06-25"), "2025-06-23", "2025-06-29"),
        (("month", "2025-06"), "2025-06-01", "2025-06-30"),
        (("month", "2024-02-10"), "2024-02-01", "2024-02-29"),
        (("range", "2025-06-20", "2025-06-24"), "2025-06-20", "2025-06-24"),
        (("day",), "2025-06-23", "2025-06-23"),
    ],
)
def test_a_period_reaches_from_its_first_date_to_its_last(
    book: ReplayedBook, typed: tuple[str, ...], first: str, last: str
) -> None:
    found = figures(book, *typed)
    assert (found["first"], found["last"]) == (first, last)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("dya",), "did you mean day?"),
        (("day", "2025-13-01"), "write it as 2025-06-23"),
        (("day", "2025-06-23", "2025-06-24"), "at most one date"),
        (("range", "2025-06-23"), "takes two dates"),
        (("range", "2025-06-24", "2025-06-23"), "is before its first"),
        (("day", "--out", "no/such/folder"), "there is no folder"),
    ],
)
def test_a_report_that_cannot_be_made_says_why(book: ReplayedBook, typed: tuple[str, ...], said: str) -> None:
    answer = book.trader("report", *typed)
    assert answer.code == 2
    assert said in answer.err


@pytest.mark.parametrize(("what", "view"), [("trades", "round_trips"), ("fills", "trades"), ("events", "events")])
def test_an_export_has_every_row(book: ReplayedBook, tmp_path: Path, what: str, view: str) -> None:
    rows = len(book.sql(f"SELECT * FROM {view}"))  # noqa: S608  (our names)
    assert book.trader("export", what, str(tmp_path / "a.csv")).code == 0
    assert book.trader("export", what, str(tmp_path / "a.parquet")).code == 0
    with (tmp_path / "a.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == rows
    assert polars.read_parquet(tmp_path / "a.parquet").height == rows


def test_times_are_times_in_parquet(book: ReplayedBook, tmp_path: Path) -> None:
    book.trader("export", "fills", str(tmp_path / "fills.parquet"))
    stored = polars.read_parquet(tmp_path / "fills.parquet")["timestamp"]
    assert stored.dtype == polars.Datetime("us", "UTC")


@pytest.mark.parametrize("hostile", ['=HYPERLINK("http://x","a")', "+1", "-2+3", "@SUM(1)", "\t=1"])
def test_no_text_of_an_export_is_a_formula_to_a_spreadsheet(book: ReplayedBook, tmp_path: Path, hostile: str) -> None:
    """An id that came with a signal is anybody's; a loss stays a number, and other programs read Parquet."""
    struck = book.copy_to(tmp_path / "struck")
    struck.damage("UPDATE book_fills SET reason = ? WHERE id = 1", hostile)
    struck.trader("export", "fills", str(tmp_path / "fills.csv"))
    struck.trader("export", "fills", str(tmp_path / "fills.parquet"))
    with (tmp_path / "fills.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["reason"] == f"'{hostile}"
    assert min(float(row["realized_pnl"]) for row in rows) < 0
    assert polars.read_parquet(tmp_path / "fills.parquet")["reason"][0] == hostile


def test_an_export_never_goes_over_another_file(book: ReplayedBook, tmp_path: Path) -> None:
    mine = tmp_path / "mine.csv"
    mine.write_text("precious", "utf-8")
    answer = book.trader("export", "fills", str(mine))
    assert (answer.code, mine.read_text("utf-8")) == (2, "precious")
    assert "--force" in answer.err
    assert book.trader("export", "fills", str(book.db)).code == 2
    assert book.trader("export", "fills", str(mine), "--force").code == 0
    assert list(tmp_path.iterdir()) == [mine]


def test_a_replay_writes_the_report_of_its_whole_run(book: ReplayedBook, tmp_path: Path) -> None:
    answer = book.trader("replay", str(book.folder / "bars"), "--report", str(tmp_path), "--json")
    assert answer.code == 0, answer.err
    told = json.loads((tmp_path / "report-paper-2025-06-23_2025-06-23.json").read_text("utf-8"))
    assert told["pnl"] == round(json.loads(answer.out)["pnl"], 2)


def test_no_violation_is_said_with_its_evidence(book: ReplayedBook) -> None:
    of_day = figures(book, "day", "2025-06-23")
    assert {row["verdict"] for row in of_day["audit"]} <= {"holds", "warning"}
    assert sum(row["looked_at"] for row in of_day["audit"]) > 100
    assert "Cash is never below zero." in page(book)


def test_a_violation_is_in_the_report(book: ReplayedBook, tmp_path: Path) -> None:
    struck = book.copy_to(tmp_path / "struck")
    struck.damage("UPDATE book_fills SET quantity = quantity + 1 WHERE id = 1")
    broken = [row for row in figures(struck, "day", "2025-06-23")["audit"] if row["verdict"] == "violated"]
    assert broken
    assert all(row["found"] and row["first"] for row in broken)
