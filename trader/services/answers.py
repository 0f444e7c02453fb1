"""Who waits for what: the answers to signals, commands and bars that were handed in."""

import asyncio

from trader.domain.decision import Decision
from trader.domain.events import Command, Event, SignalReceived, StrategyAnswered
from trader.domain.market import BarTime
from trader.services.step import Step

Answer = Decision | str


class Answers:
    """One future an event; the event lives in the inbox, or in the step, for as long as its id is looked up."""

    def __init__(self) -> None:
        self._waiting: dict[int, asyncio.Future[Answer]] = {}

    def expect(self, event: SignalReceived | Command | BarTime | StrategyAnswered) -> asyncio.Future[Answer]:
        """Somebody will wait for what comes of this event."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[id(event)] = answer
        return answer

    def give(self, step: Step) -> None:
        """The step is over: everybody who waits for something of it is told."""
        for event_id, result in step.results.items():
            overruled = step.overruled.get(result.signal.id) if isinstance(result, Decision) else None
            self._tell(event_id, overruled or result)

    def tell(self, event: Event, result: Answer) -> None:
        """One answer, to whoever waits for it."""
        self._tell(id(event), result)

    def fail(self, event: Event, error: Exception) -> None:
        """Nothing came of it."""
        answer = self._asked(id(event))
        if answer is not None:
            answer.set_exception(error)

    def _tell(self, event_id: int, result: Answer) -> None:
        answer = self._asked(event_id)
        if answer is not None:
            answer.set_result(result)

    def _asked(self, event_id: int) -> asyncio.Future[Answer] | None:
        """The answer that somebody still waits for; asked for once."""
        answer = self._waiting.pop(event_id, None)
        return None if answer is None or answer.done() else answer
