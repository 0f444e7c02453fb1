"""A look at TWS or IB Gateway before anything is traded: what is there, and what stands in the way.

It connects under a client id of its own, so that it can look while a daemon trades, and sends no order: whether the API
may write is seen by asking what one share at a cent would cost in margin, which is never executed.
"""

import asyncio
from dataclasses import dataclass

from trader.adapters.ibkr.client_library import Order as WireOrder
from trader.adapters.ibkr.client_library import OrderState
from trader.adapters.ibkr.codes import Kind, kind_of
from trader.adapters.ibkr.ib_clock import read_clock
from trader.adapters.ibkr.messages import Failure, MarketDataType, Message, TickPrice
from trader.adapters.ibkr.session import Address, Session
from trader.adapters.ibkr.translate import stock
from trader.adapters.ibkr.unreachable import why_not
from trader.domain.errors import BrokerUnreachable
from trader.services.ports import Clock

SYMBOL = "SPY"
"""What is asked about where something has to be named."""

_TYPES = {1: "live", 2: "frozen", 3: "delayed", 4: "delayed and frozen"}
_REQUEST_S = 5.0
_READ_ONLY = "read-only"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What was found."""

    server_version: int
    accounts: tuple[str, ...]
    servers: bool
    """Whether TWS has IB's servers behind it."""
    farms: tuple[str, ...]
    """Data farms that are not connected."""
    skew_s: float | None
    """How far IB's clock is ahead of ours, to half a second; None when it was not told."""
    writable: bool | None
    """Whether orders are taken from this API client; None when there was no answer."""
    why_not_writable: str
    data: str
    """How market data come: live, delayed, ... or why they do not."""


class _Ear:
    """Takes in what comes while we look."""

    def __init__(self) -> None:
        self.has_servers = True
        self.farms: dict[str, bool] = {}
        self.data = ""
        self.writable: bool | None = None
        self.why_not_writable = ""
        self.news = asyncio.Event()

    # an owner of the session

    def said(self, message: Message) -> None:
        if not isinstance(message, Failure):
            return
        kind = kind_of(message.code)
        if kind is Kind.FARM:
            farm = message.text.rpartition(":")[2].strip() or message.text
            self.farms[farm] = message.code in (2104, 2106, 2107, 2108, 2158)
        elif kind is Kind.SERVERS_LOST:
            self.has_servers = False
        elif kind in (Kind.RESTORED, Kind.RESTORED_DATA_LOST):
            self.has_servers = True

    def unknown_message(self, id_: str) -> None:
        """Nobody here needs it."""

    def spoilt(self, name: str, why: str) -> None:
        """Nobody here asks for lists."""

    def heard(self) -> None:
        """Nobody here counts."""

    def session_ended(self) -> None:
        self.news.set()

    # a subscriber: to prices, and to the margin of an order

    def hear(self, item: object) -> None:
        if isinstance(item, MarketDataType):
            self.data = _TYPES.get(item.type, f"type {item.type}")
        elif isinstance(item, TickPrice):
            self.data = self.data or "live"
        elif isinstance(item, OrderState):
            self.writable = True
        self.news.set()

    def failed(self, failure: Failure) -> None:
        if kind_of(failure.code) is Kind.NOT_LIVE:
            self.data = str(failure)
        elif kind_of(failure.code) is Kind.ERROR:
            self.writable = _READ_ONLY not in failure.text.lower()
            self.why_not_writable = str(failure)
        self.news.set()


async def probe(address: Address, clock: Clock, deadline_s: float) -> Probe:
    """Look. Raises BrokerUnreachable, saying where nobody answers, or goes away meanwhile, and how."""
    ear = _Ear()
    session = Session(address, ear)
    try:
        await session.connect(deadline_s)
    except (OSError, TimeoutError) as error:
        raise BrokerUnreachable(why_not(address, error, deadline_s)) from error
    try:
        return await _look(session, ear, clock)
    except ConnectionError as error:
        raise BrokerUnreachable(f"{address}: {session.reason or error}") from error
    finally:
        session.end("looked")


async def _look(session: Session, ear: _Ear, clock: Clock) -> Probe:
    told = await read_clock(session, _REQUEST_S)
    skew_s = round(told.skew_s(clock), 1) if told is not None else None
    contract, client = stock(SYMBOL), session.client
    session.outgoing.request(lambda: client.reqMarketDataType(1))
    prices = session.subscribe(lambda id_: client.reqMktData(id_, contract, "", False, False, []), ear)
    tried = WireOrder(
        action="BUY",
        totalQuantity=1,
        orderType="LMT",
        lmtPrice=0.01,
        tif="DAY",
        account=session.accounts[0],
        whatIf=True,
    )
    session.subscribe(lambda id_: client.placeOrder(id_, contract, tried), ear, is_urgent=True)
    try:
        async with asyncio.timeout(_REQUEST_S):
            while not session.ended.is_set() and not (ear.data and ear.writable is not None):
                ear.news.clear()
                await ear.news.wait()
    except TimeoutError:
        pass  # what was not told is None
    if session.ended.is_set():
        raise ConnectionError(session.reason)
    session.unsubscribe(prices, client.cancelMktData)
    return Probe(
        server_version=session.server_version,
        accounts=session.accounts,
        servers=ear.has_servers,
        farms=tuple(sorted(farm for farm, is_up in ear.farms.items() if not is_up)),
        skew_s=skew_s,
        writable=ear.writable,
        why_not_writable=ear.why_not_writable if ear.writable is False else "",
        data=ear.data or "nothing came",
    )
