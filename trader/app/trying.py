"""A strategy's process from settings, and trying a configuration out with one that ends at once."""

import asyncio

from trader.adapters.strategy_process import StrategyProcess, Work
from trader.app.settings import Settings
from trader.app.strategy_child import program
from trader.app.wiring import Parts, make_parts
from trader.services.ports import Log

_BYTES_PER_MB = 1_000_000


class _Nobody:
    """What a strategy prints while it is tried is said to nobody; what is wrong is raised."""

    def info(self, *messages: str) -> None:
        """Not kept."""

    warning = error = info


def strategy_process(settings: Settings, log: Log) -> StrategyProcess:
    """The configured strategy in a process of its own, not started yet. Raises ConfigurationError."""
    strategy = settings.strategy
    work = Work(
        program=program(),
        entry=strategy.entry,
        params=strategy.params,
        name=strategy.name,
        deadline_s=strategy.deadline_s,
        start_s=strategy.start_s,
        memory_bytes=strategy.memory_mb * _BYTES_PER_MB,
    )
    return StrategyProcess(work, settings.rules(), log)


def untried_parts(settings: Settings) -> Parts:
    """Everything that can be wrong in a configuration, but for its strategy. Raises ConfigurationError."""
    return make_parts(settings, strategy_process(settings, _Nobody()))


def try_parts(settings: Settings) -> Parts:
    """Everything that can be wrong in a configuration, the loading of its strategy included. Raises ConfigurationError.

    A stranger's code runs in a process of its own also here: this one may be about to trade.
    """
    strategies = strategy_process(settings, _Nobody())
    parts = make_parts(settings, strategies)
    asyncio.run(_load(strategies))
    return parts


async def _load(strategies: StrategyProcess) -> None:
    try:
        await strategies.spawn()
        await strategies.load()
    finally:
        await strategies.close()
