"""Where a gateway's days are lived: the gateway of the tests, its market and its troubles, through all lives."""

from datetime import date, datetime
from random import Random

from gateway import Gateway

from simulation.configuration import ACCOUNT, PORT
from simulation.faults import Faults
from simulation.gateway_host import GatewayHost
from simulation.gateway_market import LEAD, REST, GatewayMarket
from simulation.gateway_troubles import GatewayTroubles
from simulation.gateway_truth import OTHER_ACCOUNT, GatewayTruth
from simulation.history import History
from simulation.host import Machine
from trader.domain.session import Calendar, SessionDay


class GatewayPlace:
    """Of one run."""

    market_speed = 1.0
    longest_life = 60_000
    longest_recovery = 1_500
    """Callbacks of the loop."""

    def __init__(self, random: Random, first: date, calendar: Calendar, faults: Faults, history: History) -> None:
        self._calendar = calendar
        begins_at = self._session(first).opens_at - LEAD
        self.market = GatewayMarket(random.randrange(1_000), calendar, begins_at)
        accounts = (ACCOUNT, OTHER_ACCOUNT)
        self.gateway = Gateway(accounts=accounts, seed=random.randrange(1_000), clock=self.market.now, port=PORT)
        self.venue = GatewayTruth(self.gateway, history.orders)
        self.market.trade_at(self.gateway)
        self._troubles = GatewayTroubles(self.gateway, self.market, self.venue, faults)

    @property
    def errors(self) -> list[str]:
        """What has broken the protocol."""
        return self.gateway.errors

    def end_of(self, day: date) -> datetime:
        """When nothing happens any more after a session."""
        return self._session(day).closes_at + REST

    def _session(self, day: date) -> SessionDay:
        session = self._calendar.session(day)
        assert session is not None  # noqa: S101  (days of a run are sessions)
        return session

    def host(self, machine: Machine) -> GatewayHost:
        """Of one life."""
        return GatewayHost(machine, self.market, self.venue, self._troubles)
