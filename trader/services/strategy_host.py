"""A strategy in this process: its answers are there at once. So a replay, and a simulation, run it."""

from collections.abc import Collection, Iterable
from datetime import datetime

from trader.domain.events import StrategyAnswered
from trader.domain.market import BarTime
from trader.domain.rules import Rules
from trader.services.feeding import Feeding
from trader.services.hearing import Hearing
from trader.services.ports import Given, Strategy


class StrategyHost:
    """Feeds one strategy and believes nothing it says. The Strategies port."""

    def __init__(self, strategy: Strategy, name: str, rules: Rules, warmup_bars: int | None = None) -> None:
        self._name = name
        self._feeding = Feeding(strategy, name, rules.signals_per_bar + 1)
        self._warmup_bars = self._feeding.warmup_bars() if warmup_bars is None else warmup_bars
        self._hearing = Hearing(name, rules, self._warmup_bars)
        self._fed: BarTime | None = None
        self._given: list[Given] = []

    @property
    def name(self) -> str:
        """The source of its signals."""
        return self._name

    @property
    def warmup_bars(self) -> int:
        """Bars of a symbol that have to be seen before its signals count."""
        return self._warmup_bars

    def start(self, drivers: Collection[str]) -> None:
        """Tell the strategy, if it asks, which symbols may be signalled. Raises ConfigurationError."""
        self._feeding.start(drivers)

    def warm_up(self, bar_times: Iterable[BarTime]) -> None:
        """Feed past bars; the signals they give are thrown away."""
        for bar_time in bar_times:
            self._hearing.shown(bar_time)
            self._feeding.feed(bar_time.bars)

    def on_bars(self, bar_time: BarTime) -> list[Given]:
        """Feed one bar time; give every signal, each with the reason why it is none."""
        if bar_time is self._fed:  # it was shown in a step that has to be decided again
            return self._given
        self._fed = bar_time
        self._hearing.shown(bar_time)
        self._given = self._hearing.hear(self._feeding.feed(bar_time.bars), bar_time.ends_at)
        return self._given

    def heard(self, answered: StrategyAnswered, now: datetime) -> list[Given]:
        """Nothing is said later."""
        del answered, now
        return []
