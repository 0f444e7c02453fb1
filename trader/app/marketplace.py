"""The marketplace: where a daemon's bars come from and where its orders go. Feed and broker are chosen separately.

    EmbeddedMarketplace   the embedded market and the paper broker
    interactive_brokers   IB's bars; orders go to IB, or to the paper broker: the dry run

The daemon knows no other.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from trader.adapters.control import Answer
from trader.adapters.feeds.simulated import Publish, SimulatedFeed
from trader.adapters.feeds.simulated_market import SimulatedMarket
from trader.adapters.paper.broker import PaperBroker
from trader.app.wiring import OpenBook, Parts
from trader.domain.events import BrokerEvent
from trader.domain.market import BarTime
from trader.domain.rules import Costs
from trader.domain.session import NEW_YORK
from trader.domain.symbol import is_option
from trader.services.ports import Broker, Clock

Emit = Callable[[BrokerEvent], None]
Held = Callable[[], Collection[str]]
"""Symbols of which shares are held at the moment."""
_BEFORE_THE_OPEN = timedelta(seconds=30)


class Marketplace(Protocol):
    """What a daemon trades at. `reach` and `begin` come first, in this order."""

    async def reach(self) -> None:
        """Be there at all. Raises BrokerUnreachable."""
        ...

    async def opening_cash_micros(self) -> int:
        """What a new book begins with. Raises BrokerUnreachable."""
        ...

    async def begin(self, book: OpenBook) -> None:
        """Go on where a book ends. Raises BookError, BrokerUnreachable, ConfigurationError."""
        ...

    @property
    def clock(self) -> Clock:
        """The market's time."""
        ...

    @property
    def symbols(self) -> Iterable[str]:
        """Of what there are bars."""
        ...

    @property
    def not_listed(self) -> Mapping[str, str]:
        """Symbols that are configured or held, and why it does not trade them. While there are any nothing opens."""
        ...

    def broker(self, emit: Emit, costs: Costs, positions: Mapping[str, int]) -> Broker:
        """Where orders go; what it has to say goes to `emit`. `positions`: shares that the book holds, by symbol."""
        ...

    async def past(self, bars: int) -> list[BarTime]:
        """The last bar times that have ended, oldest first. Raises BrokerUnreachable."""
        ...

    async def play(self, publish: Publish, stop: asyncio.Event, held: Held) -> None:
        """Publish every bar time, until asked to stop. `held` says whose bars matter most."""
        ...

    async def keep(self) -> None:
        """Look after the connection; without one there is nothing to do."""
        ...

    def skew(self) -> timedelta | None:
        """How far the broker's clock is ahead of this host's; None where it has none of its own, or has not told."""
        ...

    def standing(self) -> Answer:
        """How the connection stands, for `status`; empty where there is none."""
        ...

    async def close(self) -> None:
        """Leave."""
        ...


class EmbeddedBroker(Broker, Protocol):
    """A broker that fills at the opens of a market's bars."""

    def match(self, bar_time: BarTime) -> None:
        """Fill what the opens of these bars fill."""
        ...


class EmbeddedMarketplace:
    """In this process, on a clock of its own; it goes on where the book ends."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._market: SimulatedMarket
        self._feed: SimulatedFeed
        self._broker: EmbeddedBroker

    async def reach(self) -> None:
        """It is here."""

    async def opening_cash_micros(self) -> int:
        """As configured."""
        return self._parts.settings.account.starting_cash_micros

    async def begin(self, book: OpenBook) -> None:
        """The market of the book's seed, from the time of its newest event, with the options that are named or held."""
        newest_event_at = await book.store.newest_event_at()
        named = {*self._parts.settings.feed.symbols, *await book.store.held()}
        options = [symbol for symbol in named if is_option(symbol)]
        self._market = SimulatedMarket(book.stamp.seed, self._parts.calendar, options)
        self._feed = self.make_feed(self._market, newest_event_at or self._first_open(book.stamp.created_at))

    def make_feed(self, market: SimulatedMarket, starts_at: datetime) -> SimulatedFeed:
        """The market's bars and its clock."""
        return SimulatedFeed(market, self._parts.calendar, starts_at, self._parts.settings.feed.speed)

    def make_broker(self, emit: Emit, costs: Costs, positions: Mapping[str, int]) -> EmbeddedBroker:
        """The paper broker, which holds what the book holds."""
        return PaperBroker(emit, costs, positions)

    @property
    def clock(self) -> Clock:
        """The feed's."""
        return self._feed

    @property
    def symbols(self) -> Iterable[str]:
        """All of the market."""
        return self._market.symbols

    @property
    def not_listed(self) -> Mapping[str, str]:
        """None: the market makes bars of whatever is configured."""
        return {}

    def broker(self, emit: Emit, costs: Costs, positions: Mapping[str, int]) -> Broker:
        """One that is filled by the market's opens."""
        self._broker = self.make_broker(emit, costs, positions)
        return self._broker

    async def past(self, bars: int) -> list[BarTime]:
        """As the seed has it."""
        return list(self._feed.history(self._feed.now(), bars))

    async def play(self, publish: Publish, stop: asyncio.Event, held: Held) -> None:
        """At a bar's start its open fills orders, at its end it is published."""
        await self._feed.run(publish, stop, opening=self._broker.match)

    async def keep(self) -> None:
        """There is no connection."""

    def skew(self) -> timedelta | None:
        """There is one clock."""
        return None

    def standing(self) -> Answer:
        """There is no connection."""
        return {}

    async def close(self) -> None:
        """Nothing is open."""

    def _first_open(self, created_at: datetime) -> datetime:
        """A new book begins on the session after the day it was made, a moment before the open."""
        session = self._parts.calendar.next_session(created_at.astimezone(NEW_YORK).date())
        return session.opens_at - _BEFORE_THE_OPEN
