"""An engine from settings, for a replay and for the daemon alike. What a daemon's machine gives it, `host` names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Generic, TypeVar

from trader.adapters.calendar import load_calendar
from trader.adapters.sqlite.database import Writer
from trader.adapters.sqlite.store import SqliteStore, Stamp
from trader.app.settings import Settings
from trader.app.strategies import load_strategy
from trader.domain.events import BrokerEvent
from trader.domain.family import Families
from trader.domain.reference import first_epoch
from trader.domain.rules import Costs
from trader.domain.session import Calendar
from trader.pipeline.decide import Chain
from trader.services.engine import Engine, Ports
from trader.services.inbox import Inbox
from trader.services.ports import Broker, Clock, History, Log, Recorder, Spill
from trader.services.recent import REMEMBERED
from trader.services.strategy_host import StrategyHost


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What is made from the settings alone, before there is a book or a clock."""

    settings: Settings
    calendar: Calendar
    chain: Chain
    strategies: StrategyHost

    @property
    def families(self) -> Families:
        """The configured families."""
        return self.chain.families


def make_parts(settings: Settings) -> Parts:
    """Build everything that can be wrong in a configuration. Raises ConfigurationError."""
    rules = settings.rules()
    chain = Chain(settings.read_families(), rules, settings.costs.costs())
    calendar = load_calendar(settings.session.cutoffs(), settings.session.calendar_overrides())
    strategy = load_strategy(settings.strategy.entry, settings.strategy.params)
    name = settings.strategy.entry.rpartition(":")[2]
    return Parts(settings=settings, calendar=calendar, chain=chain, strategies=StrategyHost(strategy, name, rules))


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenBook:
    """A book, opened for writing and stamped."""

    store: SqliteStore
    writer: Writer
    stamp: Stamp
    journal_is_empty: bool
    """Whether the account's journal has still to be begun."""


async def is_opened(writer: Writer, settings: Settings) -> bool:
    """Whether a book has the account already. Raises BookError."""
    return await SqliteStore(writer, settings.book.db).knows(settings.account.name)


async def open_book(
    writer: Writer, path: Path, settings: Settings, kind: str, opening_cash_micros: int, at: datetime
) -> OpenBook:
    """Stamp the book of a run, and open the account in one that does not know it. Raises BookError."""
    store = SqliteStore(writer, path)
    epoch = first_epoch(at) if settings.broker.kind == "ibkr" else 1
    try:
        stamp = await store.stamp(kind, settings.book_id, settings.feed.seed, at, epoch)
        journal_is_empty = await store.ensure_account(settings.account.name, opening_cash_micros, at)
    except BaseException:
        await writer.close()
        raise
    return OpenBook(store=store, writer=writer, stamp=stamp, journal_is_empty=journal_is_empty)


_Broker = TypeVar("_Broker", bound=Broker, covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine(Generic[_Broker]):
    """An engine and its broker."""

    engine: Engine
    broker: _Broker
    history: History


async def make_machine(
    parts: Parts,
    book: OpenBook,
    clock: Clock,
    log: Log,
    recorder: Recorder,
    spill: Spill,
    make_broker: Callable[[Callable[[BrokerEvent], None], Costs, Mapping[str, int]], _Broker],
    emit: Callable[[BrokerEvent], None] | None = None,
    marks_every: timedelta = timedelta(minutes=1),
) -> Machine[_Broker]:
    """Read the book and put an engine on it; broker events go to `emit`, else to the engine's inbox."""
    account = parts.settings.account.name
    state = await book.store.load(account)
    history = await book.store.history(account, clock.now() - REMEMBERED)
    inbox = Inbox()
    held = {position.symbol: position.quantity for position in state.positions.values()}
    broker = make_broker(emit or inbox.post, parts.chain.costs, held)
    ports = Ports(store=book.store, broker=broker, clock=clock, log=log, recorder=recorder, spill=spill)
    engine = Engine(state, history, ports, parts.chain, parts.calendar, parts.strategies, inbox, marks_every)
    return Machine(engine=engine, broker=broker, history=history)
