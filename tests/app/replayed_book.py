"""A real book to read from: one scripted day, written as bar files and replayed by the program itself.

The day, 2025-06-23 in New York (a signal is known at the end of its bar, a minute later):

    09:40  QQQ 0.80 twice      buys QQQ; the second is refused, its symbol is locked
    10:00  QQQ 0.50            closes it
    10:15  MSFT 0.90           ordered; the price jumps beyond the limit and the entry is cancelled
    10:30  AAPL 0.90           buys AAPL
    11:30  AAPL falls          the stop closes it
    12:00  QQQ 0.95            buys TQQQ
    12:30  QQQ 0.05            closes TQQQ, and then buys SQQQ: the same signal, decided twice
    13:00  AAPL 2.00           refused, no probability
    15:46  AAPL 0.90           refused, too late
    15:50                      the end of the day closes SQQQ
"""

import asyncio
import io
import re
import sqlite3
import sys
import threading
from collections.abc import Iterable, Mapping
from contextlib import closing, redirect_stderr, redirect_stdout
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple, Self
from unittest import mock

from trader import Bar, Signal
from trader.adapters.control import ControlServer, socket_path
from trader.app.cli import main
from trader.domain.session import NEW_YORK

DAY = date(2025, 6, 23)
PRICES = {"AAPL": 200.0, "MSFT": 400.0, "QQQ": 500.0, "TQQQ": 80.0, "PSQ": 40.0, "SQQQ": 30.0}
SAYS = {
    ("QQQ", "09:40"): (0.80, 0.80),
    ("QQQ", "10:00"): (0.50,),
    ("MSFT", "10:15"): (0.90,),
    ("AAPL", "10:30"): (0.90,),
    ("QQQ", "12:00"): (0.95,),
    ("QQQ", "12:30"): (0.05,),
    ("AAPL", "13:00"): (2.0,),
    ("AAPL", "15:46"): (0.90,),
}


_STYLE = re.compile(r"\x1b\[[0-9;]*m")


class Scripted:
    """The day's strategy."""

    def on_bar(self, bar: Bar) -> Iterable[Signal]:
        """Say what the script says of this minute."""
        minute = f"{bar.timestamp.astimezone(NEW_YORK):%H:%M}"
        return [Signal(bar.symbol, probability) for probability in SAYS.get((bar.symbol, minute), ())]


class Answer(NamedTuple):
    """What a command said and its exit code."""

    code: int
    out: str
    err: str

    def rows(self) -> list[dict[str, str]]:
        """The TSV of a listing, by column."""
        header, *lines = self.out.splitlines()
        return [dict(zip(header.split("\t"), line.split("\t"), strict=True)) for line in lines]

    def facts(self) -> dict[str, str]:
        """The first lines of name and value, up to an empty line; a terminal's have spaces between."""
        lines = self.out.split("\n\n", maxsplit=1)[0].splitlines()
        if "\t" not in self.out:
            lines = [re.sub(r"\s{2,}", "\t", line.strip(), count=1) for line in lines]
        return {name: value for name, _, value in (line.partition("\t") for line in lines)}


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class ReplayedBook(NamedTuple):
    """A configuration and its book, in a folder of their own."""

    folder: Path

    @property
    def db(self) -> Path:
        """The book."""
        return self.folder / "book.db"

    @property
    def config(self) -> Path:
        """The configuration."""
        return self.folder / "config.toml"

    def trader(self, *arguments: str, terminal: bool = False) -> Answer:
        """Type a command on this book."""
        return trader(*arguments, "--config", str(self.config), "--db", str(self.db), terminal=terminal)

    def sql(self, query: str, *values: object) -> list[tuple[object, ...]]:
        """Read from the file."""
        with closing(sqlite3.connect(self.db)) as connection:
            return connection.execute(query, values).fetchall()

    def one(self, query: str, *values: object) -> str:
        """The one value of a query, as text."""
        [(value,)] = self.sql(query, *values)
        return str(value)

    def damage(self, statement: str, *values: object) -> None:
        """Do what the program never does: change a row, its guards put aside and back again."""
        with closing(sqlite3.connect(self.db, isolation_level=None)) as connection:
            triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
            for name, _ in triggers:
                connection.execute(f"DROP TRIGGER {name}")
            changed = connection.execute(statement, values).rowcount
            for _, sql in triggers:
                connection.execute(sql)
        assert changed == 1, f"{changed} rows were damaged"

    def copy_to(self, folder: Path) -> "ReplayedBook":
        """A book of one's own, to be damaged."""
        folder.mkdir(exist_ok=True)
        copy = ReplayedBook(folder)
        _configure(copy)
        with closing(sqlite3.connect(self.db)) as source, closing(sqlite3.connect(copy.db)) as target:
            source.backup(target)
        copy.db.chmod(0o600)
        return copy


class PretendedDaemon:
    """Something that answers at the daemon's door, always the same; `raises` is an error."""

    def __init__(self, book: ReplayedBook, answer: dict[str, object]) -> None:
        self._path = socket_path(book.db, "paper")
        self._answer = answer
        self.asked: list[Mapping[str, object]] = []
        self._listens = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        self._listens.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        self._loop = asyncio.new_event_loop()
        server = ControlServer(self._path, self._reply)
        self._loop.run_until_complete(server.start())
        self._listens.set()
        self._loop.run_forever()
        self._loop.run_until_complete(server.stop())
        self._loop.close()

    async def _reply(self, request: Mapping[str, object]) -> dict[str, object]:
        self.asked.append(request)
        if "raises" in self._answer:
            raise ValueError(self._answer["raises"])
        return self._answer


def trader(*arguments: str, terminal: bool = False) -> Answer:
    """Type a command, in this process."""
    out, err = (_Terminal() if terminal else io.StringIO()), io.StringIO()
    code: object = 0
    with mock.patch.object(sys, "argv", ["trader", *arguments]), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as left:
            code = left.code
    return Answer(int(str(code or 0)), _STYLE.sub("", out.getvalue()), err.getvalue())


def a_replayed_book(folder: Path, until: str = "16:00") -> ReplayedBook:
    """Write the day's bars up to a New York time and replay them."""
    book = ReplayedBook(folder)
    _configure(book)
    bars = folder / "bars"
    bars.mkdir()
    for symbol in PRICES:
        (bars / f"{symbol}.csv").write_text("\n".join(_lines(symbol, until)) + "\n", "utf-8")
    answer = trader("replay", str(bars), "--config", str(book.config), "--db", str(book.db))
    assert answer.code == 0, answer.err
    return book


def _configure(book: ReplayedBook) -> None:
    (book.folder / "families.toml").write_text("[QQQ]\nQQQ = 1\nTQQQ = 3\nPSQ = -1\nSQQQ = -3\n", "utf-8")
    book.config.write_text(
        "[book]\n"
        f'db = "{book.db}"\nbackups = "{book.folder / "backups"}"\n'
        f'[log]\nfile = "{book.folder / "robo_trader.log"}"\n'
        '[strategy]\nentry = "replayed_book:Scripted"\n',
        "utf-8",
    )


def _lines(symbol: str, until: str) -> Iterable[str]:
    yield "timestamp,open,high,low,close,volume"
    at = datetime(DAY.year, DAY.month, DAY.day, 9, 30, tzinfo=NEW_YORK)
    before = PRICES[symbol]
    while (minute := f"{at:%H:%M}") < until:
        price = PRICES[symbol] * _moves(symbol, minute)
        opens = price if minute in ("10:16", "11:30") else before
        start = at.astimezone(UTC).isoformat()
        yield f"{start},{opens:.2f},{max(opens, price):.2f},{min(opens, price):.2f},{price:.2f},1000"
        before, at = price, at + timedelta(minutes=1)


def _moves(symbol: str, minute: str) -> float:
    if symbol == "AAPL" and minute >= "11:30":
        return 0.98
    return 1.02 if symbol == "MSFT" and minute >= "10:16" else 1.0
