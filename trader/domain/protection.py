"""Protection at the broker as a whole: what the live stops and targets of one symbol do together. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

from trader.domain.order import Order, OrderState
from trader.domain.reference import reference_number

_STANDS = frozenset({OrderState.CREATED, OrderState.WORKING})
"""Of what is being taken back, or of unknown fate, nobody can say whether it will sell."""


class Group(NamedTuple):
    """What lives of one pair."""

    stop: Order | None
    target: Order | None

    @property
    def orders(self) -> tuple[Order, ...]:
        """Those that live."""
        return tuple(order for order in self if order is not None)

    @property
    def shares(self) -> int:
        """What its stop may still sell: what the target has sold it sells no more. 0 without a stop."""
        if self.stop is None:
            return 0
        return self.stop.remaining - (self.target.filled if self.target is not None else 0)

    @property
    def stop_stands(self) -> bool:
        """Whether the stop will sell when its price comes."""
        return self.stop is not None and self.stop.state in _STANDS

    @property
    def target_stands(self) -> bool:
        """The same of the target, beside a stop."""
        return self.stop_stands and self.target is not None and self.target.state in _STANDS

    @property
    def is_taken_back(self) -> bool:
        """Whether its stop was asked to be cancelled, or is expected to end."""
        return self.stop is not None and self.stop.state is OrderState.CANCELLING


class Guards(NamedTuple):
    """All groups of one symbol, oldest first; in shares."""

    groups: tuple[Group, ...] = ()
    entry: Order | None = None
    """The working one of the symbol: what it may still buy, its children protect already."""

    @classmethod
    def of(cls, orders: Iterable[Order], entry: Order | None = None) -> "Guards":
        """Group the live protection of one symbol."""
        found: dict[str, Group] = {}
        for order in sorted(orders, key=lambda order: reference_number(order.ref)):
            before = found.get(order.oca, Group(None, None))
            is_stop = order.stop_micros is not None
            found[order.oca] = before._replace(stop=order) if is_stop else before._replace(target=order)
        return cls(tuple(found.values()), entry)

    @property
    def may_be_bought(self) -> int:
        """By the working entry."""
        return self.entry.remaining if self.entry is not None else 0

    @property
    def asked(self) -> int:
        """What the stops may still sell, whatever state they are in."""
        return sum(group.shares for group in self.groups)

    @property
    def asked_of_held(self) -> int:
        """The same of what is held, without what has still to be bought."""
        return sum(self._of_held(group) for group in self.groups)

    @property
    def stopped(self) -> int:
        """What stops that stand will sell of what is held."""
        return sum(self._of_held(group) for group in self.groups if group.stop_stands)

    @property
    def targeted(self) -> int:
        """What targets that stand will sell of what is held."""
        return sum(self._of_held(group) for group in self.groups if group.target_stands)

    def held_by(self, oca: str) -> int:
        """Shares of what is held that one group stands for."""
        of_group = [group for group in self.groups if any(order.oca == oca for order in group.orders)]
        return sum(self._of_held(group) for group in of_group)

    def _of_held(self, group: Group) -> int:
        is_child = self.entry is not None and group.stop is not None and group.stop.oca == self.entry.ref
        return max(0, group.shares - self.may_be_bought) if is_child else group.shares

    @property
    def all_stop_at_micros(self) -> int:
        """The price at which every stop that stands has been touched; 0 where none stands."""
        prices = [group.stop.stop_micros or 0 for group in self.groups if group.stop is not None and group.stop_stands]
        return min(prices, default=0)

    @property
    def lone_targets(self) -> tuple[Order, ...]:
        """Targets whose stop has ended: they protect nothing, and stand in the way of a new pair."""
        return tuple(group.target for group in self.groups if group.target is not None and group.stop is None)
