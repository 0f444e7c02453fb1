"""The embedded market and the paper broker, told badly."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from random import Random

from simulation.configuration import SPEED
from simulation.faults import Faults
from simulation.host import Machine, SimulatedHost, WallClock
from simulation.market import Market, TroubledFeed
from simulation.venue import Venue
from simulation.wire import Wire
from trader.adapters.feeds.simulated_market import SimulatedMarket
from trader.app.marketplace import EmbeddedMarketplace, Emit
from trader.app.settings import Settings
from trader.app.wiring import Parts
from trader.domain.rules import Costs
from trader.domain.session import Calendar


class EmbeddedPlace:
    """Of one run."""

    market_speed = SPEED
    longest_life = 30_000
    longest_recovery = 150
    """Callbacks of the loop."""

    def __init__(
        self,
        settings: Settings,
        calendar: Calendar,
        faults: Faults,
        random: Random,
        born_at: datetime,
    ) -> None:
        self.venue = Venue(settings.costs.costs(), settings.account.name, faults)
        self.market = Market(random.randrange(1_000), calendar, self.venue, faults)
        self._random = random
        self._calendar = calendar
        self._born_at = born_at

    def end_of(self, day: date) -> datetime:
        """When a session and its night are over."""
        return self._calendar.next_session(day).opens_at

    @property
    def errors(self) -> list[str]:
        """There is no protocol that could be broken."""
        return []

    def host(self, machine: Machine) -> "EmbeddedHost":
        """Of one life."""
        return EmbeddedHost(machine, self._wall_begins_at(), self.market, self.venue)

    def _wall_begins_at(self) -> datetime:
        """Before the first session; sometimes a moment before the evening's chores."""
        at = self.market.at or self._born_at
        if self._random.random() < 0.3:
            return datetime.combine(at.date(), time(22, 58), tzinfo=UTC)
        return at


class EmbeddedHost(SimulatedHost):
    """A life on the embedded market."""

    def __init__(self, machine: Machine, wall_begins_at: datetime, market: Market, venue: Venue) -> None:
        super().__init__(machine, WallClock(wall_begins_at, machine.loop, machine.faults))
        self._market = market
        self._venue = venue
        self._feed: TroubledFeed

    def marketplace(self, parts: Parts) -> "TroubledMarketplace":
        """The run's market and venue, told badly."""
        return TroubledMarketplace(parts, self)

    def troubled_feed(self, parts: Parts, starts_at: datetime) -> TroubledFeed:
        """The run's market, told badly."""
        speed = parts.settings.feed.speed
        self.feed_ = self._feed = TroubledFeed(self._market, parts.calendar, starts_at, speed, self._faults)
        return self._feed

    def bad_wire(self, emit: Emit) -> Wire:
        """A wire to the venue, which has costs of its own and knows better what is held."""
        wire = self.wire = Wire(self._venue, self._faults, self._history, emit, self._feed, self._loop)
        return wire


class TroubledMarketplace(EmbeddedMarketplace):
    """The embedded one, with a feed and a wire that misbehave."""

    def __init__(self, parts: Parts, host: EmbeddedHost) -> None:
        super().__init__(parts)
        self._host = host

    def make_feed(self, market: SimulatedMarket, starts_at: datetime) -> TroubledFeed:
        """Of the same market, made once for the run."""
        del market
        return self._host.troubled_feed(self._parts, starts_at)

    def make_broker(self, emit: Emit, costs: Costs, positions: Mapping[str, int]) -> Wire:
        """To the venue."""
        del costs, positions
        return self._host.bad_wire(emit)
