"""How long things take, counted in fixed classes: from a signal to its order, from a fill to the book, the loop's lag.

Rule 1: nothing is computed before the step has spoken: until then only times are kept.
Rule 2: a signal's time runs from its arrival in the inbox until the orders of its step were handed to the broker; of
several signals in a step the oldest counts for each order. An execution's runs from its arrival until it is committed,
also when the book could not be written between.
Rule 3: the memory that it takes does not grow.
"""

import asyncio
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence

from trader.domain.events import BadLine, Event, FillReported, SignalReceived, StrategyAnswered
from trader.domain.market import BarTime

BOUNDS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the classes, seconds, the bound itself included; above the last is one more class."""

_MOST_WAITING = 4096
_BRINGS_SIGNALS = (SignalReceived, StrategyAnswered, BarTime, BadLine)


class Histogram:
    """Durations by class, and their sum."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self._sum_s = 0.0

    def observe(self, duration_s: float, times: int = 1) -> None:
        """Count one, or several of the same."""
        self._counts[bisect_left(BOUNDS_S, duration_s)] += times
        self._sum_s += duration_s * times

    def as_answer(self) -> dict[str, object]:
        """As the daemon's socket carries it: how many in each class, and the sum in seconds."""
        return {"counts": list(self._counts), "sum_s": self._sum_s}


class Latencies:
    """Of one engine, since it began."""

    def __init__(self) -> None:
        self.signal_to_order = Histogram()
        self.fill_to_durable = Histogram()
        self.commit = Histogram()
        self.loop_lag = Histogram()
        self.newest_commit_s = 0.0
        self._events: Sequence[Event] = ()
        self._arrivals_s: Sequence[float] = ()
        self._waiting_s: list[float] = []
        """Arrivals of executions in steps that could not be written."""
        self._committed_at_s = self._spoken_at_s = 0.0
        self._orders = 0

    def begin(self, events: Sequence[Event], arrivals_s: Sequence[float]) -> None:
        """A step begins with these events, which arrived at these times of the loop."""
        self._events, self._arrivals_s = events, arrivals_s
        self._committed_at_s = self._spoken_at_s = 0.0
        self._orders = 0

    def committed(self, began_s: float, ended_s: float) -> None:
        """A transaction was durable at a time of the loop."""
        self.newest_commit_s = ended_s - began_s
        self.commit.observe(self.newest_commit_s)
        self._committed_at_s = ended_s

    def spoken(self, orders: int) -> None:
        """So many entries were handed to the broker."""
        self._orders += orders
        self._spoken_at_s = asyncio.get_running_loop().time()

    def end(self, *, written: bool) -> None:
        """The step is over: what it has taken is counted. What could not be written goes on."""
        if self._orders:
            oldest_s = min(self._arrivals_of(_BRINGS_SIGNALS), default=None)
            if oldest_s is not None:
                self.signal_to_order.observe(self._spoken_at_s - oldest_s, self._orders)
        if not written:
            self._waiting_s = [*self._waiting_s, *self._arrivals_of((FillReported,))][:_MOST_WAITING]
        elif self._committed_at_s:
            for arrived_s in (*self._waiting_s, *self._arrivals_of((FillReported,))):
                self.fill_to_durable.observe(self._committed_at_s - arrived_s)
            self._waiting_s = []
        self._events = self._arrivals_s = ()

    def _arrivals_of(self, kinds: tuple[type, ...]) -> Iterator[float]:
        pairs = zip(self._events, self._arrivals_s, strict=True)
        return (arrived_s for event, arrived_s in pairs if isinstance(event, kinds))

    def as_answer(self) -> Mapping[str, object]:
        """As the daemon's socket carries it."""
        return {
            "signal_to_order": self.signal_to_order.as_answer(),
            "fill_to_durable": self.fill_to_durable.as_answer(),
            "commit": self.commit.as_answer(),
            "loop_lag": self.loop_lag.as_answer(),
        }
