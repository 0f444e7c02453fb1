"""How things stand: what the daemon says of itself and what the book says of everything else, put side by side."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from trader.adapters.calendar import load_calendar
from trader.adapters.control import Answer, DaemonDown, NoAnswer, ask, socket_path
from trader.adapters.fingerprint import code_fingerprint
from trader.adapters.run_lock import lock_path, running_daemon
from trader.adapters.sqlite.queries import QUERIES
from trader.adapters.sqlite.rows import LIVE_STATES, from_us, read_cash_drift, read_drift, read_halt
from trader.app.account_figures import AccountFigures, read_figures
from trader.app.armed_exits import ArmedExits, read_armed_exits
from trader.app.barriers import Barrier, read_barriers
from trader.app.breakers_list import BreakerRow, inputs_in_words, read_breakers, way_out
from trader.app.connection_state import ConnectionState, read_state
from trader.app.latency_figures import LatencyFigures, read_latencies
from trader.app.settings import Settings
from trader.domain.cash import CashDrift
from trader.domain.errors import BookUnwritable
from trader.domain.portfolio import Drift, Halt
from trader.domain.session import Calendar, Phase, SessionDay, new_york_date

_ANSWER_S = 3.0
_OF_A_POSITION = (
    "symbol",
    "quantity",
    "avg_cost",
    "stop_loss",
    "take_profit",
    "state",
    "opened_at",
    "last",
    "last_at",
    "unrealized_pnl",
    "multiplier",
)


class DaemonSays(NamedTuple):
    """The daemon's own word. `answer` is None when it is down or silent."""

    answer: Answer | None
    down: bool
    why: str = ""

    def text(self, key: str) -> str:
        """One thing it said, or nothing."""
        return str(self.answer[key]) if self.answer is not None and key in self.answer else ""


class MarketNow(NamedTuple):
    """Where the market's day is, and what comes next in it."""

    at: datetime
    phase: str
    half_day: bool
    next: tuple[tuple[str, datetime], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One look. Money in dollars."""

    daemon: DaemonSays
    book: Mapping[str, object]
    account: str
    halts: list[Halt]
    breakers: list[BreakerRow]
    market: MarketNow | None
    cash: float
    equity: float
    figures: AccountFigures
    positions: list[dict[str, object]]
    drift: list[Drift]
    cash_drift: CashDrift | None
    orders: list[dict[str, object]]
    alarms: int
    """Warnings and worse that nobody has acknowledged."""
    exits: ArmedExits | None
    """None of a replay's book: nothing is watched after it."""
    code_on_disk: str
    warnings: list[str] = field(default_factory=list)

    @property
    def state(self) -> str:
        """Whether entries are allowed, as far as halts and breakers of everything go; without a daemon nothing is."""
        if self.daemon.answer is None:
            return "STOPPED" if self.daemon.down else "SILENT"
        if any(halt.scope == "all" for halt in self.halts):
            return "HALTED"
        if any(not row["target"] for row in self.tripped):
            return "TRIPPED"
        return "BARRED" if self.daemon.text("barred") else "TRADING"

    @property
    def tripped(self) -> list[BreakerRow]:
        """Breakers that stop entries until a person clears them."""
        return [row for row in self.breakers if row["state"] == "tripped"]

    @property
    def connection(self) -> ConnectionState | None:
        """How the daemon stands with its broker; None where that is embedded, or nobody answers."""
        return read_state(self.daemon.answer.get("connection")) if self.daemon.answer is not None else None

    @property
    def strategy(self) -> Mapping[str, object]:
        """The strategy's process, as the daemon tells; empty where nobody does."""
        told = self.daemon.answer.get("strategy") if self.daemon.answer is not None else None
        return told if isinstance(told, dict) else {}

    @property
    def barriers(self) -> list[Barrier]:
        """Everything that keeps entries back."""
        told = self.daemon.answer.get("barriers") if self.daemon.answer is not None else None
        return read_barriers(told, self.halts, self.tripped)

    @property
    def latencies(self) -> tuple[LatencyFigures, ...]:
        """How long things take, as the daemon tells; empty where nobody does."""
        return read_latencies(self.daemon.answer.get("latencies")) if self.daemon.answer is not None else ()

    @property
    def code_differs(self) -> bool:
        """Whether the running daemon was started from other code than is on disk now."""
        running = self.daemon.text("code")
        return bool(running) and running != self.code_on_disk

    @property
    def version_differs(self) -> bool:
        """Whether anything of what runs is another on the disk now."""
        return self.code_differs or bool(self.daemon.text("version_differs"))


def ask_daemon(settings: Settings) -> DaemonSays:
    """What the daemon of this book and account says of itself. One that holds the run lock is not down."""
    db, account = settings.book.db, settings.account.name
    try:
        answer = ask(socket_path(db, account), {"ask": "status"}, _ANSWER_S)
    except DaemonDown as error:
        silent = runs_silently(db, account)
        return DaemonSays(None, down=not silent, why=silent or str(error))
    except NoAnswer as error:
        return DaemonSays(None, down=False, why=str(error))
    return DaemonSays(answer, down=False)


def runs_silently(db: Path, account: str) -> str:
    """In words, when somebody holds the run lock although nobody answers; else nothing."""
    try:
        holder = running_daemon(lock_path(db, account))
    except BookUnwritable as error:
        return f"whether a trader runs cannot be seen: {error}"
    if holder is None:
        return ""
    return (
        f"process {holder.pid} runs (version {holder.version}, since {holder.started_at}) and does not answer: it "
        f"starts or stops, or its socket was removed, and it makes that anew; `kill {holder.pid}` stops it in order"
    )


def read_standing(book: sqlite3.Connection, settings: Settings, daemon: DaemonSays) -> Standing:
    """Read everything else from the book."""
    account = settings.account.name
    money = book.execute("SELECT * FROM account WHERE account = ?", (account,)).fetchone()
    market, stamp = _market(book, settings, daemon), _stamp(book, settings)
    told_at = _aware(daemon.text("reconciled_at"))
    standing = Standing(
        daemon=daemon,
        book=stamp,
        account=account,
        breakers=read_breakers(book, settings, daemon.answer.get("breakers") if daemon.answer is not None else None),
        halts=[read_halt(tuple(row)) for row in book.execute(QUERIES["halts"], (account,))],
        market=market,
        cash=money["cash"],
        equity=money["equity"],
        figures=read_figures(book, account, market.at if market is not None else None, told_at),
        positions=[{name: row[name] for name in _OF_A_POSITION} for row in valued_positions(book, account)],
        drift=[read_drift(tuple(row)) for row in book.execute(QUERIES["drift"], (account,))],
        cash_drift=read_cash_drift(book.execute(QUERIES["cash_drift"], (account,)).fetchone()),
        orders=_rows(
            book,
            "SELECT order_ref, symbol, side, quantity, filled, limit_price, state, purpose, created_at FROM orders",
            f"state IN {LIVE_STATES}",
            account,
        ),
        alarms=_open_alarms(book, account),
        exits=read_armed_exits(book, account, daemon) if stamp["kind"] != "replay" else None,
        code_on_disk=code_fingerprint(),
    )
    standing.warnings.extend(_warnings(standing, settings))
    return standing


def _open_alarms(book: sqlite3.Connection, account: str) -> int:
    query = "SELECT count(*) FROM alarms WHERE account = ? AND state = 'open' AND severity <> 'info'"
    [number] = book.execute(query, (account,)).fetchone()
    return int(number)


def _rows(book: sqlite3.Connection, query: str, condition: str, account: str) -> list[dict[str, object]]:
    return [dict(row) for row in book.execute(f"{query} WHERE account = ? AND {condition}", (account,))]


def _stamp(book: sqlite3.Connection, settings: Settings) -> dict[str, object]:
    row = book.execute("SELECT kind, epoch, seed FROM book_stamp").fetchone()
    return {"path": str(settings.book.db), **(dict(row) if row is not None else {"kind": "unstamped"})}


def valued_positions(book: sqlite3.Connection, account: str, *, flat_too: bool = False) -> sqlite3.Cursor:
    """Positions by symbol, each with the last price that the book has, its time, and what it makes of what is held."""
    return book.execute(
        "SELECT p.*, round(m.price_micros / 1e6, 4) AS last, "
        "strftime('%Y-%m-%dT%H:%M:%fZ', m.at_us / 1e6, 'unixepoch') AS last_at, "
        "round((m.price_micros / 1e6 - p.avg_cost) * p.quantity * p.multiplier, 2) AS unrealized_pnl "
        "FROM positions p "
        "LEFT JOIN book_marks m ON m.account = p.account AND m.symbol = p.symbol AND p.quantity > 0 "
        "WHERE p.account = ? AND (p.quantity > 0 OR ?) ORDER BY p.symbol",
        (account, flat_too),
    )


def _market(book: sqlite3.Connection, settings: Settings, daemon: DaemonSays) -> MarketNow | None:
    """The market's time is the daemon's; without one, that of the newest event."""
    newest = book.execute("SELECT max(at_us) FROM book_events WHERE account = ?", (settings.account.name,)).fetchone()[
        0
    ]
    told = _aware(daemon.text("market_time"))
    if told is not None:
        at = told
    elif newest is not None:
        at = from_us(newest)
    else:
        return None
    calendar = load_calendar(settings.session.cutoffs(), settings.session.calendar_overrides())
    session = calendar.session_at(at)
    phase = session.phase(at) if session is not None else Phase.CLOSED
    half_day = session is not None and session.half_day
    return MarketNow(at, daemon.text("phase") or phase, half_day, _next(calendar, session, at))


def _aware(text: str) -> datetime | None:
    """A time with its zone, as the daemon tells it; None for anything else."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else None


def _next(calendar: Calendar, session: SessionDay | None, at: datetime) -> tuple[tuple[str, datetime], ...]:
    """What is still to come today; when nothing is, the next open."""
    moments = cutoffs(session) if session is not None else ()
    coming = tuple((what, when) for what, when in moments if when > at)
    return coming or (("opens", calendar.next_session(new_york_date(at)).opens_at),)


def cutoffs(session: SessionDay) -> tuple[tuple[str, datetime], ...]:
    """The moments of a session, in order."""
    return (
        ("opens", session.opens_at),
        ("entries stop", session.entries_stop_at),
        ("flatten", session.flatten_at),
        ("flat by", session.flat_by_at),
        ("closes", session.closes_at),
    )


def _warnings(standing: Standing, settings: Settings) -> list[str]:
    """What a person should act on, with the way out, the gravest first."""
    return [
        *_of_version(standing),
        *_of_exits(standing),
        *_of_what_stops_entries(standing),
        *_of_the_connection(standing),
        *_of_what_the_broker_has(standing),
        *(
            f"the file {halt_file} keeps entries halted; remove it, then `trader resume`"
            for halt_file in settings.halt_files
            if halt_file.exists()
        ),
    ]


def _of_version(standing: Standing) -> Iterator[str]:
    differs = standing.daemon.text("version_differs")
    if standing.code_differs:
        yield (
            f"THE RUNNING CODE IS NOT THE CODE ON DISK: {standing.daemon.text('code')} runs, {standing.code_on_disk} "
            "is on disk; ./START_TRADER.sh --restart"
        )
    elif differs:
        yield f"WHAT RUNS IS NOT WHAT IS ON DISK: {differs}; ./START_TRADER.sh --restart"


def _of_what_stops_entries(standing: Standing) -> Iterator[str]:
    for halt in standing.halts:
        if halt.scope == "strategy":
            yield (
                f"strategy {halt.target} is disabled: {halt.reason}; "
                f"`trader resume --strategy {halt.target} --reason ...`"
            )
    for row in standing.tripped:
        measured = inputs_in_words(row["inputs"]) or f"measured {row['measured']}"
        yield (
            f"the breaker {row['breaker']} has tripped: {row['cause']} ({row['formula']}; {measured}); `{way_out(row)}`"
        )
    if standing.strategy.get("state", "running") not in ("running", "disabled"):
        yield f"strategy {standing.strategy.get('name')} says nothing: {standing.strategy.get('state')}"
    if standing.daemon.text("barred"):
        yield f"entries are barred: {standing.daemon.text('barred')}"


def _of_the_connection(standing: Standing) -> Iterable[str]:
    if standing.connection is None:
        return ()
    phase = standing.market.phase if standing.market is not None else ""
    return standing.connection.warnings(in_session=phase not in ("", Phase.CLOSED))


def _of_exits(standing: Standing) -> Iterator[str]:
    gaps = standing.exits.gaps if standing.exits is not None else ()
    if gaps and standing.daemon.down:
        yield f"{', '.join(gap.symbol for gap in gaps)} held, and nobody watches the exits; ./START_TRADER.sh"
    if standing.daemon.answer is not None:
        for gap in gaps:
            yield f"{gap.symbol} {gap.held} held, exits of {gap.armed} armed: {gap.why or 'see `trader ledger`'}"


def _of_what_the_broker_has(standing: Standing) -> Iterator[str]:
    for drift in standing.drift:
        yield f"{drift.symbol} book {drift.book}, broker {drift.broker}: {drift.what}; {drift.way_out}"
    if standing.cash_drift is not None:
        yield f"{standing.cash_drift.what}; {standing.cash_drift.way_out}"
    for order in standing.orders:
        if order["state"] == "unknown":
            yield f"nobody knows what became of {order['order_ref']} {order['side']} {order['symbol']}"
