"""What a report says, read from the book: every figure can be had by hand with sqlite3."""

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import NamedTuple

from trader.adapters.sqlite.rows import from_us
from trader.app.overnight import may_stay
from trader.app.report.course import LONGEST_WEEK_US, Course, read_course
from trader.app.report.period import Period
from trader.app.settings import Settings
from trader.audit.audit import audit
from trader.audit.rule import FAILS, Answer
from trader.domain.money import MICROS_PER_DOLLAR
from trader.domain.session import NEW_YORK

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class RoundTrip(NamedTuple):
    """A position from its first share to its last, dollars."""

    symbol: str
    family: str
    opened_at: datetime
    closed_at: datetime
    quantity: int
    entry_price: float
    exit_price: float
    pnl: float
    exit_reason: str


class Group(NamedTuple):
    """Round trips that have something in common, dollars."""

    name: str
    round_trips: int
    won: int
    pnl: float


class Slippage(NamedTuple):
    """How far from the price at which it was decided the orders of a purpose were filled."""

    purpose: str
    fills: int
    dollars: float
    """Positive is worse than decided."""
    median_bps: float
    worst_bps: float


class Refused(NamedTuple):
    """Signals of the period that one rule of one stage refused."""

    stage: str
    rule: str
    signals: int
    example: str
    """A signal to ask `trader why` for."""


class Incident(NamedTuple):
    """Something that the journal says went against a rule, or that somebody had to be told."""

    at: datetime
    type: str
    symbol: str
    said: str
    seq: int


class Checked(NamedTuple):
    """A rule of the audit, and what it found in this account's part of the book."""

    verdict: str
    rule: str
    says: str
    looked_at: int
    found: int
    first: str
    """The first finding, or why it could not be asked."""


class PeriodRows(NamedTuple):
    """An account's rows of a period, from whichever table."""

    book: sqlite3.Connection
    account: str
    period: Period

    def select(self, what: str, time_column: str, rest: str = "") -> sqlite3.Cursor:
        """Columns of a table's rows whose time is of the period."""
        of_period = f"{time_column} >= ? AND {time_column} < ?"
        return self.book.execute(
            f"SELECT {what} WHERE account = ? AND {of_period} {rest}", (self.account, *self.period.bounds_us)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """A period of an account. Money in dollars."""

    account: str
    book: str
    kind: str
    period: str
    first: str
    last: str
    pnl: float
    fills: int
    commission: float
    max_drawdown: float
    round_trips: tuple[RoundTrip, ...]
    course: Course
    by_family: tuple[Group, ...]
    by_hour: tuple[Group, ...]
    by_weekday: tuple[Group, ...]
    by_exit_reason: tuple[Group, ...]
    slippage: tuple[Slippage, ...]
    signals: int
    refused: tuple[Refused, ...]
    incidents: tuple[Incident, ...]
    audit: tuple[Checked, ...]
    """Every rule, at every moment of the book up to now."""

    @property
    def won(self) -> int:
        """Round trips that made money."""
        return sum(1 for trip in self.round_trips if trip.pnl > 0)

    @property
    def violations(self) -> int:
        """Rules of the audit that are broken, or that could not be asked, which is no better."""
        return sum(1 for checked in self.audit if checked.verdict in FAILS)


def read_figures(book: sqlite3.Connection, account: str, settings: Settings, period: Period) -> Figures:
    """Read a period from the book, and have the whole book audited. Raises CannotCheck."""
    path = settings.book.db
    course = read_course(book, account, period)
    rows = PeriodRows(book, account, period)
    trips = tuple(_round_trips(rows))
    stamp = book.execute("SELECT kind FROM book_stamp").fetchone()
    signals = rows.select("coalesce(sum(count), 0) FROM book_signals", "received_us")
    return Figures(
        account=account,
        book=str(path),
        kind=stamp["kind"] if stamp is not None else "unstamped",
        period=period.name,
        first=period.first.isoformat(),
        last=period.last.isoformat(),
        pnl=course.pnl,
        fills=sum(day.fills for day in course.days),
        commission=course.commission,
        max_drawdown=course.max_drawdown,
        round_trips=trips,
        course=course,
        by_family=_grouped(trips, lambda trip: trip.family),
        by_hour=_grouped(trips, lambda trip: f"{trip.opened_at.astimezone(NEW_YORK):%H}:00"),
        by_weekday=_grouped(trips, lambda trip: _WEEKDAYS[trip.opened_at.astimezone(NEW_YORK).weekday()], _WEEKDAYS),
        by_exit_reason=_grouped(trips, lambda trip: trip.exit_reason),
        slippage=tuple(_slippage(rows)),
        signals=int(signals.fetchone()[0]),
        refused=tuple(_refused(rows)),
        incidents=tuple(_incidents(rows)),
        audit=tuple(_checked(answer) for answer in audit(path, may_stay(settings))),
    )


def _checked(answer: Answer) -> Checked:
    found = answer.findings
    first = f"{found[0].account} {found[0].id}: {found[0].said}" if found else answer.fault
    return Checked(answer.verdict, answer.rule.name, answer.rule.says, answer.looked_at, len(found), first)


def _round_trips(rows: PeriodRows) -> Iterable[RoundTrip]:
    families = dict(rows.book.execute("SELECT symbol, family FROM book_positions WHERE account = ?", (rows.account,)))
    query = (
        "symbol, opened_us, closed_us, quantity, multiplier, bought_micros, sold_micros, pnl_micros, "
        "exit_reason FROM book_round_trips"
    )
    for symbol, opened_us, closed_us, quantity, multiplier, bought, sold, pnl, reason in rows.select(
        query, "closed_us", "ORDER BY closed_us, id"
    ):
        yield RoundTrip(
            symbol,
            families.get(symbol, symbol),
            from_us(opened_us),
            from_us(closed_us),
            quantity,
            round(bought / MICROS_PER_DOLLAR / (quantity * multiplier), 4),
            round(sold / MICROS_PER_DOLLAR / (quantity * multiplier), 4),
            round(pnl / MICROS_PER_DOLLAR, 2),
            reason,
        )


def _grouped(
    trips: Iterable[RoundTrip], name_of: Callable[[RoundTrip], str], order: tuple[str, ...] = ()
) -> tuple[Group, ...]:
    """By name, or in the order that is usual."""
    members: defaultdict[str, list[float]] = defaultdict(list)
    for trip in trips:
        members[name_of(trip)].append(trip.pnl)
    names = [name for name in order if name in members] if order else sorted(members)
    return tuple(
        Group(name, len(members[name]), sum(1 for pnl in members[name] if pnl > 0), round(sum(members[name]), 2))
        for name in names
    )


def _slippage(rows: PeriodRows) -> Iterable[Slippage]:
    """Of the fills whose order says at which price it was decided."""
    decided_at = dict(_decided(rows))
    dollars: defaultdict[str, list[float]] = defaultdict(list)
    bps: defaultdict[str, list[float]] = defaultdict(list)
    fills = "purpose, order_ref, side, quantity * multiplier, price_micros FROM book_fills"
    for purpose, ref, side, quantity, price in rows.select(fills, "executed_us"):
        decided = decided_at.get(ref)
        if decided:
            worse = (price - decided) if side == "BUY" else (decided - price)
            dollars[purpose].append(worse * quantity / MICROS_PER_DOLLAR)
            bps[purpose].append(10_000 * worse / decided)
    for purpose, of in sorted(bps.items()):
        yield Slippage(purpose, len(of), round(sum(dollars[purpose]), 2), round(median(of), 2), round(max(of), 2))


def _decided(rows: PeriodRows) -> Iterable[tuple[str, int | None]]:
    """The price at which each order was decided, micros; an order works for some days at most."""
    since_us, end_us = rows.period.bounds_us
    return rows.book.execute(
        "SELECT json_extract(data, '$.order_ref'), json_extract(data, '$.price_micros') FROM book_events "
        "WHERE account = ? AND type = 'order_created' AND at_us >= ? AND at_us < ?",
        (rows.account, since_us - LONGEST_WEEK_US, end_us),
    )


def _refused(rows: PeriodRows) -> Iterable[Refused]:
    query = "stage, rule, sum(count), max(id) FROM book_signals"
    for row in rows.select(query, "received_us", "AND outcome = 'refused' GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2"):
        yield Refused(*row)


_TOLD = (
    "not_flat",
    "conflict_found",
    "unexpected_fill",
    "identity_broken",
    "drift_found",
    "cash_differs",
    "executions_untold",
    "clock_differs",
    "halted",
    "alarm",
)


def _incidents(rows: PeriodRows) -> Iterable[Incident]:
    events = "at_us, type, symbol, data, seq FROM book_events"
    for at_us, *rest in rows.select(events, "at_us", "ORDER BY seq"):
        incident = Incident(from_us(at_us), *rest)
        if incident.type in _TOLD:
            yield incident
