"""The fault script: what shall go wrong, and when. Which faults there are: `gateway.faults`.

A fault is a small frozen value. It waits for its occasion: the `nth` time that the thing it is `on` happens (a request
by its name, a message by its name, a fill, a cancel), counted from when it was added, and then goes off `times` times
in a row. `symbol` and `client_id` narrow what counts. `Faults.fired` counts what has gone off, so that a test can say
that its fault was there:

    reset = gateway.faults.add(Reset("execDetails"))
    ...
    assert gateway.faults.fired[reset] == 1
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Protocol, TypeVar

FOR_EVER = 1_000_000_000


class Outlet(Protocol):
    """What a fault may do with the connection of one client."""

    def write(self, data: bytes) -> None: ...
    def write_later(self, data: bytes, delay_s: float) -> None: ...
    def write_after(self, data: bytes, messages: int) -> None: ...
    def hold(self, data: bytes) -> None: ...
    def stall(self) -> None: ...
    def close(self) -> None: ...
    def reset(self) -> None: ...


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong, once or more often."""

    _: KW_ONLY
    nth: int = 1
    times: int = 1
    symbol: str = ""
    client_id: int | None = None

    @property
    def occasion(self) -> str:
        """The name of what it waits for."""
        raise NotImplementedError


AnyFault = TypeVar("AnyFault", bound=Fault)


class Faults:
    """The script of one gateway."""

    def __init__(self) -> None:
        self.fired: Counter[Fault] = Counter()
        self.allows: Callable[[Fault], bool] = lambda _: True
        """Asked when one would go off; one that is not allowed to stays away, and its turn is over."""
        self._armed: list[tuple[Fault, list[int]]] = []
        self._releases: list[Callable[[], None]] = []

    def add(self, fault: AnyFault) -> AnyFault:
        """Arm one more; it is given back, to be looked up in `fired`."""
        self._armed.append((fault, [0]))
        return fault

    def clear(self) -> None:
        """Nothing goes wrong any more; what was fired stays counted."""
        self._armed.clear()

    def release(self) -> None:
        """What was held back or stalled goes on."""
        for release in self._releases:
            release()

    def on_release(self, release: Callable[[], None]) -> None:
        """Have a connection told of `release`."""
        self._releases.append(release)

    def take(
        self, kind: type[AnyFault], occasion: str, symbol: str = "", client_id: int | None = None
    ) -> AnyFault | None:
        """The fault of this kind that goes off now, if one does. Every call is an occurrence."""
        going_off: AnyFault | None = None
        for fault, seen in self._armed:
            if not isinstance(fault, kind) or fault.occasion != occasion:
                continue
            if (fault.symbol and fault.symbol != symbol) or fault.client_id not in (None, client_id):
                continue
            seen[0] += 1
            is_due = fault.nth <= seen[0] < fault.nth + fault.times
            if going_off is None and is_due and self.allows(fault):
                going_off = fault
                self.fired[fault] += 1
        return going_off
