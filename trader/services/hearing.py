"""Hearing what a strategy says: every answer becomes a signal, with the reason why it is none. Nothing is believed."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from trader.domain.decision import Refusal, Rule, Signal, Stage
from trader.domain.market import BarTime
from trader.domain.rules import Rules
from trader.domain.strategy import Raised, Said
from trader.domain.symbol import is_option
from trader.pipeline.intake import NO_BAR_SEEN, UNPRINTABLE_SYMBOL, check_signal, what_remains
from trader.services.ports import Given


class Hearing:
    """Of one strategy."""

    def __init__(self, name: str, rules: Rules, warmup_bars: int) -> None:
        self._name = name
        self._rules = rules
        self._warmup_bars = warmup_bars
        self._failures = 0
        self._seen: Counter[str] = Counter()

    def shown(self, bar_time: BarTime) -> None:
        """Count the bars that the strategy is shown."""
        self._seen.update([bar.symbol for bar in bar_time.bars])

    def hear(self, said: Iterable[Said], now: datetime) -> list[Given]:
        """Every answer to the bars of one instant."""
        given: list[Given] = []
        for symbol, answers in said:
            for raw in answers:
                if len(given) >= self._rules.signals_per_bar:
                    given.append(self._one_too_many(symbol, now))
                else:
                    given.append(self._checked(raw, symbol, now))
        return given

    def _checked(self, raw: object, of_bar: str, now: datetime) -> Given:
        if isinstance(raw, Raised):
            self._failures += 1
            detail = f"{raw.name}: {raw.said}"
            return self._nonsense(of_bar, now), Refusal(
                Stage.SIGNAL, Rule.STRATEGY_RAISED, of_bar, self._failures, detail=detail
            )
        try:
            checked = check_signal(raw, now, self._name, self._rules.signal_max_age_s)
            if isinstance(checked, Refusal):
                remains = what_remains(raw, checked, now, self._name)
                if checked.symbol == UNPRINTABLE_SYMBOL:  # at least it is known on whose bar it was said
                    remains = replace(remains, symbol=of_bar)
        except Exception as error:  # noqa: BLE001  (its own types may raise when they are only looked at)
            checked = Refusal(Stage.SIGNAL, Rule.NOT_A_SIGNAL, of_bar, detail=type(error).__name__)
            remains = self._nonsense(of_bar, now)
        if isinstance(checked, Refusal):
            return remains, checked
        if is_option(checked.symbol):
            detail = "an option is opened and closed by outside signals alone"
            return checked, Refusal(Stage.SIGNAL, Rule.OPTION_BY_STRATEGY, checked.symbol, detail=detail)
        seen = self._seen.get(checked.symbol, 0)
        if not seen:
            unknown = Refusal(Stage.SIGNAL, Rule.UNKNOWN_SYMBOL, checked.symbol, detail=NO_BAR_SEEN)
            return checked, unknown
        if seen <= self._warmup_bars:
            return checked, Refusal(
                Stage.SIGNAL, Rule.WARMING_UP, checked.symbol, seen, self._warmup_bars, detail="bars seen"
            )
        return checked, None

    def _one_too_many(self, of_bar: str, now: datetime) -> Given:
        limit = self._rules.signals_per_bar
        return self._nonsense(of_bar, now), Refusal(Stage.SIGNAL, Rule.TOO_MANY, of_bar, limit + 1, limit, "a bar")

    def _nonsense(self, of_bar: str, now: datetime) -> Signal:
        """A placeholder that can be stored, for something that was no signal."""
        return Signal(of_bar, float("nan"), now, source=self._name)
