"""Requests about the market: what can be traded, ticks, bars of five seconds, history."""

from gateway.contracts import TICK_USD, Listing
from gateway.history import NoSuchHistory, bar_row, history, latest
from gateway.layout import Values
from gateway.market import Bar
from gateway.messages import Message, time_text
from gateway.request import Request
from gateway.session import Session
from gateway.venue import Venue

_UNKNOWN = (200, "No security definition has been found for the request")
_NO_DATA = "Historical Market Data Service error message:"
_DELAYED = 3
_BID, _ASK, _LAST, _BID_SIZE, _ASK_SIZE, _LAST_SIZE, _VOLUME = 1, 2, 4, 0, 3, 5, 8
_HALTED = 49
_DELAYED_TICK = {_BID: 66, _ASK: 67, _LAST: 68, _BID_SIZE: 69, _ASK_SIZE: 70, _LAST_SIZE: 71, _VOLUME: 74}
_LOT = 100
_HISTORY_ENDS_APART = 196
"""From this server version on the end of a history is a message of its own."""


def contract_details(venue: Venue, session: Session, request: Request) -> None:
    """The one contract that is meant, or error 200."""
    if listing := _listing(venue, session, request):
        session.send(
            Message("contractDetails", {"reqId": request.id, **listing.details()}, listing.symbol),
            Message("contractDetailsEnd", {"reqId": request.id}),
        )


def current_time(venue: Venue, session: Session, _: Request) -> None:
    """The server's clock."""
    session.send(Message("currentTime", {"time": int(venue.clock().timestamp())}))


def market_data_type(_: Venue, session: Session, request: Request) -> None:
    """Which kind of ticks the client would have."""
    session.watching.market_data_type = request.whole("marketDataType")


def ticks(venue: Venue, session: Session, request: Request) -> None:
    """Ticks of one symbol: those there are, then every change."""
    listing = _listing(venue, session, request)
    if listing is None:
        return
    if not venue.market_data_type:
        session.refuse(request, 354, "Requested market data is not subscribed.")
        return
    if venue.market_data_type == _DELAYED and session.watching.market_data_type != _DELAYED:
        session.refuse(request, 10167, "Requested market data is not subscribed. Displaying delayed market data.")
    told: Values = {"reqId": request.id, "marketDataType": venue.market_data_type}
    session.send(
        Message(
            "tickReqParams", {"reqId": request.id, "minTick": TICK_USD, "bboExchange": "9c", "snapshotPermissions": 3}
        ),
        Message("marketDataType", told),
    )
    _send_ticks(venue, session, request.id, listing.symbol)
    if request.flag("snapshot"):
        session.send(Message("tickSnapshotEnd", {"reqId": request.id}))
    else:
        session.watching.ticks[request.id] = listing.symbol


def cancel_ticks(_: Venue, session: Session, request: Request) -> None:
    """No more ticks."""
    session.watching.ticks.pop(request.id, None)


def realtime_bars(venue: Venue, session: Session, request: Request) -> None:
    """Every bar of five seconds from now on."""
    listing = _listing(venue, session, request)
    if listing is None:
        return
    if not venue.market_data_type:
        session.refuse(request, 420, "Invalid Real-time Query:No market data permissions")
        return
    session.watching.bars[request.id] = listing.symbol


def cancel_realtime_bars(_: Venue, session: Session, request: Request) -> None:
    """No more bars."""
    session.watching.bars.pop(request.id, None)


def historical_data(venue: Venue, session: Session, request: Request) -> None:
    """Bars of the past; kept up to date when asked to be."""
    listing = _listing(venue, session, request)
    if listing is None:
        return
    try:
        bars = history(venue.market.quote(listing.symbol).bars, request, venue.clock())
    except NoSuchHistory as no:
        session.refuse(request, 321, f"Error validating request.-'b' : cause - {no}")
        return
    if not bars:
        what = f"{listing.symbol}@{request.text('exchange')} {request.text('whatToShow')}"
        session.refuse(request, 162, f"{_NO_DATA}HMDS query returned no data: {what}")
        return
    span: Values = {"reqId": request.id, "start": time_text(bars[0].starts_at), "end": time_text(bars[-1].starts_at)}
    rows = [bar_row(bar, request) for bar in bars]
    session.send(Message("historicalData", {**span, "bars": rows}, listing.symbol))
    if session.version >= _HISTORY_ENDS_APART:
        session.send(Message("historicalDataEnd", span, listing.symbol))
    if request.flag("keepUpToDate"):
        session.watching.histories[request.id] = request


def cancel_historical_data(_: Venue, session: Session, request: Request) -> None:
    """History is not kept up to date any more."""
    session.watching.histories.pop(request.id, None)


def push_quote(venue: Venue, session: Session, symbol: str) -> None:
    """Tell a client the ticks that it has subscribed to."""
    for request_id, watched in list(session.watching.ticks.items()):
        if watched == symbol:
            _send_ticks(venue, session, request_id, symbol)


def push_bar(venue: Venue, session: Session, symbol: str, bar: Bar) -> None:
    """Tell a client the bar, and what it makes of a history that is kept up to date."""
    for request_id, watched in list(session.watching.bars.items()):
        if watched == symbol:
            session.send(_realtime_bar(request_id, symbol, bar))
    for request in list(session.watching.histories.values()):
        listing = venue.market.listings.find(request.whole("conId"), request.symbol, "", "")
        if listing and listing.symbol == symbol:
            row = bar_row(latest(venue.market.quote(symbol).bars, request), request)
            session.send(Message("historicalDataUpdate", {**row, "reqId": request.id}, symbol))


def _realtime_bar(request_id: int, symbol: str, bar: Bar) -> Message:
    starts_at_s = int(bar.starts_at.timestamp())
    return Message("realtimeBar", {"reqId": request_id, "time": starts_at_s, **bar.figures()}, symbol)


def _send_ticks(venue: Venue, session: Session, request_id: int, symbol: str) -> None:
    quote = venue.market.quote(symbol)
    prices = ((_BID, quote.bid, _LOT), (_ASK, quote.ask, _LOT), (_LAST, quote.last, _LOT))
    for tick, price, size in prices:
        if price is not None:
            told: Values = {"reqId": request_id, "tickType": _tick(venue, tick), "price": price, "size": size}
            session.send(Message("tickPrice", told, symbol))
    for tick, size in ((_BID_SIZE, _LOT), (_ASK_SIZE, _LOT), (_LAST_SIZE, _LOT), (_VOLUME, quote.volume)):
        sized: Values = {"reqId": request_id, "tickType": _tick(venue, tick), "size": size}
        session.send(Message("tickSize", sized, symbol))
    halted: Values = {"reqId": request_id, "tickType": _HALTED, "value": int(quote.is_halted)}
    session.send(Message("tickGeneric", halted, symbol))


def _tick(venue: Venue, tick: int) -> int:
    return _DELAYED_TICK[tick] if venue.market_data_type == _DELAYED else tick


def _listing(venue: Venue, session: Session, request: Request) -> Listing | None:
    """What a request is about; when there is no such thing it is refused here."""
    listing = venue.market.listings.find(
        request.whole("conId"),
        request.symbol,
        request.text("secType"),
        request.text("currency"),
        request.text("localSymbol"),
    )
    if listing is None:
        session.refuse(request, *_UNKNOWN)
    return listing
