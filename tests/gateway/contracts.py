"""What can be traded here: US shares and funds, each with the identity that the real broker gives them."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from gateway.layout import Values

TICK_USD = Decimal("0.01")
ZONE = "US/Eastern"


@dataclass(frozen=True, slots=True)
class Listing:
    """One share or fund."""

    con_id: int
    symbol: str
    home: str
    """Its primary exchange."""
    name: str
    kind: str = "COMMON"
    multiplier: int = 1
    """Shares that one of it is."""

    @property
    def local_symbol(self) -> str:
        """Its name at its exchange."""
        return self.symbol

    @property
    def root(self) -> str:
        """What messages call its symbol."""
        return self.symbol

    @property
    def sec_type(self) -> str:
        """What kind of instrument it is."""
        return "STK"

    def named(self, exchange: str) -> dict[str, str | int | Decimal]:
        """The contract as messages about orders and positions carry it."""
        return {
            "conId": self.con_id,
            "symbol": self.symbol,
            "secType": "STK",
            "exchange": exchange,
            "currency": "USD",
            "localSymbol": self.symbol,
            "tradingClass": self.home_class,
        }

    def named_at_home(self) -> dict[str, str | int | Decimal]:
        """The contract as the portfolio carries it."""
        identity = self.named("")
        del identity["exchange"]
        return {**identity, "primaryExchange": self.home}

    @property
    def home_class(self) -> str:
        """Its trading class, which shares name by their exchange."""
        return {"NASDAQ": "NMS"}.get(self.home, self.symbol)

    def details(self) -> Values:
        """The description that contract details carry."""
        return {
            "symbol": self.symbol,
            "secType": "STK",
            "exchange": "SMART",
            "currency": "USD",
            "localSymbol": self.symbol,
            "marketName": self.home_class,
            "tradingClass": self.home_class,
            "conId": self.con_id,
            "minTick": TICK_USD,
            "orderTypes": "ACTIVETIM,ADJUST,ALERT,ALLOC,AVGCOST,BASKET,COND,DAY,GTC,IOC,LMT,MKT,OCA,STP,STPLMT,WHATIF",
            "validExchanges": f"SMART,AMEX,NYSE,CBOE,ARCA,IEX,{self.home}",
            "longName": self.name,
            "primaryExchange": self.home,
            "timeZoneId": ZONE,
            "tradingHours": "20260105:0400-20260105:2000",
            "liquidHours": "20260105:0930-20260105:1600",
            "stockType": self.kind,
            "secIds": (),
        }


_LISTED = (
    Listing(320227571, "QQQ", "NASDAQ", "INVESCO QQQ TRUST SERIES 1", "ETF"),
    Listing(72539702, "TQQQ", "NASDAQ", "PROSHARES ULTRAPRO QQQ", "ETF"),
    Listing(43645828, "PSQ", "ARCA", "PROSHARES SHORT QQQ", "ETF"),
    Listing(72539706, "SQQQ", "NASDAQ", "PROSHARES ULTRAPRO SHORT QQQ", "ETF"),
    Listing(756733, "SPY", "ARCA", "SS SPDR S&P 500 ETF TRUST-US", "ETF"),
    Listing(265598, "AAPL", "NASDAQ", "APPLE INC"),
    Listing(272093, "MSFT", "NASDAQ", "MICROSOFT CORP"),
    Listing(4815747, "NVDA", "NASDAQ", "NVIDIA CORP"),
    Listing(3691937, "AMZN", "NASDAQ", "AMAZON.COM INC"),
    Listing(208813719, "GOOGL", "NASDAQ", "ALPHABET INC-CL A"),
    Listing(107113386, "META", "NASDAQ", "META PLATFORMS INC-CLASS A"),
    Listing(76792991, "TSLA", "NASDAQ", "TESLA INC"),
    Listing(1520593, "JPM", "NYSE", "JPMORGAN CHASE & CO"),
)
_FIRST_FREE_CON_ID = 900_000_001


class Listings:
    """All that is listed, found by what a client says of a contract."""

    def __init__(self) -> None:
        self._by_symbol = {listing.symbol: listing for listing in _LISTED}

    def __getitem__(self, symbol: str) -> Listing:
        return self._by_symbol[symbol]

    def __iter__(self) -> Iterator[Listing]:
        return iter(self._by_symbol.values())

    def add(self, symbol: str, home: str = "NASDAQ") -> Listing:
        """List another share, unless it is listed."""
        return self.add_listing(Listing(self.free_con_id, symbol, home, f"{symbol} INC"))

    def add_listing(self, listing: Listing) -> Listing:
        """List something of another kind, unless it is listed."""
        return self._by_symbol.setdefault(listing.symbol, listing)

    @property
    def free_con_id(self) -> int:
        """A number that nothing listed has."""
        return _FIRST_FREE_CON_ID + len(self._by_symbol)

    def find(self, con_id: int, symbol: str, sec_type: str, currency: str, local_symbol: str = "") -> Listing | None:
        """The listing a client means: by its number, its name at its exchange or its symbol, when nothing said of it is
        wrong."""
        by_number = (listing for listing in self if listing.con_id == con_id)
        name = local_symbol.replace(" ", "") if sec_type == "OPT" else symbol
        listing = next(by_number, None) if con_id else self._by_symbol.get(name)
        if listing is None or symbol not in ("", listing.root) or local_symbol not in ("", listing.local_symbol):
            return None
        return listing if sec_type in ("", listing.sec_type) and currency in ("", "USD") else None
