"""What a replay did, read back from its book: the figures come from the rows, not from the engine's memory."""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypedDict

from trader.adapters.feeds.tape import Tape
from trader.adapters.sqlite.database import read_only
from trader.adapters.sqlite.rows import from_us
from trader.domain.breaker import Breaker
from trader.domain.family import Families
from trader.domain.money import MICROS_PER_DOLLAR
from trader.domain.session import new_york_date
from trader.services.engine import Engine

BLOCK_BARS = 480
_REFUSED_SHOWN = 20


class FileSummary(TypedDict):
    """What became of a bar file's rows."""

    file: str
    symbol: str
    rows: int
    used: int
    outside_session: int
    refused_rows: int
    refused: dict[str, int]
    """Fault -> rows, the most frequent first; spaces of the fault are underscores."""
    first_refused: list[str]
    """The first twenty, by line."""


def faults_in_words(refused: Mapping[str, int]) -> str:
    """`10 timestamp goes back in time, 3 high below low`."""
    return ", ".join(f"{rows} {fault.replace('_', ' ')}" for fault, rows in refused.items())


class Course:
    """The run's equity, and its trades by block of 480 bar times, watched as it goes."""

    def __init__(self) -> None:
        self._bar_times = 0
        self._peak_micros = 0
        self.max_drawdown_micros = 0
        self.max_drawdown_pct = 0.0
        self.trades_by_block: Counter[int] = Counter()

    def observe(self, engine: Engine, fills: int) -> None:
        """Look after each bar time."""
        self.trades_by_block[self._bar_times // BLOCK_BARS] += fills
        self._bar_times += 1
        equity = engine.book.equity_micros(engine.trading.prices)
        if equity > self._peak_micros:
            self._peak_micros = equity
        drawdown = self._peak_micros - equity
        if drawdown > self.max_drawdown_micros:
            self.max_drawdown_micros = drawdown
            self.max_drawdown_pct = 100 * drawdown / self._peak_micros


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The stable keys of `trader replay --json`. Money in dollars."""

    account: str
    interval_s: float
    sessions: int
    first_session: str
    last_session: str
    bars_used: int
    bars_outside_session: int
    bars_outside_dates: int
    bars_refused: int
    files: list[FileSummary]
    signals: int
    outcomes: dict[str, int]
    refusals: dict[str, int]
    breakers: dict[str, int]
    """Each breaker -> how often it has tripped."""
    orders: int
    fills: int
    trades_per_block_mean: float
    trades_per_block_max: int
    round_trips: int
    commission: float
    slippage: float
    costs: float
    """Commission and slippage."""
    starting_cash: float
    cash: float
    equity: float
    pnl: float
    realized_pnl: float
    max_drawdown: float
    max_drawdown_pct: float
    conflicts: int
    overnight_positions: int
    open_positions: list[dict[str, object]]
    lowest_cash: float
    journal_events: int
    journal_digest: str

    def as_json(self) -> dict[str, object]:
        """As a plain table."""
        return asdict(self)


def summarise(
    db: Path, account: str, tape: Tape, engine: Engine, course: Course, slippage_micros: int, digest: str
) -> Summary:
    """Sum up a finished replay."""
    with closing(read_only(db)) as book:
        one = _one(book, account)
        trail = _Trail(book, account, engine.trading.families, engine.book.starting_cash_micros)
        outcomes = _counts(book, "SELECT outcome, sum(count) FROM book_signals WHERE account = ? GROUP BY 1", account)
        refusals = _counts(
            book,
            "SELECT stage || '.' || rule, sum(count) FROM book_signals WHERE account = ? AND rule IS NOT NULL "
            "GROUP BY 1 ORDER BY 2 DESC, 1",
            account,
        )
        trips = _counts(book, "SELECT breaker, count(*) FROM book_latches WHERE account = ? GROUP BY 1", account)
        days = [row[0] for row in book.execute("SELECT day FROM book_days WHERE account = ? ORDER BY 1", (account,))]
        state = engine.book
        equity = state.equity_micros(engine.trading.prices)
        blocks = course.trades_by_block
        commission = _usd(one("SELECT coalesce(sum(commission_micros), 0) FROM charged_fills WHERE account = ?"))
        return Summary(
            account=account,
            interval_s=tape.interval.total_seconds(),
            sessions=len(days),
            first_session=days[0] if days else "",
            last_session=days[-1] if days else "",
            bars_used=tape.bars,
            bars_outside_session=sum(report.outside_session for report in tape.report),
            bars_outside_dates=sum(report.outside_dates for report in tape.report),
            bars_refused=sum(sum(report.refused.values()) for report in tape.report),
            files=_files(tape),
            signals=sum(outcomes.values()),
            outcomes=outcomes,
            refusals=refusals,
            breakers={breaker.value: trips.get(breaker, 0) for breaker in Breaker},
            orders=one("SELECT count(*) FROM book_orders WHERE account = ?"),
            fills=one("SELECT count(*) FROM book_fills WHERE account = ?"),
            trades_per_block_mean=round(sum(blocks.values()) / max(len(blocks), 1), 2),
            trades_per_block_max=max(blocks.values(), default=0),
            round_trips=one("SELECT count(*) FROM book_round_trips WHERE account = ?"),
            commission=commission,
            slippage=_usd(slippage_micros),
            costs=round(commission + _usd(slippage_micros), 2),
            starting_cash=_usd(state.starting_cash_micros),
            cash=_usd(state.cash_micros),
            equity=_usd(equity),
            pnl=_usd(equity - state.starting_cash_micros),
            realized_pnl=_usd(one("SELECT coalesce(sum(realized_micros), 0) FROM charged_fills WHERE account = ?")),
            max_drawdown=_usd(course.max_drawdown_micros),
            max_drawdown_pct=round(course.max_drawdown_pct, 3),
            conflicts=trail.conflicts,
            overnight_positions=trail.overnight,
            open_positions=_open_positions(engine),
            lowest_cash=_usd(trail.lowest_cash_micros),
            journal_events=one("SELECT count(*) FROM book_events WHERE account = ?"),
            journal_digest=digest,
        )


class _Trail:
    """Walks the fills in order and looks at every moment, not only at the end."""

    def __init__(self, book: sqlite3.Connection, account: str, families: Families, cash_micros: int) -> None:
        self.lowest_cash_micros = cash_micros
        self.conflicts = 0
        self.overnight = 0
        held: defaultdict[str, int] = defaultdict(int)
        day = None
        for symbol, side, quantity, price, commission, at_us in book.execute(
            "SELECT symbol, side, quantity, price_micros, commission_micros, executed_us FROM charged_fills "
            "WHERE account = ? ORDER BY id",
            (account,),
        ):
            today = new_york_date(from_us(at_us))
            if day is not None and today != day:
                self.overnight += sum(1 for shares in held.values() if shares)
            day = today
            signed = quantity if side == "BUY" else -quantity
            held[symbol] += signed
            cash_micros -= signed * price + commission
            self.lowest_cash_micros = min(self.lowest_cash_micros, cash_micros)
            self.conflicts += _in_conflict(families, symbol, held)


def _in_conflict(families: Families, symbol: str, held: Mapping[str, int]) -> bool:
    """Whether the family of a symbol is held long and inverse at this moment."""
    family = families.family(families.instrument(symbol).family)
    return len({leverage > 0 for member, leverage in family.members.items() if held.get(member)}) > 1


def _open_positions(engine: Engine) -> list[dict[str, object]]:
    """What the data's end left open, valued at its last price."""
    positions = []
    for position in sorted(engine.book.positions.values(), key=lambda position: position.symbol):
        value = engine.trading.prices.value_micros(position.symbol, position.quantity, position.cost_micros)
        positions.append(
            {
                "symbol": position.symbol,
                "quantity": position.quantity,
                "avg_cost": _usd(position.avg_cost_micros),
                "value": _usd(value),
                "unrealized_pnl": _usd(value - position.cost_micros),
            }
        )
    return positions


def _files(tape: Tape) -> list[FileSummary]:
    return [
        {
            "file": report.file,
            "symbol": report.symbol,
            "rows": report.rows,
            "used": report.used,
            "outside_session": report.outside_session,
            "refused_rows": sum(report.refused.values()),
            "refused": {fault.replace(" ", "_"): rows for fault, rows in report.refused.items()},
            "first_refused": [f"line {bad.line}: {bad.fault}" for bad in report.bad_bars[:_REFUSED_SHOWN]],
        }
        for report in tape.report
    ]


def _one(book: sqlite3.Connection, account: str) -> Callable[[str], int]:
    def one(query: str) -> int:
        return int(book.execute(query, (account,)).fetchone()[0])

    return one


def _counts(book: sqlite3.Connection, query: str, account: str) -> dict[str, int]:
    return {str(row[0]): int(row[1]) for row in book.execute(query, (account,))}


def _usd(amount_micros: int) -> float:
    return round(amount_micros / MICROS_PER_DOLLAR, 4)
