"""How long the adapter waits for what. Tests wait less."""

from typing import NamedTuple


class Timing(NamedTuple):
    """Seconds."""

    connect_s: float = 15.0
    """For the greeting of a new connection."""
    request_s: float = 10.0
    """For the complete answer to a request."""
    heartbeat_s: float = 5.0
    """Between two questions for the time."""
    heartbeat_patience_s: float = 5.0
    back_off_s: tuple[float, ...] = (1.0, 2.0, 5.0, 10.0, 30.0)
    """Before the next attempt to connect; the last one again and again."""
    steady_after_s: float = 60.0
    """A connection that has lasted so long begins the back-off anew."""
    margin_s: float = 3.0
    """For the broker's word on the margin that an order needs."""
    executions_s: float = 2.0
    """For the executions of an order that is said to be filled."""
    second_look_s: float = 0.25
    """Between the first two answers about positions: just after a log-in an empty one may come first."""
    empty_look_s: float = 3.0
    """The same where the first answer shows nothing at all: TWS may still be asking its servers."""
    lost_patience_s: float = 600.0
    """For the word that the servers are back. Then the connection is made anew: a greeting says how things are."""
