"""The event loop that the client library can work with."""

import asyncio

from trader.domain.errors import ConfigurationError


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
