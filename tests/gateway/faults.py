"""Everything that can go wrong, by its name.

Faults of messages act on the way to a client, faults of requests when one arrives, the others where they say.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from gateway.fault_script import Fault, Outlet
from gateway.layout import Values


@dataclass(frozen=True)
class MessageFault(Fault):
    """Something happens to a message on its way to a client."""

    on: str
    """The message's name, as in `gateway.layouts.ANSWERS`."""

    @property
    def occasion(self) -> str:
        return self.on

    def changed(self, values: Values) -> Values:
        """What the message says instead."""
        return values

    def send(self, outlet: Outlet, data: bytes) -> None:
        """What becomes of its bytes."""
        outlet.write(data)


class Lose(MessageFault):
    """It is not sent. On an end marker: the list never ends."""

    def send(self, outlet: Outlet, data: bytes) -> None:
        """Nothing goes out."""


class Duplicate(MessageFault):
    """It is sent twice."""

    def send(self, outlet: Outlet, data: bytes) -> None:
        outlet.write(data)
        outlet.write(data)


@dataclass(frozen=True)
class Delay(MessageFault):
    """It comes so many seconds later; what follows it does not wait."""

    delay_s: float

    def send(self, outlet: Outlet, data: bytes) -> None:
        outlet.write_later(data, self.delay_s)


@dataclass(frozen=True)
class Reorder(MessageFault):
    """It comes after the next messages to this client, so many of them."""

    after: int = 1

    def send(self, outlet: Outlet, data: bytes) -> None:
        outlet.write_after(data, self.after)


class Hold(MessageFault):
    """It is kept back until `Faults.release`."""

    def send(self, outlet: Outlet, data: bytes) -> None:
        outlet.hold(data)


class HalfFrame(MessageFault):
    """Half of it is sent, then the connection ends."""

    def send(self, outlet: Outlet, data: bytes) -> None:
        outlet.write(data[: len(data) // 2])
        outlet.close()


class Drop(MessageFault):
    """The connection ends in good order, and the message is not sent."""

    def send(self, outlet: Outlet, data: bytes) -> None:
        outlet.close()


class Reset(MessageFault):
    """The connection is reset (RST), and the message is not sent."""

    def send(self, outlet: Outlet, data: bytes) -> None:
        outlet.reset()


class Stall(MessageFault):
    """From this message on nothing is sent and nothing is read, while the connection stays; until `Faults.release`."""

    def send(self, outlet: Outlet, data: bytes) -> None:
        outlet.stall()
        outlet.write(data)


@dataclass(frozen=True)
class Kill(MessageFault):
    """Its client is killed when it is said, and never hears it; `kill` does that."""

    kill: Callable[[], None]

    def send(self, outlet: Outlet, data: bytes) -> None:
        """Nobody is there."""
        del outlet, data
        self.kill()


@dataclass(frozen=True)
class Alter(MessageFault):
    """One of its fields says something else. On `nextValidId`: the order id is rolled back."""

    field: str
    value: str

    def changed(self, values: Values) -> Values:
        return {**values, self.field: self.value}


@dataclass(frozen=True)
class UnknownZone(MessageFault):
    """The time of an execution is told in a zone that no table knows."""

    on: str = "execDetails"
    zone: str = "Central European Standard Time"

    def changed(self, values: Values) -> Values:
        day, clock, _ = str(values["time"]).split(" ")
        return {**values, "time": f"{day} {clock} {self.zone}"}


@dataclass(frozen=True)
class RequestFault(Fault):
    """Something happens to a request when it arrives."""

    on: str
    """The request's name, as in `gateway.layouts.REQUESTS`."""

    @property
    def occasion(self) -> str:
        return self.on


class Ignore(RequestFault):
    """It is read, and nothing comes of it."""


class Mute(RequestFault):
    """It is carried out, and nothing that it leads to at once is told to its client."""


class LoseConnection(RequestFault):
    """The connection is reset before it is carried out: it never arrived."""


@dataclass(frozen=True)
class Refuse(RequestFault):
    """It is answered by an error, and not carried out. Pacing is 162 or 100, an API for reading only 321."""

    code: int
    text: str


@dataclass(frozen=True)
class Note(RequestFault):
    """It is carried out, and an error message comes first that ends nothing, as 399 and 10349 do."""

    code: int
    text: str


@dataclass(frozen=True)
class EmptyPositions(Fault):
    """Positions are told as none at all, with their end marker."""

    occasion: ClassVar[str] = "positions"


@dataclass(frozen=True)
class NoGreeting(Fault):
    """A connection is taken, and the handshake is never answered."""

    occasion: ClassVar[str] = "handshake"


@dataclass(frozen=True)
class ClientIdTaken(Fault):
    """326: an earlier connection lingers."""

    occasion: ClassVar[str] = "startApi"


@dataclass(frozen=True)
class Reject(Fault):
    """A new order is refused: its status (none when empty), then the error."""

    code: int = 201
    text: str = "Order rejected - reason:"
    status: str = "Inactive"
    occasion: ClassVar[str] = "placeOrder"


@dataclass(frozen=True)
class HoldForLocate(Fault):
    """A new order is held while shares to borrow are looked for: 404, and a status of Inactive that is no end."""

    occasion: ClassVar[str] = "placeOrder"


@dataclass(frozen=True)
class TwoPermIds(Fault):
    """A placed or modified order becomes two live ones, with two permIds."""

    occasion: ClassVar[str] = "placeOrder"


@dataclass(frozen=True)
class StatusFirst(Fault):
    """The status of a fill comes before its execution."""

    occasion: ClassVar[str] = "fill"


@dataclass(frozen=True)
class CommissionFirst(Fault):
    """The commission of a fill comes before its execution."""

    occasion: ClassVar[str] = "fill"


@dataclass(frozen=True)
class Correct(Fault):
    """An execution is corrected right after it was reported. None: as it was."""

    shares: int | None = None
    price: Decimal | None = None
    occasion: ClassVar[str] = "fill"


@dataclass(frozen=True)
class FillAfterCancel(Fault):
    """A cancel is confirmed, and then so many shares are filled all the same."""

    shares: int
    occasion: ClassVar[str] = "cancelOrder"


@dataclass(frozen=True)
class ChildrenDie(Fault):
    """When a partly filled parent is cancelled, its children end too."""

    occasion: ClassVar[str] = "cancelParent"


@dataclass(frozen=True)
class FillWhileDown(Fault):
    """When its client has gone, a working order fills whole, at its own price or the last one."""

    occasion: ClassVar[str] = "disconnect"
