"""Where a life may end: read off the code, so that a new durable step or a new thing to send cannot be forgotten.

Every public method of a port that writes or sends is a failpoint, before and after it, unless it is named here as one
that only reads. What is written or sent by one method for many reasons is split by them: a commit by each type of
event in it, an order by its purpose. The writer's transaction has three: before BEGIN, between the last statement and
COMMIT, and after COMMIT before anybody hears of it. The steps of the recovery are those that its own code names.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from inspect import getmembers, isfunction
from typing import NamedTuple

from crash_rig.remote_broker import RemotePaperBroker
from trader.adapters.spill_file import SpillFile
from trader.adapters.sqlite.database import ThreadWriter, Writer
from trader.adapters.sqlite.recorder import SqliteRecorder
from trader.adapters.sqlite.store import SqliteStore
from trader.domain.decision import Purpose
from trader.domain.events import JournalType
from trader.services import ports
from trader.services.engine import Engine
from trader.services.ports import Broker, Recorder, Spill, Store
from trader.services.recovery import recover


class When(StrEnum):
    """On which side of a step a life ends."""

    BEFORE = "before"
    AFTER = "after"


class Port(NamedTuple):
    """A port that writes or sends, and the class that does it in the daemon."""

    name: str
    protocol: type
    adapter: type

    def methods(self) -> list[str]:
        """Every public method of either, by name."""
        found = {*dict(getmembers(self.protocol, isfunction)), *dict(getmembers(self.adapter, isfunction))}
        return sorted(name for name in found if not name.startswith("_"))


PORTS = (
    Port("store", Store, SqliteStore),
    Port("spill", Spill, SpillFile),
    Port("broker", Broker, RemotePaperBroker),
    Port("recorder", Recorder, SqliteRecorder),
    Port("writer", Writer, ThreadWriter),
)

NEITHER_WRITES_NOR_SENDS = frozenset({ports.Clock, ports.Strategy, ports.Strategies, ports.Log})
"""Protocols of the services that have no failpoints."""

READS = frozenset(
    {
        "broker.match",  # the market's own view, which the embedded feed shows to the broker
        "recorder.asked",  # into memory; `flush` writes it
        "recorder.record",  # the same
        "spill.close",
        "spill.read",
        "store.booked",
        "store.check_newest_events",
        "store.close",
        "store.held",
        "store.history",
        "store.inbox_offset",
        "store.is_opened",
        "store.journal_digest",
        "store.load",
        "store.moved",
        "store.newest_event_at",
        "writer.close",
        "writer.transact",  # has moments of its own
    }
)
"""Methods that neither write nor send; everything else is a failpoint."""

NOTHING_JOURNALED = "nothing_journaled"

SPLIT: dict[str, tuple[str, ...]] = {
    "store.commit": (*JournalType, NOTHING_JOURNALED),
    "broker.place": tuple(Purpose),
    "spill.append": tuple(Purpose),
}
"""Methods that do many things, by what they do."""

MOMENTS = ("writer.transact.begin", "writer.transact.commit", "writer.transact.committed")

BOOK_STEPS = ("make_book", "connect")
"""A new book is made under another name (its schema and all, by `connect`) and put in its place."""

RECOVERY_STEPS = tuple(
    name for name in recover.__code__.co_names if isfunction(getattr(Engine, name, getattr(Broker, name, None)))
)

OUT_OF_REACH = {
    "broker.place.adjust": "an operator's correction is booked and never sent",
    "spill.append.adjust": "an operator's correction is booked and never sent",
    "broker.place.reversal": "what undoes an execution is booked and never sent",
    "spill.append.reversal": "what undoes an execution is booked and never sent",
    "store.commit.cash_differs": "the paper broker keeps no cash",
    "store.commit.cash_agrees": "the paper broker keeps no cash",
    "store.commit.clock_differs": "the paper broker has no clock of its own",
    "store.commit.clock_agrees": "the paper broker has no clock of its own",
    "store.commit.version_differs": "what is installed stays as it is",
    "store.commit.version_agrees": "what is installed stays as it is",
    "store.commit.executions_untold": "the paper broker does not say how far back it tells",
    "store.commit.identity_broken": "the paper broker gives orders no ids of its own",
    "spill.append.entry": "only exits go on without the book",
}
"""Steps that cannot happen, with the reason."""


def steps(ports: Sequence[Port] = PORTS) -> Iterator[str]:
    """Every step that has a before and an after, also those that cannot happen."""
    for port in ports:
        for method in port.methods():
            name = f"{port.name}.{method}"
            if name not in READS:
                yield from (f"{name}.{part}" for part in SPLIT[name]) if name in SPLIT else (name,)
    yield from (f"recovery.{step}" for step in RECOVERY_STEPS)
    yield from (f"book.{step}" for step in BOOK_STEPS)
    yield "backup.backup"


def all_points(ports: Sequence[Port] = PORTS) -> list[str]:
    """Every failpoint by its name, sorted."""
    reachable = [step for step in steps(ports) if step not in OUT_OF_REACH]
    return sorted([*(f"{step}.{when}" for step in reachable for when in When), *MOMENTS])
