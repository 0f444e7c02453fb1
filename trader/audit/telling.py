"""The journal, told in typed columns: one temporary table for each kind of event, so that rules are plain queries.

Rule 1: an event is taken in once. The next look goes on after the newest one that was, which keeps a daemon's looks
short.
Rule 2: an event that cannot be read leaves everything unchecked.
"""

import sqlite3
from typing import NamedTuple


class Told(NamedTuple):
    """A table of events of one type: account, seq, symbol, at_us, and these of their data."""

    table: str
    type: str
    columns: tuple[str, ...]


_FREQUENT = ("fill", "order_created")
"""Read from the journal itself. All others are picked out first, in one pass."""

_NEW = """
INSERT INTO heads SELECT account, 0, 0 FROM main.book_accounts WHERE account NOT IN (SELECT account FROM heads)
"""

_PICKED_OUT = """
INSERT INTO told_rest SELECT e.account, e.seq, type, symbol, e.at_us, data FROM main.book_events e
JOIN heads h ON h.account = e.account AND e.seq > h.seq WHERE type NOT IN ('fill', 'order_created')
"""

_MOVED_ON = """
UPDATE heads SET (seq, at_us) = (
    SELECT seq, at_us FROM main.book_events e WHERE e.account = heads.account AND e.seq >= heads.seq
    ORDER BY seq DESC LIMIT 1)
WHERE EXISTS (SELECT 1 FROM main.book_events e WHERE e.account = heads.account AND e.seq > heads.seq)
"""

TOLD = (
    Told("told_accounts", "account_opened", ("starting_cash_micros",)),
    Told("told_runs", "run_started", ("kind", "tells")),
    Told(
        "told_orders",
        "order_created",
        (
            *("order_ref", "side", "quantity", "limit_micros", "purpose", "reason", "signal_id", "stop_micros", "oca"),
            *("family", "direction", "reserved_micros", "takes_slot", "probability", "threshold"),
            *("seconds_to_cutoff", "room_micros", "entries_left"),
        ),
    ),
    Told("told_states", "order_state", ("order_ref", "state", "filled")),
    Told("told_releases", "lock_released", ("order_ref", "evidence")),
    Told(
        "told_fills",
        "fill",
        (
            *("execution_id", "order_ref", "side", "quantity", "price_micros", "commission_micros", "realized_micros"),
            *("purpose", "reason", "executed_us", "family", "direction", "held", "stop_micros", "take_profit_micros"),
            *("position_created", "lock_released", "corrects"),
        ),
    ),
    Told("told_commissions", "commission", ("execution_id", "commission_micros")),
    Told("told_closings", "position_closing", ("purpose", "reason")),
    Told("told_stops", "stop_tightened", ("stop_micros",)),
    Told("told_cash", "cash_moved", ("amount_micros", "kind", "movement")),
    Told("told_halts", "halted", ("scope", "target", "reason", "flattens")),
    Told("told_resumes", "resumed", ("key", "reason")),
    Told(
        "told_trips",
        "breaker_tripped",
        ("breaker", "scope", "target", "cause", "measured", "limit_value", "inputs", "formula", "flattens"),
    ),
    Told("told_clearings", "breaker_cleared", ("breaker", "target", "cleared_by", "reason")),
    Told("told_phases", "phase", ("phase", "day")),
    Told("told_days", "day_started", ("day", "opening_equity_micros")),
    Told("told_flats", "flat_proven", ("day",)),
    Told("told_drift", "drift_found", ("book", "broker")),
    Told("told_agreements", "drift_ended", ("reason",)),
    Told("told_cash_drift", "cash_differs", ("book_micros", "broker_micros", "stops_entries")),
    Told("told_cash_agreements", "cash_agrees", ("reason",)),
    Told("told_clocks", "clock_differs", ("skew_s",)),
    Told("told_clock_agreements", "clock_agrees", ("skew_s",)),
    Told("told_epochs_ended", "epoch_ended", ()),
    Told("told_answers", "reconciled", ()),
    Told("told_versions", "version_differs", ("what", "stops_entries")),
    Told("told_version_agreements", "version_agrees", ()),
)

_ASKED_FOR_THE_NEWEST = ("told_phases", "told_runs", "told_epochs_ended", "told_answers")

_INDEXES = (
    "told_orders_by_ref ON told_orders (order_ref)",
    "told_states_by_ref ON told_states (order_ref)",
    "told_fills_by_execution ON told_fills (account, execution_id)",
    "told_fills_by_order ON told_fills (order_ref, seq, at_us, purpose, quantity)",
    "told_fills_by_symbol ON told_fills (account, symbol, seq, held, at_us)",
    "told_closings_by_symbol ON told_closings (account, symbol, seq)",
    *(f"{table}_in_order ON {table} (account, seq)" for table in _ASKED_FOR_THE_NEWEST),
)
"""Made when there is something in the tables: that takes less than to keep them up meanwhile."""

_ALSO = """
CREATE TEMP TABLE heads (account TEXT PRIMARY KEY, seq INTEGER NOT NULL, at_us INTEGER NOT NULL);
CREATE TEMP TABLE told_rest (account, seq, type, symbol, at_us, data);

-- Everything that takes a side of a family: shares that are held, and those of working entries.
CREATE TEMP VIEW taken AS
SELECT account, seq, at_us, family, direction, iif(side = 'BUY', quantity, -quantity) AS shares FROM told_fills
UNION ALL SELECT account, seq, at_us, family, direction, quantity FROM told_orders WHERE purpose = 'entry'
UNION ALL SELECT r.account, r.seq, r.at_us, o.family, o.direction, -o.quantity
          FROM releases r JOIN told_orders o ON o.order_ref = r.order_ref;

CREATE TEMP VIEW releases AS
SELECT account, seq, at_us, order_ref, evidence FROM told_releases
UNION ALL SELECT account, seq, at_us, order_ref, 'filled' FROM told_fills WHERE lock_released;

-- A halt that stands may be told again, when it begins to flatten: it began with the first.
CREATE TEMP VIEW halts_begun AS
SELECT account, trim(scope || ':' || target, ':') AS key, reason, at_us, seq FROM told_halts h
WHERE (SELECT max(b.seq) FROM told_halts b WHERE (b.account, b.scope, b.target) = (h.account, h.scope, h.target)
         AND b.seq < h.seq)
   IS NULL OR EXISTS (
    SELECT 1 FROM told_resumes r WHERE r.account = h.account AND r.key = trim(h.scope || ':' || h.target, ':')
      AND r.seq < h.seq AND r.seq > (SELECT max(b.seq) FROM told_halts b WHERE (b.account, b.scope, b.target)
                                     = (h.account, h.scope, h.target) AND b.seq < h.seq));

-- Cash that is not agreed on. Movements that are booked change what the book has, until it is less than a cent.
CREATE TEMP VIEW cash_drift_left AS
SELECT d.account, d.seq, d.at_us, d.broker_micros, m.seq AS until,
       d.book_micros
           + coalesce(sum(m.amount_micros) OVER (PARTITION BY d.account, d.seq ORDER BY m.seq), 0) AS book_micros
FROM (SELECT *, max(seq) FROM told_cash_drift GROUP BY account) d
LEFT JOIN told_cash m ON m.account = d.account AND m.seq > d.seq AND m.kind IS NOT NULL
WHERE NOT EXISTS (SELECT 1 FROM told_cash_agreements a WHERE a.account = d.account AND a.seq > d.seq);

CREATE TEMP VIEW open_cash_drift AS
SELECT account, at_us, broker_micros, book_micros, max(coalesce(until, 0)) FROM cash_drift_left GROUP BY account
HAVING min(abs(broker_micros - book_micros)) >= 10000;

-- What keeps entries back as long as it lasts, and what says that it does not any more. A run finds out anew,
-- and a movement that is booked may be what the cash differed by.
CREATE TEMP VIEW differing AS
SELECT account, seq, at_us, 'cash' AS what FROM told_cash_drift WHERE stops_entries
UNION ALL SELECT account, seq, at_us, 'clock' FROM told_clocks
UNION ALL SELECT account, seq, at_us, 'version' FROM told_versions WHERE stops_entries;

CREATE TEMP VIEW agreeing AS
SELECT account, seq, 'cash' AS what FROM told_cash_agreements
UNION ALL SELECT account, seq, 'cash' FROM told_cash_drift
UNION ALL SELECT account, seq, 'cash' FROM told_cash WHERE kind IS NOT NULL
UNION ALL SELECT account, seq, 'clock' FROM told_clock_agreements
UNION ALL SELECT account, seq, 'version' FROM told_version_agreements
UNION ALL SELECT account, seq, 'everything' FROM told_runs;

CREATE TEMP VIEW closes AS SELECT account, seq, at_us, day FROM told_phases WHERE phase = 'closed';
"""


def prepare(connection: sqlite3.Connection) -> None:
    """Make the tables, empty."""
    for told in TOLD:
        connection.execute(f"CREATE TEMP TABLE {told.table} ({', '.join(_columns(told))})")
    connection.executescript(_ALSO)


def tell(connection: sqlite3.Connection) -> None:
    """Take in what the journal has since the last look. Raises sqlite3.Error for what cannot be read."""
    connection.execute(_NEW)
    connection.execute(_PICKED_OUT)
    for told in TOLD:
        connection.execute(_taking_in(told), (told.type,))
    connection.execute("DELETE FROM told_rest")
    connection.execute(_MOVED_ON)
    for index in _INDEXES:
        connection.execute(f"CREATE INDEX IF NOT EXISTS temp.{index}")


def _columns(told: Told) -> tuple[str, ...]:
    return ("account", "seq", "symbol", "at_us", *told.columns)


def _taking_in(told: Told) -> str:
    source = "main.book_events" if told.type in _FREQUENT else "told_rest"
    data = "".join(f", json_extract(data, '$.{column}')" for column in told.columns)
    return (
        f"INSERT INTO {told.table} SELECT e.account, e.seq, symbol, e.at_us{data} FROM {source} e "  # noqa: S608
        "JOIN heads h ON h.account = e.account AND e.seq > h.seq WHERE type = ?"
    )
