"""The first page's facts: whether it is safe, what is held, why it did or did not trade, how the day goes."""

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from trader.adapters.calendar import load_calendar
from trader.adapters.sqlite.rows import from_us, to_us
from trader.app.cli.funnel import Funnel, read_funnel
from trader.app.report.course import Course, read_course
from trader.app.report.period import Period, Span
from trader.app.settings import Settings
from trader.app.standing import Standing, ask_daemon, cutoffs, read_standing
from trader.domain.session import SessionDay, new_york_date, new_york_day

_EVENTS_SHOWN = 25
_ALARMS_SHOWN = 50

_PROOFS = {
    "opens": ["phase", "open"],
    "entries stop": ["phase", "entries_stopped"],
    "flatten": ["phase", "flatten"],
    "flat by": ["flat_proven", None],
    "closes": ["phase", "closed"],
}
"""What the journal says when a moment of the day was reached: the type of the event, and its phase."""


class Moment(NamedTuple):
    """A moment of the session, and the journal's proof that it was reached."""

    name: str
    at: datetime
    reached: bool
    proof: int | None
    """The event's number; None while there is none."""


class Exposure(NamedTuple):
    """What a family is worth beside its limit, dollars. `all` is everything together."""

    family: str
    value: float
    limit: float


class OpenAlarm(NamedTuple):
    """An alarm that nobody has acknowledged yet, repeats counted."""

    id: int
    severity: str
    type: str
    subject: str
    text: str
    times: int
    last_at: str


class News(NamedTuple):
    """An event of the journal; what happens at every order is in that order's story, not here."""

    seq: int
    at: datetime
    type: str
    symbol: str
    data: str


class Mark(NamedTuple):
    """Something of the day that is marked on its curve."""

    seq: int
    at: datetime
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """One look."""

    standing: Standing
    exposure: tuple[Exposure, ...]
    news: tuple[News, ...]
    alarms: tuple[OpenAlarm, ...]
    moments: tuple[Moment, ...] = ()
    marks: tuple[Mark, ...] = ()
    """Starts, halts, breakers, lost connections, differences and the way to the close: the day's, in order."""
    half_day: bool = False
    funnel: Funnel | None = None
    """None before the market's first time, as what follows."""
    course: Course | None = None
    loss_limit: float | None = None
    """The equity at which the day's loss stops entries, dollars."""

    @property
    def cause(self) -> str:
        """Why the state is what it is, in a line."""
        standing = self.standing
        halts = "; ".join(f"{halt.key}: {halt.reason}" for halt in standing.halts)
        tripped = "; ".join(
            f"{row['breaker']} {row['target']}".rstrip() + f": {row['cause']}" for row in standing.tripped
        )
        return halts or tripped or standing.daemon.text("barred") or standing.daemon.why


def read_overview(book: sqlite3.Connection, settings: Settings) -> Overview:
    """Ask the daemon, and read the book."""
    standing = read_standing(book, settings, ask_daemon(settings))
    account, market = standing.account, standing.market
    exposure = tuple(_exposure(book, standing, settings))
    news, alarms = tuple(_news(book, account)), tuple(read_open_alarms(book, account))
    if market is None:
        return Overview(standing=standing, exposure=exposure, news=news, alarms=alarms)
    day = new_york_date(market.at)
    session = load_calendar(settings.session.cutoffs(), settings.session.calendar_overrides()).session(day)
    course = read_course(book, account, Period(Span.DAY, day, day))
    return Overview(
        standing=standing,
        moments=tuple(_moments(book, account, session, market.at)) if session is not None else (),
        marks=tuple(_marks(book, account, day)),
        half_day=market.half_day,
        exposure=exposure,
        funnel=read_funnel(book, account, day),
        course=course,
        loss_limit=_loss_limit(course, settings),
        news=news,
        alarms=alarms,
    )


def _moments(book: sqlite3.Connection, account: str, session: SessionDay, now: datetime) -> Iterable[Moment]:
    told = book.execute(
        "SELECT seq, at_us, type, json_extract(data, '$.phase') FROM book_events "
        "WHERE account = ? AND type IN ('phase', 'flat_proven') AND json_extract(data, '$.day') = ? ORDER BY seq",
        (account, session.day.isoformat()),
    ).fetchall()
    for name, at in cutoffs(session):
        proofs = [
            seq for seq, at_us, *what in told if at_us >= to_us(_earliest(name, at, session)) and what == _PROOFS[name]
        ]
        yield Moment(name, at, at <= now, proofs[0] if proofs else None)


def _marks(book: sqlite3.Connection, account: str, day: date) -> Iterable[Mark]:
    since, before = new_york_day(day)
    rows = book.execute(
        "SELECT seq, at_us, type, coalesce(json_extract(data, '$.phase'), json_extract(data, '$.breaker'), '') "
        "FROM book_events WHERE account = ? AND at_us >= ? AND at_us < ? "
        "AND type IN ('run_started', 'phase', 'halted', 'resumed', 'breaker_tripped', 'breaker_cleared', "
        "'epoch_ended', 'drift_found', 'not_flat', 'flat_proven') ORDER BY seq",
        (account, to_us(since), to_us(before)),
    )
    for seq, at_us, type_, more in rows:
        yield Mark(seq, from_us(at_us), (more if type_ == "phase" else f"{type_} {more}".rstrip()).replace("_", " "))


def _earliest(name: str, at: datetime, session: SessionDay) -> datetime:
    """From when on the proof counts: that everything is flat may be proven as soon as it is closed."""
    return session.flatten_at if name == "flat by" else at


def _exposure(book: sqlite3.Connection, standing: Standing, settings: Settings) -> Iterable[Exposure]:
    """By family, the largest first; valued at the last prices, at cost where there is none."""
    values: dict[str, float] = {}
    families: Mapping[str, str] = dict(
        book.execute("SELECT symbol, family FROM book_positions WHERE account = ?", (standing.account,))
    )
    for position in standing.positions:
        family = families[str(position["symbol"])]
        price = position["last"] if position["last"] is not None else position["avg_cost"]
        shares = int(str(position["quantity"])) * int(str(position["multiplier"]))
        values[family] = values.get(family, 0.0) + float(str(price)) * shares
    limits, equity = settings.limits, standing.equity
    yield Exposure("all", round(sum(values.values()), 2), round(equity * limits.gross_pct / 100, 2))
    for family, value in sorted(values.items(), key=lambda item: -item[1]):
        yield Exposure(family, round(value, 2), round(equity * limits.family_pct / 100, 2))


def _loss_limit(course: Course, settings: Settings) -> float | None:
    if not course.days:
        return None
    return round(course.days[0].opening_equity * (1 - settings.limits.day_loss_pct / 100), 2)


def _news(book: sqlite3.Connection, account: str) -> Iterable[News]:
    rows = book.execute(
        "SELECT seq, at_us, type, symbol, data FROM book_events "
        "WHERE account = ? AND type <> 'order_state' AND type <> 'lock_released' ORDER BY seq DESC LIMIT ?",
        (account, _EVENTS_SHOWN),
    )
    for seq, at_us, type_, symbol, data in rows:
        yield News(seq, from_us(at_us), type_, symbol, data)


def read_open_alarms(book: sqlite3.Connection, account: str) -> Iterable[OpenAlarm]:
    """The gravest first, and of these the newest."""
    rows = book.execute(
        "SELECT id, severity, type, subject, text, count, last_at FROM alarms "
        "WHERE account = ? AND state = 'open' AND severity <> 'info' "
        "ORDER BY severity = 'critical' DESC, last_at DESC LIMIT ?",
        (account, _ALARMS_SHOWN),
    )
    return (OpenAlarm(*row) for row in rows)
