"""`python -m proof.daemon_process`: the daemon as it is, on the time that it shares with the gateway.

By its arguments: the settings as JSON, and when the loop's time was 0.
"""

import asyncio
import json
import sys
from datetime import datetime

from proof.clock import LoopClock
from proof.fast_time import FastLoop
from proof.in_process import CONFIGURATION
from trader.adapters.logs import close_log, open_log
from trader.app.daemon import run_daemon
from trader.app.host import ThisMachine
from trader.app.inline_strategy import InlineStrategy
from trader.app.interactive_brokers import InteractiveBrokers
from trader.app.settings import Settings, load_settings
from trader.app.wiring import Parts, inline_strategy
from trader.domain.errors import BrokerUnreachable
from trader.services.ports import Clock

UNREACHABLE = 3
"""The exit code, as `trader run` gives it."""


class SharedTime(ThisMachine):
    """This machine, at another time."""

    def __init__(self, clock: LoopClock) -> None:
        super().__init__()
        self._shared = clock

    @property
    def clock(self) -> Clock:
        """The gateway's too."""
        return self._shared

    def strategies(self, settings: Settings) -> InlineStrategy:
        """Here: no process of its own would live in this time."""
        return inline_strategy(settings)

    def marketplace(self, parts: Parts) -> InteractiveBrokers:
        """By the gateway's socket."""
        return InteractiveBrokers(parts, self._shared, self.log(self._shared))


async def _live(settings: Settings, origin: datetime) -> None:
    await run_daemon(settings, SharedTime(LoopClock(origin, 0)))


def main(given: str, origin: str) -> int:
    """Live one life; give the exit code."""
    settings = load_settings(CONFIGURATION, **json.loads(given))
    log, account = settings.log, settings.account.name
    open_log(log.file, account, log.level, log.rotation, log.retention, on_terminal=False)
    loop = FastLoop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(_live(settings, datetime.fromisoformat(origin)))
    except BrokerUnreachable:
        return UNREACHABLE
    finally:
        close_log()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
