"""IB's error codes and what they mean here. What is not listed is an error of the request or order that it names.

From IB's list (interactivebrokers.github.io/tws-api/message_codes.html and IBKR Campus, "TWS API error codes"), and
from what users of real gateways have reported. A code never ends an order: it makes its fate unknown, and the evidence
decides; codes of kind NOTICE say something beside an order that goes on.
"""

from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """What a code means for the connection, or for what it names."""

    SERVERS_LOST = "servers lost"
    RESTORED_DATA_LOST = "servers back, subscriptions lost"
    RESTORED = "servers back"
    CLIENT_ID_TAKEN = "client id taken"
    SOCKET_MOVED = "socket moved"
    FARM = "farm"
    """A data farm comes or goes; the socket and the orders stay."""
    NOTICE = "notice"
    """Beside something that goes on."""
    CANCEL = "cancel"
    """Of a cancel: what became of the order is said by its status."""
    NOT_LIVE = "not live"
    """Market data that is not there, delayed or frozen."""
    PACING = "pacing"
    ERROR = "error"


class Code(NamedTuple):
    """One row."""

    number: int
    kind: Kind
    meaning: str


_ROWS = (
    Code(1100, Kind.SERVERS_LOST, "TWS has lost IB's servers"),
    Code(2110, Kind.SERVERS_LOST, "TWS has lost IB's servers and will find them again by itself"),
    Code(1101, Kind.RESTORED_DATA_LOST, "the servers are back, subscriptions have to be made anew"),
    Code(1102, Kind.RESTORED, "the servers are back, subscriptions live on"),
    Code(1300, Kind.SOCKET_MOVED, "the socket's port was changed in TWS"),
    Code(326, Kind.CLIENT_ID_TAKEN, "the client id is in use"),
    Code(2103, Kind.FARM, "a market data farm is disconnected"),
    Code(2104, Kind.FARM, "a market data farm is connected"),
    Code(2105, Kind.FARM, "a historical data farm is disconnected"),
    Code(2106, Kind.FARM, "a historical data farm is connected"),
    Code(2107, Kind.FARM, "a historical data farm sleeps until it is asked"),
    Code(2108, Kind.FARM, "a market data farm sleeps until it is asked"),
    Code(2119, Kind.FARM, "a market data farm is being connected"),
    Code(2157, Kind.FARM, "the security definition farm is disconnected"),
    Code(2158, Kind.FARM, "the security definition farm is connected"),
    Code(10182, Kind.FARM, "live updates of a subscription have ended; it has to be made anew"),
    Code(165, Kind.NOTICE, "a historical data query says something"),
    Code(399, Kind.NOTICE, "order message: it may be held until the market opens"),
    Code(404, Kind.NOTICE, "held while shares to borrow are located"),
    Code(2109, Kind.NOTICE, "outside regular hours is ignored for this order"),
    Code(202, Kind.CANCEL, "an order was cancelled; its status says so too"),
    Code(161, Kind.CANCEL, "the order cannot be cancelled in its state"),
    Code(10147, Kind.CANCEL, "the order to cancel is not found"),
    Code(10148, Kind.CANCEL, "the order cannot be cancelled in its state"),
    Code(354, Kind.NOT_LIVE, "no subscription to this market data"),
    Code(10089, Kind.NOT_LIVE, "this market data needs a subscription for the API"),
    Code(10167, Kind.NOT_LIVE, "not subscribed: delayed data comes instead"),
    Code(10168, Kind.NOT_LIVE, "not subscribed, and delayed data is not enabled"),
    Code(10197, Kind.NOT_LIVE, "another session of this user takes the market data"),
    Code(100, Kind.PACING, "too many messages a second"),
    Code(162, Kind.PACING, "historical data: pacing, or no data"),
    Code(322, Kind.PACING, "too many requests of one kind at once"),
    Code(420, Kind.PACING, "real-time bars: pacing"),
    Code(103, Kind.ERROR, "an order id was used twice"),
    Code(104, Kind.ERROR, "an order that has been filled cannot be changed"),
    Code(105, Kind.ERROR, "the order does not match the one that was sent"),
    Code(110, Kind.ERROR, "the price is not on the contract's tick"),
    Code(135, Kind.ERROR, "no order of this id"),
    Code(200, Kind.ERROR, "no contract like this, or more than one"),
    Code(201, Kind.ERROR, "the order was rejected"),
    Code(203, Kind.ERROR, "this account may not trade the contract"),
    Code(321, Kind.ERROR, "the request is not valid; or the API is read-only"),
    Code(388, Kind.ERROR, "the order is smaller than the exchange takes"),
    Code(434, Kind.ERROR, "the order is for no shares"),
    Code(460, Kind.ERROR, "no permission to trade this"),
    Code(10243, Kind.ERROR, "no fractional shares through the API"),
    Code(10268, Kind.ERROR, "an attribute of the order is not supported any more"),
    Code(10349, Kind.ERROR, "the time in force was set by a preset of TWS; the order may live"),
)

_TABLE = {code.number: code for code in _ROWS}

_FIRST_NOTICE, _LAST_NOTICE = 2100, 2199


def kind_of(number: int) -> Kind:
    """What a code means. Unlisted codes from 2100 to 2199 are notices, all others are errors."""
    listed = _TABLE.get(number)
    if listed is not None:
        return listed.kind
    return Kind.NOTICE if _FIRST_NOTICE <= number <= _LAST_NOTICE else Kind.ERROR


def meaning_of(number: int) -> str:
    """What a code means, in words; nothing where IB's own text has to do."""
    listed = _TABLE.get(number)
    return "" if listed is None else listed.meaning


ENDS_NO_REQUEST = frozenset({Kind.FARM, Kind.NOTICE})
"""Kinds that, with the id of a request, do not end it."""
