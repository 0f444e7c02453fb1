"""Death and restart: what was said is kept, what was not is found out, and nothing is done twice."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from simulation.invariants.registry import When, invariant
from simulation.scene import Scene
from trader.adapters.control import Answer
from trader.domain.decision import Outcome, Side
from trader.domain.events import Evidence
from trader.domain.ledger import shares_held
from trader.domain.rules import Protection

_NOT_DONE = ("refused", "entries are stopped; not journaled yet")
_COMMANDS = """
    SELECT json_extract(data, '$.name') AS name, count(*) AS count FROM book_events
    WHERE type = 'command' AND json_extract(data, '$.operator') = ? GROUP BY 1"""
_HALTED = (
    "SELECT CASE target WHEN '' THEN scope ELSE scope || ':' || target END FROM book_halts WHERE cleared_us IS NULL "
    "UNION ALL SELECT 'latch ' || breaker || ':' || target FROM book_latches WHERE cleared_us IS NULL"
)
_HALT_EVENTS = """
    SELECT seq, type IN ('halted', 'breaker_tripped') AS begins, CASE type
           WHEN 'halted' THEN trim(json_extract(data, '$.scope') || ':' || json_extract(data, '$.target'), ':')
           WHEN 'resumed' THEN json_extract(data, '$.key')
           ELSE 'latch ' || json_extract(data, '$.breaker') || ':' || json_extract(data, '$.target') END AS key
    FROM book_events WHERE type IN ('halted', 'resumed', 'breaker_tripped', 'breaker_cleared') ORDER BY seq"""
_RESUME = """
    SELECT 1 FROM book_events WHERE type = 'command' AND seq > ? AND seq <= ? + 2
      AND json_extract(data, '$.name') = 'resume' AND json_extract(data, '$.operator') <> ''"""
_LIVE = "('created', 'working', 'cancelling', 'unknown')"
_NOT_AT_REST = f"""
    SELECT (SELECT count(*) FROM book_orders
            WHERE state IN {_LIVE} AND NOT (purpose = 'protection' AND state = 'working'))
         + (SELECT count(*) FROM book_drift)"""  # noqa: S608
_PROTECTED = f"""
    SELECT symbol, sum(quantity) FROM book_orders WHERE stop_micros IS NOT NULL AND state IN {_LIVE} GROUP BY symbol
"""  # noqa: S608
_LEDGER = (
    "SELECT * FROM book_positions",
    "SELECT * FROM book_lots WHERE remaining > 0",
    "SELECT * FROM book_drift",
    "SELECT * FROM book_halts",
    "SELECT * FROM book_latches",
    "SELECT count(*), max(updated_us) FROM book_orders",
    "SELECT count(*), max(id) FROM book_fills",
    "SELECT count(*), max(id) FROM book_round_trips",
    "SELECT count(*), count(released_us) FROM book_locks",
    "SELECT cash_micros, reserved_micros, orders_made FROM book_accounts",
)
_WITHOUT_COMMISSION = "SELECT execution_id FROM charged_fills WHERE commission_micros = 0"
_BY_THE_CLOCK = """
    SELECT 1 FROM book_events WHERE type = 'position_closing' AND seq > ?
      AND json_extract(data, '$.reason') IN ('time_stop', 'eod', 'left_overnight')"""

_Ledger = tuple[tuple[tuple[object, ...], ...], ...]


@dataclass(slots=True)
class _Recovery:
    """How far this life, and those before it, have come with their recovery."""

    life: int = -1
    depth: int = 0
    """So many lives before this one have died in it."""
    is_over: bool = True

    def is_new(self, scene: Scene) -> bool:
        """Whether the first complete answer of this life has just been taken in."""
        assert scene.engine is not None  # noqa: S101
        if scene.life != self.life:
            self.depth = scene.life - self.life - 1 + (0 if self.is_over else self.depth + 1)
            self.life, self.is_over = scene.life, False
        was_over, self.is_over = self.is_over, not scene.engine.trading.reconciliation.is_first
        return self.is_over and not was_over


class _AfterADeath(_Recovery):
    """As number 29 counts it."""


class _AfterDeathsInRecovery(_Recovery):
    """As number 30 counts it."""


@invariant(29)
def a_restart_converges(scene: Scene) -> Iterator[str]:
    """No entry before the first complete answer, and after it the book is what was told."""
    yield from _converges(scene, scene.in_run(_AfterADeath), deep=False)


@invariant(30)
def a_restart_after_a_crash_in_recovery_converges(scene: Scene) -> Iterator[str]:
    """The same, however often it was killed in it."""
    yield from _converges(scene, scene.in_run(_AfterDeathsInRecovery), deep=True)


def _converges(scene: Scene, recovery: _Recovery, *, deep: bool) -> Iterator[str]:
    is_new = recovery.is_new(scene)
    if (recovery.depth > 0) is not deep:
        return
    for order in scene.news.sent:
        if order.side is Side.BUY and not recovery.is_over:
            yield f"entry {order.ref} leaves before the broker has answered"
    told = scene.host.wire.told if scene.host is not None and scene.host.wire is not None else None
    if is_new and told is not None:
        yield from _unlike_what_was_told(scene, told)


def _unlike_what_was_told(scene: Scene, told: Evidence) -> Iterator[str]:
    """Executions, ends of orders, and shares of symbols of which nothing has happened since."""
    assert scene.engine is not None  # noqa: S101
    book, waiting = scene.book, scene.engine.asks_about
    spilled = [ref for ref in waiting if ref not in book.orders]
    for fill in told.executions or ():
        if fill.quantity and not spilled and not scene.engine.trading.has_booked(fill):
            yield f"execution {fill.execution_id} was told and is not booked"
    for ref, ended in (told.ended or {}).items():
        if ref in book.orders and book.orders[ref].filled >= ended.filled:
            yield f"order {ref} was told to have ended and is live in the book"
    there = told.positions or {}
    for symbol in dict.fromkeys([*book.positions, *there]):
        drift, shares = book.drift.get(symbol), there.get(symbol, 0)
        is_as_told = scene.venue.positions.get(symbol, 0) == shares and not _is_asked_about(scene, symbol, spilled)
        explained = drift.broker - drift.book if drift is not None else 0
        if is_as_told and shares != shares_held(book.positions, symbol) + explained:
            yield f"{symbol}: the broker told {shares}, the book holds {shares_held(book.positions, symbol)}"


def _is_asked_about(scene: Scene, symbol: str, spilled: list[str]) -> bool:
    return any(scene.history.orders[ref].symbol == symbol for ref in spilled if ref in scene.history.orders)


@dataclass(slots=True)
class _Journaled:
    """Commands of the operator in the file that the life before has left, by name."""

    commands: Counter[str] = field(default_factory=Counter)


@invariant(31, When.DEATH)
def what_was_acknowledged_is_in_the_file(scene: Scene) -> Iterator[str]:
    """Each command, and each signal from outside that was not refused."""
    journaled = scene.in_run(_Journaled)
    now = Counter({row["name"]: row["count"] for row in scene.rows(_COMMANDS, "simulated")})
    new, journaled.commands = now - journaled.commands, now
    answers = scene.person.acknowledged if scene.person is not None else []
    for answer in answers:
        if answer["ask"] != "signal" or not answer["ok"] or answer["outcome"] == Outcome.REFUSED:
            continue
        if not scene.rows("SELECT 1 FROM book_signals WHERE id = ?", answer["id"]):
            yield f"signal {answer['id']} was answered with {answer['outcome']} and is not in the book"
    acknowledged = Counter(str(answer["ask"]) for answer in answers if _is_done(answer))
    for name in sorted(acknowledged):
        if acknowledged[name] > new[name]:
            yield f"{acknowledged[name]} times {name} was acknowledged and {new[name]} times it is in the journal"


def _is_done(answer: Answer) -> bool:
    """A command that the daemon says it has journaled. The HALT file stands in the way of one before that."""
    return bool(answer["ok"]) and answer["ask"] != "signal" and not str(answer["message"]).startswith(_NOT_DONE)


@dataclass(slots=True)
class _Left:
    """What a death has left, if it was at rest."""

    ledger: _Ledger | None = None
    at_the_broker: tuple[object, ...] = ()
    seq: int = 0


@invariant(32, When.DEATH)
def remember_what_a_death_has_left(scene: Scene) -> Iterator[str]:
    """Only where nothing works but what protects all that is held, and both sides agree: nothing is to be done then."""
    left, venue = scene.in_run(_Left), scene.venue
    held = {row[0]: row[1] for row in scene.rows("SELECT symbol, quantity FROM book_positions WHERE quantity > 0")}
    booked = scene.rows("SELECT count(*) FROM book_fills WHERE execution_id NOT LIKE 'adopted-%'")[0][0]
    protected = {row[0]: row[1] for row in scene.rows(_PROTECTED)}
    is_at_rest = (
        not scene.rows(_NOT_AT_REST)[0][0]
        and all(venue.received[ref].is_protection for ref in venue.working)
        and protected == (held if scene.rules.protection is Protection.BROKER else {})
        and held == venue.positions
        and booked == len(venue.executions)
        and not venue.charged_late.intersection(row[0] for row in scene.rows(_WITHOUT_COMMISSION))
    )
    left.ledger = _ledger(scene) if is_at_rest else None
    left.at_the_broker = _at_the_broker(scene)
    left.seq = scene.rows("SELECT coalesce(max(seq), 0) FROM book_events")[0][0]
    yield from ()


@invariant(32)
def a_restart_without_news_changes_nothing(scene: Scene) -> Iterator[str]:
    """When it has recovered, and before it has seen a bar: no order, no row. What is due by the clock is due.

    A broker that has told a new process that it holds nothing is news.
    """
    left = scene.in_run(_Left)
    if scene.recovered_at is None or left.ledger is None:
        return
    before, left.ledger = left.ledger, None
    assert scene.host is not None  # noqa: S101
    if scene.host.wire is None or not scene.host.wire.true_answers:
        return
    if _at_the_broker(scene) != left.at_the_broker or scene.rows(_BY_THE_CLOCK, left.seq):
        return
    for query, was, is_ in zip(_LEDGER, before, _ledger(scene), strict=True):
        if was != is_:
            yield f"{query}: {was} has become {is_}"
    for order in scene.news.sent:
        yield f"order {order.ref} of {order.symbol} leaves"


def _ledger(scene: Scene) -> _Ledger:
    return tuple(tuple(tuple(row) for row in scene.rows(query)) for query in _LEDGER)


def _at_the_broker(scene: Scene) -> tuple[object, ...]:
    venue = scene.venue
    return (len(venue.received), len(venue.ended), len(venue.revisions), tuple(venue.positions.items()))


@dataclass(slots=True)
class _Halts:
    """Those of the file that the life before has left."""

    keys: list[str] = field(default_factory=list)
    life: int = -1


@invariant(33, When.DEATH)
def only_a_person_resumes(scene: Scene) -> Iterator[str]:
    """Every halt and every latch that was journaled stands until an operator's command; the table says the same."""
    standing: dict[str, int] = {}
    for row in scene.rows(_HALT_EVENTS):
        if row["begins"]:
            standing[row["key"]] = row["seq"]
            continue
        standing.pop(row["key"], None)
        if not scene.rows(_RESUME, row["seq"], row["seq"]):
            yield f"{row['key']} is resumed by event {row['seq']} and nobody has asked for it"
    halted = [row[0] for row in scene.rows(_HALTED)]
    if sorted(halted) != sorted(standing):
        yield f"by the journal {sorted(standing)} is halted, by the table {sorted(halted)}"


@invariant(33, When.DEATH)
def remember_what_is_halted(scene: Scene) -> Iterator[str]:
    """For the start that comes next."""
    halts = scene.in_run(_Halts)
    halts.keys, halts.life = [row[0] for row in scene.rows(_HALTED)], scene.life
    yield from ()


@invariant(33)
def a_halt_survives_a_restart(scene: Scene) -> Iterator[str]:
    """At the first look of a life every one is there that its file had."""
    halts = scene.in_run(_Halts)
    if halts.life in (-1, scene.life):
        return
    halts.life = scene.life
    latched = {f"latch {latch.breaker}:{latch.target}" for latch in scene.book.latches.values()}
    for key in halts.keys:
        if key not in scene.book.halts and key not in latched:
            yield f"{key} was halted when the life before ended, and is not any more"
