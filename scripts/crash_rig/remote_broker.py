"""The broker as the daemon sees it when it is another process: the paper broker's methods."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from multiprocessing.connection import Client
from pathlib import Path

from crash_rig.messages import Answer, Ask, Cancel, Match, Matched, Place, Report, ToDaemon
from trader.domain.events import BrokerEvent, Evidence
from trader.domain.market import BarTime
from trader.domain.order import Order


class RemotePaperBroker:
    """Sends what it is told; everything the broker says comes in on the loop."""

    def __init__(self, emit: Callable[[BrokerEvent], None], address: Path) -> None:
        """Connect to the address where the broker listens."""
        self._emit = emit
        self._connection = Client(str(address), family="AF_UNIX")
        self._answers: dict[int, asyncio.Future[Evidence]] = {}
        self._asked = 0
        asyncio.get_running_loop().add_reader(self._connection.fileno(), self._read)

    def place(self, order: Order, protection: Sequence[Order] = ()) -> None:
        """Hand over an order. The rig's daemons protect what they hold themselves."""
        assert not protection  # noqa: S101
        self._connection.send(Place(order))

    def protect(self, pair: Sequence[Order]) -> None:
        """Not asked of it."""
        raise NotImplementedError

    def cancel(self, order_ref: str) -> None:
        """Ask for the end of an order."""
        self._connection.send(Cancel(order_ref))

    def match(self, bar_time: BarTime) -> None:
        """Show the broker the bars; what it has to say of everything before them has been heard on return."""
        self._connection.send(Match(bar_time))
        while not isinstance(self._hear(), Matched):
            pass

    async def evidence(self, order_refs: Collection[str]) -> Evidence:
        """Ask, and wait for the answer."""
        self._asked += 1
        answer: asyncio.Future[Evidence] = asyncio.get_running_loop().create_future()
        self._answers[self._asked] = answer
        self._connection.send(Ask(self._asked, tuple(order_refs)))
        return await answer

    def _read(self) -> None:
        while self._connection.poll():
            self._hear()

    def _hear(self) -> ToDaemon:
        try:
            said: ToDaemon = self._connection.recv()
        except EOFError:
            raise SystemExit("the broker's process has ended, and the rig with it") from None
        if isinstance(said, Report):
            self._emit(said.event)
        elif isinstance(said, Answer):
            self._answers.pop(said.number).set_result(said.evidence)
        return said
