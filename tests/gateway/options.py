"""Options that can be traded here: contracts on 100 shares, told as the real broker tells them."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from gateway.contracts import Listing
from gateway.layout import Values

_ROOT = 6
_TAIL = 15


@dataclass(frozen=True, slots=True)
class OptionListing(Listing):
    """One contract. `symbol` is its OCC symbol without spaces: how it is called in here, and never on the wire."""

    multiplier: int = 100
    underlying_kind: str = "STK"

    @property
    def sec_type(self) -> str:
        """What kind of instrument it is."""
        return "OPT"

    @property
    def root(self) -> str:
        """What messages call its symbol: that of its underlying."""
        return self.symbol[:-_TAIL]

    @property
    def local_symbol(self) -> str:
        """Its OCC symbol of 21 characters."""
        return f"{self.root:{_ROOT}}{self.symbol[-_TAIL:]}"

    @property
    def strike(self) -> Decimal:
        """Dollars a share."""
        return Decimal(self.symbol[-8:]) / 1000

    @property
    def expiry(self) -> str:
        """Its last trading day, as messages write it."""
        return f"{datetime.strptime(self.symbol[-_TAIL:-9], '%y%m%d'):%Y%m%d}"  # noqa: DTZ007  (a date)

    def identity(self) -> dict[str, str | int | Decimal]:
        """What tells it from other contracts, by the names of fields."""
        return {
            "symbol": self.root,
            "secType": self.sec_type,
            "lastTradeDate": self.expiry,
            "strike": self.strike,
            "right": self.symbol[-9],
            "multiplier": str(self.multiplier),
            "currency": "USD",
            "localSymbol": self.local_symbol,
            "tradingClass": self.root,
        }

    def named(self, exchange: str) -> dict[str, str | int | Decimal]:
        """The contract as messages about orders and positions carry it."""
        return {"conId": self.con_id, **self.identity(), "exchange": exchange}

    def named_at_home(self) -> dict[str, str | int | Decimal]:
        """The contract as the portfolio carries it."""
        return {"conId": self.con_id, **self.identity(), "primaryExchange": ""}

    def details(self) -> Values:
        """The description that contract details carry."""
        return {
            **Listing.details(self),
            **self.identity(),
            "lastTradeTimes": self.expiry,
            "exchange": "SMART",
            "marketName": self.root,
            "primaryExchange": "",
            "validExchanges": "SMART,AMEX,CBOE,PHLX,ISE,BOX,NASDAQOM",
            "contractMonth": self.expiry[:6],
            "underSymbol": self.root,
            "underSecType": self.underlying_kind,
            "realExpirationDate": self.expiry,
            "stockType": "",
        }
