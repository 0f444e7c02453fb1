"""Families: instruments that move together. A symbol of no family is a family of its own."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from trader.domain.symbol import is_option


class Instrument(NamedTuple):
    """A symbol, the family it moves with, and its signed leverage on the family's underlying."""

    symbol: str
    family: str
    leverage: int

    @property
    def direction(self) -> int:
        """+1 gains when the underlying rises, -1 when it falls."""
        return 1 if self.leverage > 0 else -1


@dataclass(frozen=True, slots=True)
class Family:
    """An underlying, by whose symbol the family is called, and its members by symbol with signed leverage."""

    name: str
    members: Mapping[str, int]
    _by_leverage: dict[int, str] = field(init=False, repr=False, compare=False)
    """The first of each."""

    def __post_init__(self) -> None:
        by_leverage: dict[int, str] = {}
        for symbol, leverage in self.members.items():
            by_leverage.setdefault(leverage, symbol)
        object.__setattr__(self, "_by_leverage", by_leverage)

    def with_leverage(self, leverage: int) -> str | None:
        """The member with exactly this leverage, or None."""
        return self._by_leverage.get(leverage)


@dataclass(frozen=True, slots=True)
class Families:
    """Every configured family; unknown symbols come out as families of one."""

    families: Mapping[str, Family]
    _instruments: dict[str, Instrument] = field(init=False, repr=False, compare=False)
    _singles: dict[str, Family] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        instruments: dict[str, Instrument] = {}
        for family in self.families.values():
            for symbol, leverage in family.members.items():
                if symbol in instruments:
                    raise ValueError(f"{symbol} is in two families: {instruments[symbol].family}, {family.name}")
                if leverage == 0:
                    raise ValueError(f"family {family.name}: leverage of {symbol} is 0")
                instruments[symbol] = Instrument(symbol, family.name, leverage)
            if family.members.get(family.name) != 1:
                raise ValueError(f"family {family.name} must contain its underlying {family.name} with leverage 1")
        object.__setattr__(self, "_instruments", instruments)
        object.__setattr__(self, "_singles", {})

    @classmethod
    def of(cls, table: Mapping[str, Mapping[str, int]]) -> "Families":
        """Build from a plain table, `{"QQQ": {"QQQ": 1, "TQQQ": 3, ...}}`."""
        return cls({name: Family(name, dict(members)) for name, members in table.items()})

    def instrument(self, symbol: str) -> Instrument:
        """The instrument of a symbol."""
        instrument = self._instruments.get(symbol)
        if instrument is None:
            instrument = self._instruments[symbol] = Instrument(symbol, symbol, 1)
        return instrument

    def family(self, name: str) -> Family:
        """The family of this name; a family of one for a single symbol."""
        family = self.families.get(name) or self._singles.get(name)
        if family is None:
            family = self._singles[name] = Family(name, {name: 1})
        return family

    def drivers(self, symbols: Iterable[str]) -> tuple[str, ...]:
        """Those of the symbols that a strategy may name: underlyings and singles, no options."""
        return tuple(symbol for symbol in symbols if self.instrument(symbol).family == symbol and not is_option(symbol))
