"""What a drill trades: the members of the configured families, the configured symbols, and stocks beside them."""

from collections.abc import Sequence
from dataclasses import dataclass

from trader.adapters.feeds.simulated_market import FUNDS, QQQ, STOCKS
from trader.app.settings import Settings
from trader.domain.family import Families, Family
from trader.domain.symbol import is_option

_UNKNOWN_PRICE = 100.0
_USUAL_PRICES = {listing.symbol: float(listing.usual_price) for listing in (QQQ, *FUNDS, *STOCKS)}


@dataclass(frozen=True, slots=True)
class Cast:
    """Symbols, at prices in dollars that are near enough to the real ones."""

    families: Families
    prices: dict[str, float]

    @property
    def drivers(self) -> Sequence[str]:
        """What a strategy may signal."""
        return self.families.drivers(self.prices)

    @property
    def singles(self) -> Sequence[str]:
        """Those that no other symbol moves with."""
        return [symbol for symbol in self.drivers if symbol not in self.families.families]

    def two_sided(self) -> Family | None:
        """A family that can be held long and inverse; None where none is configured."""
        families = self.families.families.values()
        return next((family for family in families if min(family.members.values()) < 0), None)


def cast_of(settings: Settings) -> Cast:
    """Raises ConfigurationError for a families file that cannot be read."""
    families = settings.read_families()
    members = [symbol for family in families.families.values() for symbol in family.members]
    named = [symbol for symbol in settings.feed.symbols if not is_option(symbol)]
    stocks = [stock.symbol for stock in STOCKS]
    return Cast(families, {symbol: _USUAL_PRICES.get(symbol, _UNKNOWN_PRICE) for symbol in [*members, *named, *stocks]})
