"""The event loop that the client library can work with."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from trader.domain.errors import ConfigurationError


@contextmanager
def a_loop_to_load_with() -> Iterator[None]:
    """The client library asks the policy for a loop as it is loaded, and `asyncio.run` leaves none behind.

    What it is given then is closed again: it asks anew whenever it needs one.
    """
    policy = asyncio.get_event_loop_policy()
    try:
        policy.get_event_loop()
    except RuntimeError:
        loop = policy.new_event_loop()
        policy.set_event_loop(loop)
        try:
            yield
        finally:
            policy.set_event_loop(None)
            loop.close()
    else:
        yield


def assert_plain_loop() -> None:
    """The client library asks the policy for its loop, not the running one: with another loop it fails silently."""
    running = asyncio.get_running_loop()
    if not isinstance(running, asyncio.BaseEventLoop):
        raise ConfigurationError(
            f"the event loop is a {type(running).__module__}.{type(running).__name__}: Interactive Brokers' client "
            "library works with asyncio's own loop only; start the daemon without it"
        )
    if asyncio.get_event_loop_policy().get_event_loop() is not running:
        raise ConfigurationError(
            "the running event loop is not the one that asyncio's policy gives, which Interactive Brokers' client "
            "library asks for: call asyncio.set_event_loop(asyncio.get_running_loop()) first"
        )
