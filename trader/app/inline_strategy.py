"""A strategy in the daemon's own process, for a machine on which every run has to be the same: that of a simulation."""

import asyncio
from collections.abc import Collection

from trader.adapters.control import Answer
from trader.adapters.strategy_process import Listener
from trader.services.strategy_host import StrategyHost


class InlineStrategy(StrategyHost):
    """It answers at once, so there is nothing to wait for and nothing to look after."""

    async def spawn(self) -> None:
        """It is here."""

    async def load(self) -> None:
        """It is."""

    async def begin(self, drivers: Collection[str]) -> None:
        """Tell it which symbols may be signalled. Raises ConfigurationError."""
        self.start(drivers)

    async def ready(self) -> None:
        """It is."""

    async def keep(self, listener: Listener) -> None:
        """It lives as long as this process."""
        del listener
        await asyncio.Event().wait()

    async def answered(self) -> None:
        """It has."""

    def standing(self) -> Answer:
        """As the process."""
        return {}

    async def close(self) -> None:
        """Nothing is open."""
