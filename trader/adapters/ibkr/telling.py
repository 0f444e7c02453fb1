"""What the services are told, in its order. An execution waits for the rest of what was read with it.

IB sends an execution and what it has cost in two messages, as a rule in one piece: then they are told as one.
"""

import asyncio
from collections.abc import Callable

from trader.domain.events import BrokerEvent, FillReported
from trader.domain.order import Fill


class Telling:
    """The one way to the services."""

    def __init__(self, emit: Callable[[BrokerEvent], None]) -> None:
        self._emit = emit
        self._executions: dict[str, Fill] = {}

    def execution(self, fill: Fill) -> None:
        """Tell of an execution as soon as everything that has come is read, in its newest form."""
        if not self._executions:
            asyncio.get_running_loop().call_soon(self.flush)
        self._executions[fill.execution_id] = fill

    def event(self, event: BrokerEvent) -> None:
        """Tell of anything else, after what waits."""
        self.flush()
        self._emit(event)

    def flush(self) -> None:
        """Tell what waits."""
        waiting, self._executions = self._executions, {}
        for fill in waiting.values():
            self._emit(FillReported(fill))
