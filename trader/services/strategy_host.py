"""Strategies behind their port: bars in, checked signals out. Nothing a strategy does harms more than its signals."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from itertools import islice
from operator import index
from typing import NamedTuple, SupportsIndex, cast

from trader.domain.decision import Refusal, Rule, Signal, Stage
from trader.domain.errors import ConfigurationError
from trader.domain.market import Bar, BarTime
from trader.domain.rules import Rules
from trader.pipeline.intake import NO_BAR_SEEN, UNPRINTABLE_SYMBOL, check_signal, what_remains
from trader.services.ports import Strategy

_MOST_WARMUP_BARS = 100_000


class _Raised(NamedTuple):
    """What a strategy raised, in words: the exception itself is not kept."""

    name: str
    said: str


def _said(error: BaseException) -> str:
    try:
        return ascii(str(error))[:80]
    except BaseException:  # noqa: BLE001  (an exception whose own text raises)
        return "without a text"


def _warmup_bars(strategy: Strategy, name: str) -> int:
    """What a strategy asks for. Raises ConfigurationError for what is not a number of bars that can be shown to it."""
    try:
        asked: object = getattr(strategy, "warmup_bars", 0)
        bars = -1 if isinstance(asked, bool) else index(cast("SupportsIndex", asked))
    except KeyboardInterrupt:
        raise
    except TypeError:
        bars = -1
    except BaseException as error:
        raise ConfigurationError(
            f"strategy {name}: its warmup_bars raised {type(error).__name__}: {_said(error)}"
        ) from error
    if not 0 <= bars <= _MOST_WARMUP_BARS:
        raise ConfigurationError(f"strategy {name}: warmup_bars has to be a whole number, 0 to {_MOST_WARMUP_BARS:,}")
    return bars


class StrategyHost:
    """Feeds one strategy and believes nothing it says."""

    def __init__(self, strategy: Strategy, name: str, rules: Rules, warmup_bars: int | None = None) -> None:
        self.name = name
        self.failures = 0
        self._strategy = strategy
        self._rules = rules
        self._warmup_bars = _warmup_bars(strategy, name) if warmup_bars is None else warmup_bars
        self._seen: defaultdict[str, int] = defaultdict(int)
        self._fed: BarTime | None = None
        self._given: list[tuple[Signal, Refusal | None]] = []

    def start(self, drivers: Iterable[str]) -> None:
        """Tell the strategy, if it asks, which symbols may be signalled."""
        try:
            on_start = getattr(self._strategy, "on_start", None)
            if on_start is not None:
                on_start(tuple(drivers))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise ConfigurationError(
                f"strategy {self.name}: on_start raised {type(error).__name__}: {_said(error)}"
            ) from error

    @property
    def warmup_bars(self) -> int:
        """Bars of a symbol that have to be seen before its signals count."""
        return self._warmup_bars

    def warm_up(self, bar_times: Iterable[BarTime]) -> None:
        """Feed past bars; the signals they give are thrown away."""
        for bar_time in bar_times:
            self._feed(bar_time)

    def on_bars(self, bar_time: BarTime) -> list[tuple[Signal, Refusal | None]]:
        """Feed one bar time; give every signal, each with the reason why it is none."""
        if bar_time is self._fed:  # it was shown in a step that has to be decided again
            return self._given
        self._fed = bar_time
        now = bar_time.ends_at
        given = self._given = []
        for bar, answers in self._feed(bar_time):
            for raw in answers:
                if len(given) >= self._rules.signals_per_bar:
                    given.append(self._one_too_many(bar, now))
                else:
                    given.append(self._checked(raw, bar, now))
        return given

    def _feed(self, bar_time: BarTime) -> list[tuple[Bar, list[object]]]:
        """Show the bars to the strategy, in order; give the bars that it answered, with what it said."""
        seen, on_bar, at_most = self._seen, self._strategy.on_bar, self._rules.signals_per_bar + 1
        answered: list[tuple[Bar, list[object]]] = []
        for bar in bar_time.bars:
            seen[bar.symbol] += 1
            try:
                signals = on_bar(bar)
                if signals:
                    answered.append((bar, list(islice(signals, at_most))))
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001  (a strategy may raise anything)
                self.failures += 1
                answered.append((bar, [_Raised(type(error).__name__, _said(error))]))
        return answered

    def _checked(self, raw: object, bar: Bar, now: datetime) -> tuple[Signal, Refusal | None]:
        if isinstance(raw, _Raised):
            detail = f"{raw.name}: {raw.said}"
            return self._nonsense(bar, now), Refusal(
                Stage.SIGNAL, Rule.STRATEGY_RAISED, bar.symbol, self.failures, detail=detail
            )
        try:
            checked = check_signal(raw, now, self.name, self._rules.signal_max_age_s)
            if isinstance(checked, Refusal):
                remains = what_remains(raw, checked, now, self.name)
                if checked.symbol == UNPRINTABLE_SYMBOL:  # at least it is known on whose bar it was said
                    remains = replace(remains, symbol=bar.symbol)
        except Exception as error:  # noqa: BLE001  (its own types may raise when they are only looked at)
            checked = Refusal(Stage.SIGNAL, Rule.NOT_A_SIGNAL, bar.symbol, detail=type(error).__name__)
            remains = self._nonsense(bar, now)
        if isinstance(checked, Refusal):
            return remains, checked
        seen = self._seen.get(checked.symbol, 0)
        if not seen:
            unknown = Refusal(Stage.SIGNAL, Rule.UNKNOWN_SYMBOL, checked.symbol, detail=NO_BAR_SEEN)
            return checked, unknown
        if seen <= self._warmup_bars:
            return checked, Refusal(
                Stage.SIGNAL, Rule.WARMING_UP, checked.symbol, seen, self._warmup_bars, detail="bars seen"
            )
        return checked, None

    def _one_too_many(self, bar: Bar, now: datetime) -> tuple[Signal, Refusal | None]:
        limit = self._rules.signals_per_bar
        return self._nonsense(bar, now), Refusal(Stage.SIGNAL, Rule.TOO_MANY, bar.symbol, limit + 1, limit, "a bar")

    def _nonsense(self, bar: Bar, now: datetime) -> Signal:
        """A placeholder that can be stored, for something that was no signal."""
        return Signal(bar.symbol, float("nan"), now, source=self.name)
