"""Between IB's words and ours; pure. Floats and texts of the wire end here.

Rule 1: shares are whole. What is not whole is never rounded into a fill; of a position the whole part counts, so that
nobody sells more than there is.
Rule 2: an execution is never dropped for its time. A zone that nobody knows, or none, is read as New York's, whatever
the host's is, and said aloud; what cannot be read at all, lies ahead, or lies further back than IB tells executions, is
the time at which it was heard.
Rule 3: no text goes on the wire that IB could read as two.
"""

import math
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import NamedTuple
from zoneinfo import ZoneInfo

from trader.adapters.ibkr.client_library import Contract
from trader.adapters.ibkr.client_library import Order as WireOrder
from trader.adapters.ibkr.messages import OpenOrder
from trader.domain.decision import Side
from trader.domain.money import micros
from trader.domain.order import Order
from trader.domain.symbol import is_option, is_symbol, option_of, read_symbol
from trader.domain.terms import Terms

NEW_YORK = ZoneInfo("America/New_York")
NOT_WHOLE = -1
"""The quantity of an execution whose shares are no whole number: no execution that can be booked."""

_UNSET = 1e300
"""Beyond it a number means that there is none: IB writes 1.79e308."""
_MOST = 10**12
"""Beyond it there are neither shares nor dollars, and the book has no room."""
_AHEAD = timedelta(minutes=1)
_BEHIND = timedelta(days=8)
"""IB tells executions of the day, and of a week at most where the Trade Log of TWS is set so."""
_LONGEST_TEXT = 40
_PLAIN = re.compile(r"[ -~]*")
_TIME = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})([ -]+)(\d{2}):(\d{2}):(\d{2})(?:\.\d+)?(?: +(\S.*))?")
_CLASS_SHARE = re.compile(r"([A-Z]+)[ .]([A-Z]{1,2})")
_REVISED = re.compile(r"([^.]+(?:\.[^.]+){2,})\.([0-9]{2})")

SIDES = {"BOT": Side.BUY, "SLD": Side.SELL}


def is_set(number: float) -> bool:
    """Whether IB has put a number there at all."""
    return math.isfinite(number) and abs(number) < _UNSET


def whole_shares(text: str | float) -> int | None:
    """Shares as a whole number, or None for what is none."""
    try:
        exact = Decimal(str(text))
    except InvalidOperation:
        return None
    if not exact.is_finite() or abs(exact) >= _MOST or exact != exact.to_integral_value():
        return None
    return int(exact)


def whole_part(shares: float) -> int | None:
    """The whole shares among some, rounded down; None for what is no number of shares."""
    return math.floor(shares) if abs(shares) < _MOST else None


def price_micros(text: str | float) -> int:
    """A price in micros; 0, which is no price, for what is none."""
    try:
        return micros(text) if is_set(float(text)) else 0
    except ValueError:
        return 0


def amount_micros(value: str | float) -> int | None:
    """An amount of dollars in micros; None where there is none."""
    try:
        return micros(value) if abs(float(value)) < _MOST else None
    except ValueError:
        return None


# times


class Moment(NamedTuple):
    """An instant, and what is doubtful about it, in words."""

    at: datetime
    doubt: str = ""


def moment_of(text: str, heard_at: datetime) -> Moment:
    """When an execution happened: `yyyymmdd hh:mm:ss Zone`, or with `-` in the middle UTC."""
    parts = _TIME.fullmatch(text.strip())
    if parts is None:
        return Moment(heard_at, f"the time {ascii(text)[:40]} cannot be read; taken as now")
    year, month, day, between, hour, minute, second, zone_name = parts.groups()
    zone, doubt = _zone(zone_name, is_utc=between == "-")
    try:
        at = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):  # of a zone, what is before the year 1 or after 9999 has no UTC
        return Moment(heard_at, f"the time {ascii(text)[:40]} is none; taken as now")
    if not -_BEHIND <= at - heard_at <= _AHEAD:
        where = "ahead" if at > heard_at else "too far back"
        return Moment(heard_at, f"the time {ascii(text)[:40]} lies {where}; taken as now")
    return Moment(at, doubt)


def _zone(name: str | None, *, is_utc: bool) -> tuple[ZoneInfo, str]:
    if name is None:
        return (ZoneInfo("UTC"), "") if is_utc else (NEW_YORK, "a time without a zone; read as New York's")
    try:
        return ZoneInfo(name), ""
    except (ValueError, OSError, LookupError):
        return NEW_YORK, f"the time zone {ascii(name)[:40]} is not known here; read as New York's"


# identities


def revisions_before(execution_id: str) -> tuple[str, ...]:
    """All lower revisions of an execution: `0001f4e8.65a1.01.03` replaces `….01` and `….02`."""
    revised = _REVISED.fullmatch(execution_id)
    if revised is None:
        return ()
    return tuple(f"{revised[1]}.{number:02d}" for number in range(1, int(revised[2])))


def unrevised(execution_id: str) -> tuple[str, int]:
    """An execution's id without its revision, and the revision; 0 where it has none."""
    revised = _REVISED.fullmatch(execution_id)
    return (execution_id, 0) if revised is None else (revised[1], int(revised[2]))


def symbol_named(kind: str, ib_symbol: str, local_symbol: str) -> str:
    """Our name of what messages call so. Of an option IB's symbol is its underlying's: the other name is the option's.

    What is neither share nor option keeps IB's words, with its kind before them: it must not be taken for a share.
    """
    if kind == "STK":
        return symbol_of(ib_symbol)
    try:
        named = read_symbol(local_symbol) if kind == "OPT" else ""
    except ValueError:
        named = ""
    return named if is_option(named) else f"{kind} {local_symbol or ib_symbol}"


def symbol_of(ib_symbol: str) -> str:
    """Our name of a stock: IB writes a class of shares with a space."""
    share_class = _CLASS_SHARE.fullmatch(ib_symbol)
    return f"{share_class[1]}.{share_class[2]}" if share_class else ib_symbol


def ib_symbol_of(symbol: str) -> str:
    """IB's name of a stock."""
    return symbol.replace(".", " ").replace("-", " ")


def text_fault(text: str) -> str:
    """Why a text must not go on the wire, or nothing: fields end with NUL, and IB speaks ASCII."""
    if len(text) > _LONGEST_TEXT:
        return f"{ascii(text)[:50]} has {len(text)} characters; at most {_LONGEST_TEXT} go to the broker"
    if not _PLAIN.fullmatch(text):
        return f"{text!a} has characters that must not go to the broker; use letters, digits and -"
    return ""


# what orders ask for


def terms_of(shown: OpenOrder) -> Terms:
    """An order as IB shows it; a price that it has no use for is left out."""
    has_limit, has_stop = shown.order_type in ("LMT", "STP LMT"), shown.order_type in ("STP", "STP LMT")
    quantity = whole_shares(shown.quantity)
    return Terms(
        NOT_WHOLE if quantity is None else quantity,
        price_micros(shown.limit) if has_limit else None,
        price_micros(shown.stop) if has_stop else None,
        "" if has_limit or has_stop or shown.order_type == "MKT" else ascii(shown.order_type)[1:-1][:20],
    )


# what goes out


_REDUCE_WITH_BLOCK = 2


def stock(symbol: str, con_id: int = 0) -> Contract:
    """A US stock or ETF, routed by IB; by its id once that is known."""
    return Contract(secType="STK", conId=con_id, symbol=ib_symbol_of(symbol), exchange="SMART", currency="USD")


def option(symbol: str, con_id: int = 0) -> Contract:
    """An option on a US stock or ETF, routed by IB; by its id once that is known."""
    padded = option_of(symbol).padded
    return Contract(secType="OPT", conId=con_id, localSymbol=padded, exchange="SMART", currency="USD")


def contract_of(symbol: str, con_id: int = 0) -> Contract:
    """What a symbol of ours is there."""
    return option(symbol, con_id) if is_option(symbol) else stock(symbol, con_id)


def wire_order(order: Order, ib_account: str) -> WireOrder:
    """What IB is asked, in regular hours, under our reference. An entry has a limit, an exit has none.

    Orders are for the day; protection stays until it is cancelled, in a group in which what one sells the others sell
    no more (OCA type 2: reduced, with block).
    """
    wired = WireOrder(
        action="BUY" if order.side is Side.BUY else "SELL",
        totalQuantity=order.quantity,
        orderType="MKT" if order.limit_micros is None else "LMT",
        tif="GTC" if order.is_protection else "DAY",
        account=ib_account,
        orderRef=order.ref,
        outsideRth=False,
        transmit=True,
    )
    if order.limit_micros is not None:
        wired.lmtPrice = _dollars(order.limit_micros)
    if order.stop_micros is not None:
        wired.orderType, wired.auxPrice = "STP", _dollars(order.stop_micros)
    if order.is_protection:
        wired.ocaGroup, wired.ocaType = order.oca, _REDUCE_WITH_BLOCK
    return wired


def _dollars(price_micros: int) -> float:
    return float(Decimal(price_micros) / 1_000_000)


def fault_of(order: Order, ib_account: str, min_tick_micros: int) -> str:
    """Why an order must not be sent, or nothing."""
    if order.quantity <= 0 or order.quantity != int(order.quantity):
        return f"{order.quantity} shares"
    if order.limit_micros is None and order.side is Side.BUY:
        return "an entry without a limit"
    for name, price_micros in (("limit", order.limit_micros), ("stop", order.stop_micros)):
        if price_micros is not None and (price_micros <= 0 or price_micros % min_tick_micros):
            return f"the {name} of {price_micros} micros is not on the tick of {min_tick_micros}"
    if not is_symbol(order.symbol):
        return f"the symbol {ascii(order.symbol)[:40]}"
    return text_fault(order.ref) or text_fault(order.oca) or text_fault(ib_account)
