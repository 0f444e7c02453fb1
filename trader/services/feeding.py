"""Showing bars to a strategy, in whichever process it runs. Nothing that it raises gets out."""

from collections.abc import Collection, Iterable
from itertools import islice
from operator import index
from typing import SupportsIndex, cast

from trader.domain.errors import ConfigurationError
from trader.domain.market import Bar
from trader.domain.strategy import Raised, Said
from trader.services.ports import Strategy

MOST_WARMUP_BARS = 100_000


class Feeding:
    """One strategy and its bars."""

    def __init__(self, strategy: Strategy, name: str, at_most: int) -> None:
        """`at_most`: so many answers to a bar are taken; a strategy may go on for ever."""
        self._strategy = strategy
        self._name = name
        self._at_most = at_most

    def warmup_bars(self) -> int:
        """What it asks for. Raises ConfigurationError for what is not a number of bars that can be shown to it."""
        try:
            asked: object = getattr(self._strategy, "warmup_bars", 0)
            bars = -1 if isinstance(asked, bool) else index(cast("SupportsIndex", asked))
        except KeyboardInterrupt:
            raise
        except TypeError:
            bars = -1
        except BaseException as error:
            raise ConfigurationError(
                f"strategy {self._name}: its warmup_bars raised {type(error).__name__}: {_said(error)}"
            ) from error
        if not 0 <= bars <= MOST_WARMUP_BARS:
            raise ConfigurationError(
                f"strategy {self._name}: warmup_bars has to be a whole number, 0 to {MOST_WARMUP_BARS:,}"
            )
        return bars

    def start(self, drivers: Collection[str]) -> None:
        """Tell it, if it asks, which symbols may be signalled. Raises ConfigurationError."""
        try:
            on_start = getattr(self._strategy, "on_start", None)
            if on_start is not None:
                on_start(tuple(drivers))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise ConfigurationError(
                f"strategy {self._name}: on_start raised {type(error).__name__}: {_said(error)}"
            ) from error

    def feed(self, bars: Iterable[Bar]) -> list[Said]:
        """Show bars, in order; give what was said to those that were answered."""
        on_bar, at_most = self._strategy.on_bar, self._at_most
        answered: list[Said] = []
        for bar in bars:
            try:
                signals = on_bar(bar)
                if signals:
                    answered.append(Said(bar.symbol, list(islice(signals, at_most))))
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001  (a strategy may raise anything)
                answered.append(Said(bar.symbol, [Raised(type(error).__name__, _said(error))]))
        return answered


def _said(error: BaseException) -> str:
    try:
        return ascii(str(error))[:80]
    except BaseException:  # noqa: BLE001  (an exception whose own text raises)
        return "without a text"
