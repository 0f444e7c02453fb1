"""The safety state as Prometheus reads it: each scrape asks the daemon once and reads the book once.

Rule 1: nothing here runs in the daemon. It is asked as `trader status` asks it, at most once a second however many
scrape; what hangs, hangs here.
Rule 2: what is not known is left out, never 0: an alert asks with `absent`, or by `trader_up` and
`trader_book_readable`, which are always there.
Rule 3: every sample names its account.
"""

import asyncio
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry

from trader.adapters.calendar import load_calendar
from trader.app.armed_exits import ArmedExits
from trader.app.cli.context import account_of
from trader.app.cli.funnel import Funnel, read_funnel
from trader.app.connection_state import OPEN, ConnectionState
from trader.app.latency_figures import LATENCIES, LatencyFigures
from trader.app.settings import Settings
from trader.app.standing import DaemonSays, Standing, ask_daemon, cutoffs, read_standing
from trader.domain.errors import BookError
from trader.domain.session import Phase, new_york_date

_FRESH_S = 1.0
_STATES = ("TRADING", "BARRED", "TRIPPED", "HALTED", "STOPPED", "SILENT")
_TRADES = frozenset(Phase) - {Phase.CLOSED}
_SEVERITIES = ("warning", "critical")


class Look(NamedTuple):
    """What one scrape has found."""

    daemon: DaemonSays
    standing: Standing | None
    """None where the book cannot be read."""
    funnel: Funnel | None
    alarms: Mapping[str, int]
    """Not acknowledged, by severity."""
    cutoffs: Mapping[str, timedelta]
    """Of the day's session, from now; negative when it has passed."""
    as_of: datetime | None
    """The market's time."""


def look(settings: Settings) -> Look:
    """Ask the daemon and read the book. Takes some seconds when the daemon is silent."""
    daemon = ask_daemon(settings)
    try:
        with account_of(settings) as (book, account, _):
            standing = read_standing(book, settings, daemon)
            alarms = _alarms(book, account)
            at = standing.market.at if standing.market is not None else None
            funnel = read_funnel(book, account, new_york_date(at)) if at is not None else None
    except (BookError, sqlite3.Error):  # told as trader_book_readable 0
        return Look(daemon, None, None, {}, {}, None)
    return Look(daemon, standing, funnel, alarms, _cutoffs(settings, at), at)


def _alarms(book: sqlite3.Connection, account: str) -> dict[str, int]:
    rows = book.execute(
        "SELECT severity, count(*) FROM alarms WHERE account = ? AND state = 'open' AND severity <> 'info' GROUP BY 1",
        (account,),
    )
    return {**dict.fromkeys(_SEVERITIES, 0), **dict(rows.fetchall())}


def _cutoffs(settings: Settings, at: datetime | None) -> dict[str, timedelta]:
    if at is None:
        return {}
    calendar = load_calendar(settings.session.cutoffs(), settings.session.calendar_overrides())
    session = calendar.session(new_york_date(at))
    return {name.replace(" ", "_"): when - at for name, when in cutoffs(session)} if session is not None else {}


class Metrics:
    """One account's scrape, kept for a second: however many ask, the daemon and the book are asked once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._one_asks = asyncio.Lock()
        self._registry: CollectorRegistry | None = None
        self._looked_at_s = 0.0

    async def scrape(self, accepts: str) -> tuple[bytes, str]:
        """The text, and its media type as it was asked for."""
        async with self._one_asks:
            if self._registry is None or time.monotonic() - self._looked_at_s >= _FRESH_S:
                seen = await asyncio.to_thread(look, self._settings)
                self._registry = registry_of(self._settings.account.name, seen)
                self._looked_at_s = time.monotonic()
            registry = self._registry
        encode, media_type = choose_encoder(accepts)
        return encode(registry), media_type


def registry_of(account: str, seen: Look) -> CollectorRegistry:
    """A registry of this look alone: the library's own one also tells of this process, which is not the daemon."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Looked(account, seen))
    return registry


class _Looked(Collector):
    """What was found, as metrics."""

    def __init__(self, account: str, seen: Look) -> None:
        self._told = _Told(account)
        self._seen = seen

    def collect(self) -> Iterator[Metric]:
        """Everything that is known."""
        told, seen = self._told, self._seen
        yield from of_daemon(told, seen.daemon)
        yield told.one("book_readable", "1 when the book could be read", float(seen.standing is not None))
        if seen.standing is None:
            return
        yield from of_safety(told, seen.standing, seen.as_of)
        yield from of_connection(told, seen.standing.connection)
        yield from of_exits(told, seen.standing.exits)
        yield from of_money(told, seen.standing)
        yield told.by("alarms_open", "Alarms that nobody has acknowledged", ("severity",), _keyed(seen.alarms))
        seconds = {name: left.total_seconds() for name, left in seen.cutoffs.items()}
        yield told.by(
            "cutoff_seconds",
            "Until each moment of the day's session, market time; negative when it has passed",
            ("cutoff",),
            _keyed(seconds),
        )
        yield from of_funnel(told, seen.funnel)


def _keyed(values: Mapping[str, float]) -> list[tuple[tuple[str, ...], float]]:
    return [((name,), value) for name, value in values.items()]


class _Told:
    """Makes metrics of one account."""

    def __init__(self, account: str) -> None:
        self._account = account

    def one(self, name: str, says: str, value: float | None) -> Metric:
        """A value of the moment; without a sample where it is not known."""
        return self.by(name, says, (), [((), value)] if value is not None else [])

    def by(
        self, name: str, says: str, labels: tuple[str, ...], values: Iterable[tuple[tuple[str, ...], float]]
    ) -> Metric:
        """Values of the moment, by label."""
        family = GaugeMetricFamily(f"trader_{name}", says, labels=("account", *labels))
        for of, value in values:
            family.add_metric((self._account, *of), value)
        return family

    def counter(self, name: str, says: str, value: float | None) -> Metric:
        """What only grows while the daemon lives; its name ends with `_total`."""
        family = CounterMetricFamily(f"trader_{name}", says, labels=("account",))
        if value is not None:
            family.add_metric((self._account,), value)
        return family

    def histogram(self, name: str, says: str, figures: LatencyFigures | None) -> Metric:
        """Durations by class, since the daemon began."""
        family = HistogramMetricFamily(f"trader_{name}_seconds", says, labels=("account",))
        if figures is not None:
            buckets = [*((str(bound), float(count)) for bound, count in figures.up_to), ("+Inf", float(figures.total))]
            family.add_metric((self._account,), buckets, figures.sum_s)
        return family


def of_daemon(told: _Told, daemon: DaemonSays) -> Iterator[Metric]:
    """What the daemon says of its work; that it is up is always told."""
    answer = daemon.answer or {}
    yield told.one("up", "1 when the daemon answers, 0 when it is down or silent", float(daemon.answer is not None))
    yield told.one("daemon_silent", "1 when a daemon runs and does not answer", float(_is_silent(daemon)))
    build = (daemon.text("version"), daemon.text("build"))
    yield told.by("build_info", "What runs", ("version", "build"), [(build, 1.0)] if answer else [])
    yield told.counter("signals", "Signals since the daemon began", _number(answer, "signals"))
    yield told.counter("commits", "Transactions of the book since the daemon began", _number(answer, "commits"))
    yield told.one("inbox_waiting", "Events that wait for the daemon's next step", _number(answer, "waiting"))
    work = answer.get("work")
    work = work if isinstance(work, Mapping) else {}
    yield told.one("scan_age_seconds", "Since every position was asked for its exits", _number(work, "scan_s"))
    yield told.one("commit_age_seconds", "Since the last commit that was due, market time", _number(work, "commit_s"))
    missing = work.get("commit_missing")
    yield told.one("commit_missing", "1 when a commit is overdue", float(missing) if missing is not None else None)
    yield told.one("commit_newest_seconds", "How long the newest commit took", _number(work, "commit_took_s"))
    yield told.one("loop_lag_longest_seconds", "The longest within the last minute", _number(work, "loop_lag_s"))
    yield from of_audit(told, answer.get("audit"))
    strategy = answer.get("strategy")
    running = float(strategy.get("state") == "running") if isinstance(strategy, Mapping) and strategy else None
    yield told.one("strategy_running", "1 when the strategy's process runs", running)


def of_audit(told: _Told, audit: object) -> Iterator[Metric]:
    """The daemon's own looks at its book; of none there is nothing to tell."""
    audit = audit if isinstance(audit, Mapping) else {}
    rules = audit.get("rules")
    counts = [((str(verdict).replace(" ", "_"),), float(count)) for verdict, count in _counted(rules)]
    says = "Rules of the audit by what became of them, at the last look at everything"
    yield told.by("audit_rules", says, ("verdict",), counts)
    age_s = _number(audit, "age_s")
    yield told.one("audit_age_seconds", "Since the last look at everything, or that there was nothing new", age_s)


def _counted(rules: object) -> Iterator[tuple[object, int]]:
    if isinstance(rules, Mapping):
        yield from ((verdict, count) for verdict, count in rules.items() if isinstance(count, int))


def _is_silent(daemon: DaemonSays) -> bool:
    return daemon.answer is None and not daemon.down


def _number(of: Mapping[str, object], key: str) -> float | None:
    value = of.get(key)
    return float(value) if isinstance(value, int | float) else None


def of_safety(told: _Told, standing: Standing, as_of: datetime | None) -> Iterator[Metric]:
    """Whether entries may leave, and why not; whether book and broker agree; latencies."""
    states = [((state,), float(standing.state == state)) for state in _STATES]
    yield told.by("state", "1 for the state of the moment", ("state",), states)
    barred = {(barrier.kind, barrier.name): 1.0 for barrier in standing.barriers}
    yield told.by(
        "entries_barred",
        "1 for each gate, halt or latch of a breaker that keeps entries back",
        ("kind", "name"),
        barred.items(),
    )
    phase = standing.market.phase if standing.market is not None else Phase.CLOSED
    yield told.one("session_open", "1 while the exchange trades", float(phase in _TRADES))
    yield told.one("version_differs", "1 when what runs is not what lies on the disk", float(standing.version_differs))
    figures = standing.figures
    age = as_of - figures.reconciled_at if as_of is not None and figures.reconciled_at is not None else None
    yield told.one(
        "reconcile_age_seconds",
        "Since book and broker were last compared, market time",
        age.total_seconds() if age is not None else None,
    )
    yield told.one(
        "phantoms", "Instruments that only the book has, as of the last comparison", _maybe(figures.phantoms)
    )
    yield told.one(
        "drift_symbols", "Symbols of which book and broker differ; each bars its family", len(standing.drift)
    )
    yield told.one("cash_drift", "1 when cash of book and broker differ", float(standing.cash_drift is not None))
    unknown = sum(order["state"] == "unknown" for order in standing.orders)
    yield told.one("orders_unknown", "Orders of which nobody knows what became", unknown)
    yield told.one("orders_working", "Orders that live, those of unknown fate included", len(standing.orders))
    measured = {figures.name: figures for figures in standing.latencies}
    for name, says in LATENCIES.items():
        yield told.histogram(name, says, measured.get(name))


def _maybe(value: float | None) -> float | None:
    return float(value) if value is not None else None


def of_connection(told: _Told, connection: ConnectionState | None) -> Iterator[Metric]:
    """The link to the broker; of an embedded one there is nothing to tell."""
    facts: Mapping[str, object] = connection.as_answer() if connection is not None else {}
    is_open = float(connection.link == OPEN) if connection is not None else None
    yield told.one("broker_connected", "1 when the link to the broker is open", is_open)
    yield told.one("broker_epoch", "Number of the unbroken connection of the moment", _number(facts, "epoch"))
    yield told.one("broker_heard_age_seconds", "Since anything was heard", _number(facts, "heard_s"))
    yield told.one("broker_clock_skew_seconds", "The broker's clock beside ours", _number(facts, "skew_s"))
    yield told.one("bars_age_seconds", "Age of the oldest of the symbols' newest bars", _number(facts, "bars_s"))


def of_exits(told: _Told, exits: ArmedExits | None) -> Iterator[Metric]:
    """Whether everything that is held is watched; of a replay's book nothing is."""
    bare = sum(gap.held > gap.armed for gap in exits.gaps) if exits is not None else None
    coverage = (1 - bare / exits.held if exits.held else 1.0) if exits is not None and bare is not None else None
    yield told.one("exits_not_armed", "Positions whose exits are not armed for all that is held", _maybe(bare))
    yield told.one("exit_coverage_ratio", "Share of positions whose exits are armed; 1 when nothing is held", coverage)


def of_money(told: _Told, standing: Standing) -> Iterator[Metric]:
    """Positions, cash and P&L."""
    figures = standing.figures
    yield told.one("positions", "Positions held", figures.positions)
    yield told.one("positions_created_last_hour", "Positions made within an hour", figures.created_last_hour)
    yield told.one("cash_dollars", "Cash", standing.cash)
    yield told.one("equity_dollars", "Equity at the last prices of the book", standing.equity)
    yield told.one("pnl_day_dollars", "P&L of the market's date", _maybe(figures.pnl_day))
    yield told.one("pnl_total_dollars", "P&L since the book began", figures.pnl_total)


def of_funnel(told: _Told, funnel: Funnel | None) -> Iterator[Metric]:
    """Where the day's signals went. It begins anew with each New York date, and so these are no counters."""
    levels = funnel.levels if funnel is not None else ()
    entered = [((level.stage,), float(level.entered)) for level in levels]
    yield told.by(
        "funnel_entered_today", "Signals that came into each stage, of the market's date", ("stage",), entered
    )
    rules = [((level.stage, rule), float(count)) for level in levels for rule, count in level.rules.items()]
    yield told.by("refusals_today", "Refused signals, of the market's date", ("stage", "rule"), rules)
    first, orders, filled = (levels[place].entered if levels else None for place in (0, -2, -1))
    yield told.one("signals_today", "Signals, of the market's date", _maybe(first))
    yield told.one("orders_today", "Entry orders, of the market's date", _maybe(orders))
    yield told.one("fills_today", "Entry orders that were filled, at least in part", _maybe(filled))
