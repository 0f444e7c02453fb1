"""The marketplace of Interactive Brokers: its bars, and its executions or, for a dry run, the paper broker's."""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import timedelta

from trader.adapters.control import Answer
from trader.adapters.ibkr.cash import cash_micros
from trader.adapters.ibkr.connection import Address, Connection
from trader.adapters.ibkr.contracts import Contracts
from trader.adapters.ibkr.market_data import IbkrFeed, Publish
from trader.adapters.ibkr.orders import IbkrBroker
from trader.adapters.paper.broker import PaperBroker
from trader.app.connection_state import ConnectionState
from trader.app.marketplace import Emit, Held
from trader.app.wiring import OpenBook, Parts
from trader.domain.errors import BrokerUnreachable, ConfigurationError
from trader.domain.events import BrokerEvent
from trader.domain.market import BarTime
from trader.domain.money import usd
from trader.domain.rules import Costs
from trader.domain.session import new_york_date
from trader.domain.symbol import is_option, option_of
from trader.services.ports import Broker, Clock, Log


class InteractiveBrokers:
    """By TWS or IB Gateway on this host."""

    def __init__(self, parts: Parts, clock: Clock, log: Log) -> None:
        settings = parts.settings
        ibkr = settings.ibkr
        self._parts = parts
        self._clock = clock
        self._log = log
        self._connection = Connection(Address(ibkr.host, ibkr.port, ibkr.client_id), ibkr.account, clock, log)
        self._contracts = Contracts(self._connection)
        self._broker = IbkrBroker(self._connection, self._contracts, settings.account.name, self._tell, log, clock)
        self._feed: IbkrFeed
        self._not_listed: Mapping[str, str] = {}
        self._emit: Emit | None = None
        self._untold: list[BrokerEvent] = []
        self._paper: PaperBroker | None = None

    async def reach(self) -> None:
        """Connect. Raises BrokerUnreachable, and ConfigurationError where waiting is no help."""
        await self._connection.open(self._parts.settings.ibkr.connect_s)

    async def opening_cash_micros(self) -> int:
        """What IB says the account has in dollars; of a dry run, as configured.

        Raises BrokerUnreachable, and ConfigurationError for an account that owes dollars.
        """
        if self._parts.settings.broker.kind == "paper":
            return self._parts.settings.account.starting_cash_micros
        told_micros = await cash_micros(self._connection)
        if told_micros is None:
            raise BrokerUnreachable(
                f"Interactive Brokers does not tell what {self._connection.account} has in US dollars; start again in "
                f"a minute, and convert some there if it has none"
            )
        if told_micros < 0:
            raise ConfigurationError(
                f"{self._connection.account} has {usd(told_micros)} US dollars: a book begins with what there is, and "
                f"never on credit; pay in or convert some at Interactive Brokers"
            )
        return told_micros

    async def begin(self, book: OpenBook) -> None:
        """Look up what may be traded, and what the book holds: that is watched whatever the families say.

        Raises ConfigurationError for what IB does not list, unless something is held: then its exits come first.
        """
        settings = self._parts.settings
        self._broker.first_epoch = book.stamp.first_epoch
        members = [symbol for family in self._parts.families.families.values() for symbol in family.members]
        held = await book.store.held()
        symbols = sorted(self._unexpired({*members, *settings.feed.symbols, *held}))
        if held:
            self._not_listed = await self._contracts.look_up(symbols)
            symbols = [symbol for symbol in symbols if symbol not in self._not_listed]
        else:
            await self._contracts.qualify(symbols)
        self._feed = IbkrFeed(self._connection, self._contracts, symbols, self._parts.calendar, self._clock, self._log)

    def _unexpired(self, symbols: set[str]) -> set[str]:
        """Without the options that are no more: named in the configuration or held, they keep nothing from trading."""
        today = new_york_date(self._clock.now())
        expired = {symbol for symbol in symbols if is_option(symbol) and option_of(symbol).expiry < today}
        for symbol in sorted(expired):
            self._log.warning(
                f"EXPIRED {symbol}: there are no bars of it any more; take it out of feed.symbols; one that the book "
                f"still holds is DRIFT, which `trader adjust --missing {symbol}` ends"
            )
        return symbols - expired

    @property
    def clock(self) -> Clock:
        """The host's."""
        return self._clock

    @property
    def symbols(self) -> Iterable[str]:
        """The families' members, what is configured beside them, and what the book holds."""
        return self._feed.symbols

    @property
    def not_listed(self) -> Mapping[str, str]:
        """As IB has said at the start."""
        return self._not_listed

    def broker(self, emit: Emit, costs: Costs, positions: Mapping[str, int]) -> Broker:
        """IB, or the paper broker."""
        if self._parts.settings.broker.kind == "paper":
            self._paper = PaperBroker(emit, costs, positions)
            return self._paper
        self._emit = emit
        untold, self._untold = self._untold, []
        for event in untold:
            emit(event)
        return self._broker

    def _tell(self, event: BrokerEvent) -> None:
        """What IB says before there is an engine waits for it; of a dry run it is of no account."""
        if self._emit is not None:
            self._emit(event)
        elif self._paper is None:
            self._untold.append(event)

    async def past(self, bars: int) -> list[BarTime]:
        """By historical requests. Raises BrokerUnreachable."""
        return await self._feed.history(self._clock.now(), bars)

    async def play(self, publish: Publish, stop: asyncio.Event, held: Held) -> None:
        """Live; the paper broker is filled by five-second bars."""
        if self._paper is None:
            await self._feed.run(publish, stop, held=held)
        else:
            await self._feed.run(publish, stop, opening=self._paper.match, held=held)

    async def keep(self) -> None:
        """Connect again whenever the connection is lost."""
        await self._connection.run()

    def skew(self) -> timedelta | None:
        """As the heartbeat has measured it."""
        skew_s = self._connection.skew_s
        return timedelta(seconds=skew_s) if skew_s is not None else None

    def standing(self) -> Answer:
        """The link, the epoch, and the ages of what is heard."""
        standing, now = self._connection.standing, self._clock.now()
        heard = standing.last_heard_at
        ages = {symbol: age for symbol, age in self._feed.ages().items() if age is not None}
        state = ConnectionState(
            link=standing.link,
            epoch=standing.epoch,
            since=standing.since.isoformat(timespec="seconds"),
            heard_s=round((now - heard).total_seconds(), 1) if heard is not None else None,
            last_error=standing.last_error,
            server_version=standing.server_version,
            skew_s=round(standing.skew_s, 1) if standing.skew_s is not None else None,
            ib_account=self._connection.account,
            bars_s=round(max(ages.values()), 1) if ages else None,
            bars_missing=sorted(set(self._feed.symbols) - ages.keys()),
            not_live=dict(self._feed.not_live),
            foreign=[f"{one.kind} {one.symbol}: {one.what}" for one in self._broker.foreign if one.kind != "execution"],
        )
        return state.as_answer()

    async def close(self) -> None:
        """Disconnect."""
        await self._connection.close()
