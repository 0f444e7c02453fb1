"""An engine from settings, for a replay and for the daemon alike. What a daemon's machine gives it, `host` names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Generic, TypeVar

from trader.adapters.calendar import load_calendar
from trader.adapters.sqlite.database import Writer
from trader.adapters.sqlite.one_account import AccountWriter
from trader.adapters.sqlite.store import SqliteStore, Stamp
from trader.app.alarm_channels import channels_of
from trader.app.inline_strategy import InlineStrategy
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
from trader.services.ports import Broker, Clock, History, Log, Recorder, Spill, Strategies
from trader.services.recent import REMEMBERED


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What is made from the settings alone, before there is a book or a clock."""

    settings: Settings
    calendar: Calendar
    chain: Chain
    strategies: Strategies

    @property
    def families(self) -> Families:
        """The configured families."""
        return self.chain.families


def make_parts(settings: Settings, strategies: Strategies | None = None) -> Parts:
    """Build everything that can be wrong in a configuration; a strategy that runs elsewhere is handed in. Raises
    ConfigurationError.
    """
    channels_of(settings)
    rules = settings.rules()
    chain = Chain(settings.read_families(), rules, settings.costs.costs())
    calendar = load_calendar(settings.session.cutoffs(), settings.session.calendar_overrides())
    strategies = strategies or inline_strategy(settings)
    return Parts(settings=settings, calendar=calendar, chain=chain, strategies=strategies)


def inline_strategy(settings: Settings) -> InlineStrategy:
    """The configured strategy, in this process. Raises ConfigurationError."""
    strategy = load_strategy(settings.strategy.entry, settings.strategy.params)
    return InlineStrategy(strategy, settings.strategy.name, settings.rules())


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenBook:
    """A book, opened for writing and stamped."""

    store: SqliteStore
    writer: AccountWriter
    stamp: Stamp
    journal_is_empty: bool
    """Whether the account's journal has still to be begun."""


async def is_opened(writer: Writer, settings: Settings) -> bool:
    """Whether a book has the account already. Raises BookError."""
    bound = await AccountWriter.bind(writer, settings.account.name)
    return await SqliteStore(bound, settings.book.db).is_opened()


async def open_book(
    writer: Writer, path: Path, settings: Settings, kind: str, opening_cash_micros: int, at: datetime
) -> OpenBook:
    """Bind the writer to its account, stamp the book, and open the account where it is new. Raises BookError."""
    epoch = first_epoch(at) if settings.broker.kind == "ibkr" else 1
    try:
        bound = await AccountWriter.bind(writer, settings.account.name)
        store = SqliteStore(bound, path)
        stamp = await store.stamp(kind, settings.book_id, settings.feed.seed, at, epoch)
        journal_is_empty = await store.ensure_account(opening_cash_micros, at)
    except BaseException:
        await writer.close()
        raise
    return OpenBook(store=store, writer=bound, stamp=stamp, journal_is_empty=journal_is_empty)


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
    build: str = "",
) -> Machine[_Broker]:
    """Read the book and put an engine on it; broker events go to `emit`, else to the engine's inbox.

    `build`: the fingerprint that stands on its orders.
    """
    state = replace(await book.store.load(), build=build)
    history = await book.store.history(clock.now() - REMEMBERED)
    inbox = Inbox()
    held = {position.symbol: position.quantity for position in state.positions.values()}
    broker = make_broker(emit or inbox.post, parts.chain.costs, held)
    ports = Ports(store=book.store, broker=broker, clock=clock, log=log, recorder=recorder, spill=spill)
    engine = Engine(state, history, ports, parts.chain, parts.calendar, parts.strategies, inbox, marks_every)
    return Machine(engine=engine, broker=broker, history=history)
