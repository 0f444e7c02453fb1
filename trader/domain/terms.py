"""What an order asks for: as it was made, and as somebody else may have left it. Pure."""

from typing import NamedTuple

from trader.domain.money import usd
from trader.domain.order import Order


class Terms(NamedTuple):
    """Shares and prices of an order, as a broker shows them. Prices are micros."""

    quantity: int
    """With what is filled of it; below zero where that is no number of shares."""
    limit_micros: int | None
    stop_micros: int | None
    kind: str = ""
    """Of one that is neither a market order, nor a limit, nor a stop: what the broker calls it."""

    @classmethod
    def of(cls, order: Order) -> "Terms":
        """As the book has it."""
        return cls(order.quantity, order.limit_micros, order.stop_micros)

    def changes(self, order: Order, at_least: int) -> str:
        """What of an order is not as the book has it, in words, or nothing. `at_least`: the fewest shares it may have,
        as the broker takes shares off an order itself when another one of its group sells."""
        found = [f"it is {self.kind}"] if self.kind else []
        if not self.kind:
            found += _price("limit", self.limit_micros, order.limit_micros)
            found += _price("stop", self.stop_micros, order.stop_micros)
        if not at_least <= self.quantity <= order.quantity:
            found.append(f"it is for {self.quantity} shares and was for {order.quantity}")
        return ", ".join(found)


def _price(name: str, shown_micros: int | None, ours_micros: int | None) -> list[str]:
    if shown_micros == ours_micros:
        return []
    shown, ours = ("none" if price is None else usd(price) for price in (shown_micros, ours_micros))
    return [f"its {name} is {shown} and was {ours}"]
