"""A strategy is a stranger's code: whatever it does while it is loaded and started becomes one clear refusal."""

import asyncio
from collections.abc import Callable, Iterable

import pytest
from builders import CONFIGURATION

from trader import Bar, Signal
from trader.app.settings import load_settings
from trader.app.strategies import load_strategy
from trader.domain.errors import ConfigurationError
from trader.services.strategy_host import StrategyHost


class Panic(BaseException):
    """What no `except Exception` catches."""


class Unsayable(Exception):
    """An exception that cannot even be shown."""

    def __str__(self) -> str:
        raise Panic("in its text")


class Quiet:
    """Says nothing, and does what the test asks when it is made, started or looked at."""

    made: Callable[[], None] = staticmethod(lambda: None)
    started: Callable[[], None] = staticmethod(lambda: None)
    asked: object = 0

    def __init__(self) -> None:
        type(self).made()

    def on_start(self, drivers: Iterable[str]) -> None:
        """Begin."""
        type(self).started()

    @property
    def warmup_bars(self) -> object:
        """What the test says, or raises."""
        if isinstance(self.asked, BaseException):
            raise self.asked
        return self.asked

    def on_bar(self, bar: Bar) -> Iterable[Signal]:
        """Say nothing."""
        return ()


EXITS = [SystemExit(0), GeneratorExit(), asyncio.CancelledError(), Panic("no"), Unsayable(), MemoryError()]
ENTRY = f"{__name__}:Quiet"


def raising(error: BaseException) -> Callable[[], None]:
    def raises() -> None:
        raise error

    return staticmethod(raises)


def a_host() -> StrategyHost:
    return StrategyHost(load_strategy(ENTRY, {}), "Quiet", load_settings(CONFIGURATION).rules())


@pytest.mark.parametrize("error", EXITS, ids=lambda error: type(error).__name__)
def test_a_constructor_that_raises_anything_is_a_wrong_configuration(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Quiet, "made", raising(error))
    with pytest.raises(ConfigurationError, match=f"Quiet' cannot be made.*{type(error).__name__}"):
        load_strategy(ENTRY, {})


@pytest.mark.parametrize("error", EXITS, ids=lambda error: type(error).__name__)
def test_a_start_that_raises_anything_is_a_wrong_configuration(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Quiet, "started", raising(error))
    with pytest.raises(ConfigurationError, match=f"Quiet: on_start raised {type(error).__name__}"):
        a_host().start(("QQQ",))


@pytest.mark.parametrize("error", [SystemExit(0), Panic("no")], ids=lambda error: type(error).__name__)
def test_a_module_that_raises_anything_is_a_wrong_configuration(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    def import_module(_: str) -> None:
        raise error

    monkeypatch.setattr("importlib.import_module", import_module)
    with pytest.raises(ConfigurationError, match=f"cannot import some.module: {type(error).__name__}"):
        load_strategy("some.module:Strategy", {})


def test_only_a_key_pressed_ends_the_program_while_a_strategy_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Quiet, "made", raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        load_strategy(ENTRY, {})


@pytest.mark.parametrize("asked", [10**12, 100_001, -1, "abc", "20", None, float("nan"), 20.5, True, [], 3j], ids=str)
def test_a_warm_up_is_a_whole_number_of_bars_within_reason(asked: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Quiet, "asked", asked)
    with pytest.raises(ConfigurationError, match="Quiet: warmup_bars has to be a whole number, 0 to 100,000"):
        a_host()


@pytest.mark.parametrize("error", EXITS, ids=lambda error: type(error).__name__)
def test_a_warm_up_that_raises_anything_is_a_wrong_configuration(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Quiet, "asked", error)
    with pytest.raises(ConfigurationError, match=f"Quiet: its warmup_bars raised {type(error).__name__}"):
        a_host()


@pytest.mark.parametrize("asked", [0, 20, 100_000])
def test_a_warm_up_within_reason_is_taken(asked: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Quiet, "asked", asked)
    assert a_host().warmup_bars == asked
