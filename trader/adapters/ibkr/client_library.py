"""The client library, whichever is installed: ib_insync 0.9.86 (archived), or ib_async, which goes on from it.

Used are its socket client, its decoder of messages and its plain value classes. Not used is its model of orders, fills
and positions (`IB`, `Wrapper`): it ends orders on errors, drops executions, and forgets everything on a disconnect.
Everything that the library swallows is handed to the owner of the connection.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Protocol

from trader.adapters.ibkr.plain_loop import a_loop_to_load_with

with a_loop_to_load_with():
    try:
        from ib_insync.client import Client
        from ib_insync.contract import Contract, ContractDetails
        from ib_insync.decoder import Decoder
        from ib_insync.objects import BarData, CommissionReport, ExecutionFilter
        from ib_insync.order import Order, OrderState
    except ImportError:
        from ib_async.client import Client  # type: ignore[no-redef]
        from ib_async.contract import Contract, ContractDetails  # type: ignore[no-redef]
        from ib_async.decoder import Decoder  # type: ignore[no-redef]
        from ib_async.objects import BarData, CommissionReport, ExecutionFilter  # type: ignore[no-redef]
        from ib_async.order import Order, OrderState  # type: ignore[no-redef]

__all__ = [
    "BarData",
    "Client",
    "CommissionReport",
    "Contract",
    "ContractDetails",
    "ExecutionFilter",
    "LoudClient",
    "Order",
    "OrderState",
]

for _name in ("ib_insync", "ib_async"):
    logging.getLogger(_name).addHandler(logging.NullHandler())  # what it logs, the connection says in its own words

_EXECUTION, _COMMISSION = "11", "59"
_EXECUTION_FIELDS = 31

_LET_PASS_S = 0.002
"""So long the messages behind an execution wait: by then it is decided upon, and the disk is at work on it."""

_READ_OF_AN_ORDER: dict[str, Callable[[str], object]] = {
    "orderId": int,
    "clientId": int,
    "permId": int,
    "parentId": int,
    "totalQuantity": float,
    "filledQuantity": float,
    "lmtPrice": float,
    "auxPrice": float,
    "whatIf": lambda text: bool(int(text)),
}
"""Fields that are no texts, and how they are read; of all others the text stays as it came."""


class Hears(Protocol):
    """Who takes in what the library has decoded; more of its methods are found by name."""

    def executed(self, fields: list[str]) -> None:
        """Take in an execution, as its fields came."""
        ...

    def failed_to_read(self, why: str, id_: str = "") -> None:
        """Take note that a message was lost, one of this id where that is known."""
        ...

    def unknown_message(self, id_: str) -> None:
        """Take note that a message has an id that the library does not know."""
        ...


class _Faults:
    """Stands where the decoder has its logger: it catches everything, and says so there only."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell

    def exception(self, message: str) -> None:
        """Take the place of Logger.exception."""
        self._tell(message)


class _LoudDecoder(Decoder):
    """Hands on executions undecoded, for the library drops those whose time it cannot read, and tells of its faults.

    Of an order it reads what somebody asks for. All of its hundred fields would take longer than everything else
    between an execution and the book: the two come together. What comes behind an execution is read a moment later,
    in its order, and before anything that comes then; only a commission does not wait, for it is booked with it.
    """

    def __init__(self, hears: Hears) -> None:
        super().__init__(hears, 0)  # type: ignore[arg-type]  # any object with methods of these names will do
        self._hears = hears
        self._reading = ""
        """The id of the message that is being read."""
        self._behind: deque[list[str]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        """Runs as long as an execution lets nothing pass."""
        self.logger = _Faults(lambda why: hears.failed_to_read(why, self._reading))  # type: ignore[assignment]

    def execDetails(self, fields: list[str]) -> None:
        """Message 11, by the library's name for it."""
        if len(fields) < _EXECUTION_FIELDS:
            raise ValueError(f"an execution of {len(fields)} fields")
        self._hears.executed(fields)

    def parse(self, obj: object) -> None:
        """Turn the texts of a decoded object into what they say."""
        if not isinstance(obj, Order):
            super().parse(obj)
            return
        for name, read in _READ_OF_AN_ORDER.items():
            text = getattr(obj, name)
            setattr(obj, name, read(text) if text else getattr(Order, name))

    def interpret(self, fields: list[str]) -> None:
        """Decode one message, or keep it for a moment."""
        kind = fields[0] if fields else ""
        if kind == _EXECUTION:
            self.read_rest()
            self._read(fields)
            self._timer = asyncio.get_running_loop().call_later(_LET_PASS_S, self.read_rest)
        elif self._timer is not None and kind != _COMMISSION:
            self._behind.append(fields)
        else:
            self._read(fields)

    def read_rest(self) -> None:
        """Decode what was kept."""
        self._let_pass()
        while self._behind:
            self._read(self._behind.popleft())

    def forget_rest(self) -> None:
        """The connection was given up: what it has said last is asked anew on the next one."""
        self._let_pass()
        self._behind.clear()

    def _let_pass(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _read(self, fields: list[str]) -> None:
        if fields and fields[0].isdigit() and int(fields[0]) not in self.handlers:
            self._hears.unknown_message(fields[0])
            return
        self._reading = fields[0] if fields else ""
        super().interpret(fields)


class LoudClient(Client):
    """The library's socket client, with nothing swallowed and no queue of its own."""

    MaxRequests = 0
    """Pacing is ours: what waits in the library's queue vanishes with the connection, and nobody is told."""

    def __init__(self, hears: Hears) -> None:
        super().__init__(hears)
        self._hears = hears
        self.decoder = self._reader = _LoudDecoder(hears)

    def _onSocketHasData(self, data: bytes) -> None:
        """eventkit would log what a handler raises, and go on."""
        try:
            self._reader.read_rest()
            super()._onSocketHasData(data)
        except Exception as error:  # noqa: BLE001  (whatever it is, a message was lost)
            self._hears.failed_to_read(f"{type(error).__name__}: {error}")

    def _onSocketDisconnected(self, msg: str) -> None:
        """What was said before the end is heard before it."""
        self._reader.read_rest()
        super()._onSocketDisconnected(msg)

    def abort(self) -> None:
        """Drop the connection at once: closing it waits for a peer that does not read."""
        transport = self.conn.transport
        self._reader.forget_rest()
        self.disconnect()
        if transport is not None:
            transport.abort()
