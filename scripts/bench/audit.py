"""How long the audit takes, beside a bare scan of the executions that it looks through.

The book is made for it, and sound: trades in and out of twenty symbols, an order and its events for each execution, a
chain of hashes over all events, a few positions that are held at the end. Processor time is counted, for whatever else
the machine does is no part of it; every ratio is taken inside one run.

The aim for everything, 80 scans, is about what reading and hashing the journal alone takes: each trade has two and
a half events, and each of these a hash.
"""

import argparse
import json
import shutil
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from statistics import median
from time import process_time
from typing import NamedTuple

from figures import SCRATCH, Figure, show

from trader.adapters.sqlite.queries import SCHEMA
from trader.audit import chain, checksums, summing, telling
from trader.audit.audit import fails
from trader.audit.besides import as_shipped
from trader.audit.ledger import CASH_IS_TRADED, FILLS_ARE_POSITIONS
from trader.audit.reading import open_read_only
from trader.audit.rules import RULES
from trader.audit.watching import EVERYTHING, Watch

_SIZES = (100_000, 1_000_000)
_ROUNDS = 3
_SCAN = "SELECT sum(quantity) FROM book_fills"

_FIRST_US = 1_750_690_800_000_000
"""11:00 in New York on a Monday in summer, and 10:00 in winter."""
_DAY_US, _STEP_US = 86_400_000_000, 5_000_000
_A_DAY, _A_WEEK = 2_000, 5
_SYMBOLS, _HELD = 20, 4
_CASH, _PRICE, _SHARES, _COMMISSION = 10**15, 100_000_000, 10, 1_000_000
_VALUE = _PRICE * _SHARES
_STOP, _TARGET = 98_600_000, 102_100_000
_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

Row = dict[str, object]


class Trade(NamedTuple):
    """One execution, and the order that it fills whole."""

    number: int
    symbol: str
    is_buy: bool

    @property
    def ref(self) -> str:
        """Of its order."""
        return f"bench-1-{_base32(self.number)}"

    @property
    def at_us(self) -> int:
        """So many a day, on weekdays."""
        day, place = divmod(self.number - 1, _A_DAY)
        return _FIRST_US + (day // _A_WEEK * 7 + day % _A_WEEK) * _DAY_US + place * _STEP_US

    @property
    def signal(self) -> str:
        """What it follows from."""
        return f"S-{_base32((self.number + 1) // 2)}" if self.is_buy else ""


def _base32(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 32)
        digits = _DIGITS[digit] + digits
    return digits.rjust(4, "0")


def _trades(count: int) -> Iterator[Trade]:
    """In and out, symbol by symbol; every second one of the last few stays in."""
    for number in range(1, count + 1):
        pair, is_exit = divmod(number - 1, 2)
        if number <= count - 2 * _HELD:
            yield Trade(number, f"S{pair % _SYMBOLS:02}", is_buy=not is_exit)
        elif not is_exit:
            yield Trade(number, f"HELD{pair % _HELD}", is_buy=True)


def _order(trade: Trade) -> Row:
    purpose, limit = ("entry", 101_000_000) if trade.is_buy else ("exit", None)
    asked = {"order_ref": trade.ref, "side": "BUY" if trade.is_buy else "SELL", "quantity": _SHARES}
    return {**asked, "limit_micros": limit, "purpose": purpose, "reason": "signal", "signal_id": trade.signal}


def _lock(trade: Trade) -> Row:
    return {"family": trade.symbol, "direction": 1, "takes_slot": 1, "reserved_micros": 1_011_000_000}


def _fill(trade: Trade) -> Row:
    fill = {"execution_id": f"{trade.ref}.1", "order_ref": trade.ref, "side": "BUY" if trade.is_buy else "SELL"}
    money = {"quantity": _SHARES, "price_micros": _PRICE, "commission_micros": _COMMISSION}
    purpose = {"purpose": "entry" if trade.is_buy else "exit", "reason": "signal", "executed_us": trade.at_us}
    return {**fill, **money, "realized_micros": -_COMMISSION, **purpose}


def _events(trade: Trade) -> Iterator[tuple[str, Row]]:
    if trade.is_buy:
        grounds = {"probability": 0.8, "threshold": 0.75, "seconds_to_cutoff": 9_000, "room_micros": 15_000_000_000}
        yield "order_created", {**_order(trade), **_lock(trade), **grounds}
    else:
        yield "position_closing", {"purpose": "exit", "reason": "signal", "signal_id": ""}
        yield "order_created", _order(trade)
    is_buy = trade.is_buy
    levels = {"stop_micros": _STOP if is_buy else None, "take_profit_micros": _TARGET if is_buy else None}
    results = {"family": trade.symbol, "direction": 1, "held": _SHARES * is_buy, **levels}
    yield "fill", {**_fill(trade), **results, "position_created": is_buy, "lock_released": is_buy}


def _rows(trade: Trade) -> Iterator[tuple[str, Row]]:
    """What a trade leaves in the tables, but for its events and its position."""
    account: Row = {"account": "bench", "symbol": trade.symbol}
    times: Row = {"created_us": trade.at_us, "updated_us": trade.at_us}
    order = {key: value for key, value in _order(trade).items() if key not in account}
    yield "book_orders", {**account, **order, "filled": _SHARES, "state": "filled", **times}
    yield "book_fills", {"id": None, **account, **_fill(trade), "booked_us": trade.at_us}
    if not trade.is_buy:
        bought_us = trade.at_us - _STEP_US
        trip: Row = {"opened_us": bought_us, "closed_us": trade.at_us, "quantity": _SHARES, "bought_micros": _VALUE}
        ended: Row = {"pnl_micros": -2 * _COMMISSION, "exit_reason": "signal", "closed_by": f"{trade.ref}.1"}
        yield "book_round_trips", {**account, **trip, "sold_micros": _VALUE, **ended}
        return
    is_held = trade.symbol.startswith("HELD")
    released: Row = {"acquired_us": trade.at_us, "released_us": trade.at_us, "evidence": "filled"}
    yield "book_locks", {**account, "order_ref": trade.ref, **_lock(trade), "reserved_micros": 0, **released}
    cost: Row = {"remaining": _SHARES * is_held, "cost_micros": _VALUE * is_held}
    yield "book_lots", {**account, "execution_id": f"{trade.ref}.1", "opened_us": trade.at_us, **cost}
    times = {"signal_us": trade.at_us, "received_us": trade.at_us}
    fate: Row = {"probability": 0.8, "source": "bench", "outcome": "ordered", "detail": "", "count": 1}
    yield "book_signals", {**account, "id": trade.signal, **times, **fate, "order_ref": trade.ref}


def _position(buy: Trade, newest: Trade) -> Row:
    is_held = newest.is_buy
    state: Row = {
        "quantity": _SHARES * is_held,
        "cost_micros": _VALUE * is_held,
        "state": "open" if is_held else "flat",
    }
    levels = (_PRICE, _STOP, _STOP, _TARGET) if is_held else (None,) * 4
    plan = dict(zip(("entry_micros", "initial_stop_micros", "stop_micros", "take_profit_micros"), levels, strict=True))
    made: Row = {"account": "bench", "symbol": buy.symbol, "family": buy.symbol, "direction": 1, "closing_reason": ""}
    times: Row = {"opened_us": buy.at_us, "updated_us": newest.at_us, "bought": _SHARES, "bought_micros": _VALUE}
    sums: Row = {"sold_micros": _VALUE * (not is_held), "realized_micros": -_COMMISSION * (1 if is_held else 2)}
    return {**made, **state, **plan, **times, **sums}


class _Journal:
    """Events, chained."""

    def __init__(self) -> None:
        self._seq, self._hash = 0, "0" * 64

    @property
    def length(self) -> int:
        """Events."""
        return self._seq

    def row(self, type_: str, symbol: str, at_us: int, data: Row) -> Row:
        """The next one."""
        self._seq += 1
        text = json.dumps(data)
        line = f"{self._hash}|bench|{self._seq}|{type_}|{symbol}|{at_us}|{text}"
        self._hash = sha256(line.encode()).hexdigest()
        named: Row = {"account": "bench", "seq": self._seq, "type": type_, "symbol": symbol, "at_us": at_us}
        return {**named, "data": text, "hash": self._hash}


def _make_book(path: Path, count: int) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as book:
        book.executescript(SCHEMA)
        guards = book.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in guards:
            book.execute(f"DROP TRIGGER {name}")
        book.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN")
        _fill_book(book, count)
        for _, guard in guards:
            book.execute(guard)
        book.execute("COMMIT")


def _fill_book(book: sqlite3.Connection, count: int) -> None:
    journal, cash = _Journal(), _CASH
    buys: dict[str, Trade] = {}
    newest: dict[str, Trade] = {}
    waiting: defaultdict[str, list[Row]] = defaultdict(list)
    waiting["book_events"] += [
        journal.row("account_opened", "", _FIRST_US, {"starting_cash_micros": _CASH}),
        journal.row("phase", "", _FIRST_US, {"phase": "open", "day": "2025-06-23"}),
    ]
    for trade in _trades(count):
        newest[trade.symbol] = trade
        if trade.is_buy:
            buys[trade.symbol] = trade
        cash += (-_VALUE if trade.is_buy else _VALUE) - _COMMISSION
        for table, row in _rows(trade):
            waiting[table].append(row)
        waiting["book_events"] += [
            journal.row(type_, trade.symbol, trade.at_us, data) for type_, data in _events(trade)
        ]
        if len(waiting["book_events"]) > _A_DAY:
            _write(book, waiting)
    entered = [trade for trade in newest.values() if trade.is_buy]
    signals = (count - 2 * _HELD) // 2 + len(entered)
    numbers: Row = {"orders_made": count, "signals_seen": signals, "journal_events": journal.length}
    times: Row = {"opened_us": _FIRST_US, "updated_us": _FIRST_US}
    money: Row = {"starting_cash_micros": _CASH, "cash_micros": cash}
    waiting["book_accounts"].append({"account": "bench", **money, **numbers, **times})
    waiting["book_positions"] += [_position(buys[symbol], trade) for symbol, trade in newest.items()]
    stamp: Row = {"one": 1, "kind": "simulated", "book_id": "bench", "epoch": 1, "seed": 1, "created_us": 0}
    waiting["book_stamp"].append(stamp)
    _write(book, waiting)
    checksums.write(book)


def _write(book: sqlite3.Connection, waiting: dict[str, list[Row]]) -> None:
    for table, rows in waiting.items():
        if rows:
            names = ", ".join(rows[0])
            places = ", ".join("?" * len(rows[0]))
            book.executemany(
                f"INSERT INTO {table} ({names}) VALUES ({places})",  # noqa: S608
                [tuple(row.values()) for row in rows],
            )
            rows.clear()


def _timed(job: Callable[[], object]) -> float:
    begin = process_time()
    job()
    return process_time() - begin


def _times(path: Path) -> dict[str, float]:
    """Seconds of one round: a bare scan, shares and cash, everything, and of that the journal."""
    with closing(open_read_only(path)) as book:
        scan = median(_timed(lambda: book.execute(_SCAN).fetchone()) for _ in range(5))
        journal: list[float] = []

        def taken_in(connection: sqlite3.Connection) -> None:
            begin = process_time()
            telling.tell(connection)
            chain.follow(connection)
            journal.append(process_time() - begin)

        rest = [step for step in EVERYTHING if step not in (telling.tell, chain.follow)]
        watch = Watch(book, as_shipped({}), (taken_in, *rest))
        everything = _timed(lambda: _check(watch))

        def shares_and_cash() -> None:
            summing.sum_fills(book)
            for rule in (FILLS_ARE_POSITIONS, CASH_IS_TRADED):
                book.execute(rule.query).fetchall()

        return {
            "scan": scan,
            "shares and cash": _timed(shares_and_cash),
            "everything": everything,
            "the journal": journal[0],
        }


def _check(watch: Watch) -> None:
    answers = watch.look(RULES)
    if fails(answers):
        wrong = [
            (answer.rule.name, answer.fault, answer.findings[:1])
            for answer in answers
            if answer.findings or answer.fault
        ]
        raise SystemExit(f"the benchmark's book is not sound: {wrong}")


def measure(sizes: tuple[int, ...] = _SIZES) -> list[Figure]:
    """The same looks at books of these sizes."""
    SCRATCH.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="audit-", dir=SCRATCH))
    figures: list[Figure] = []
    try:
        for size in sizes:
            path = folder / f"{size}.db"
            _make_book(path, size)
            rounds = [_times(path) for _ in range(_ROUNDS)]
            figures += _figures(size, rounds)
    finally:
        shutil.rmtree(folder)
    return figures


def _figures(size: int, rounds: list[dict[str, float]]) -> list[Figure]:
    def ratio(what: str) -> float:
        return median(times[what] / times["scan"] for times in rounds)

    name = f"audit, {size:,} trades"
    return [
        Figure(name=f"{name}: a bare scan", measured=median(times["scan"] for times in rounds) * 1e3, unit="ms"),
        Figure(name=f"{name}: shares and cash, in scans", measured=ratio("shares and cash"), at_most=6),
        Figure(name=f"{name}: everything, in scans", measured=ratio("everything"), at_most=80),
        Figure(name=f"{name}: of that the journal and its chain, in scans", measured=ratio("the journal")),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trades", type=int, help="of one book; default: 100,000 and 1,000,000")
    asked = parser.parse_args().trades
    show(measure((asked,) if asked else _SIZES))
