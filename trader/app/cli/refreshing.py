"""A command that shows the same thing again and again, until Ctrl-C: on a terminal in its place, into a pipe below.

What cannot be shown at first is an error, as without repetition; later it is said, and waited for.
"""

import asyncio
import io
import signal
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress

from trader.app.cli.output import complain, is_terminal, say
from trader.domain.errors import TraderError


def keep_showing(show: Callable[[], object], every_s: float) -> None:
    """Show, wait, show again. Raises TraderError when the first time fails."""
    with suppress(KeyboardInterrupt):
        asyncio.run(_in_place(show, every_s) if is_terminal() else _below_each_other(show, every_s))


async def _below_each_other(show: Callable[[], object], every_s: float) -> None:
    stopping = _stopping()
    show()
    sys.stdout.flush()
    while await _goes_on(stopping, every_s):
        say("")
        try:
            show()
        except TraderError as error:
            complain(f"trader: {error}")
        sys.stdout.flush()


async def _in_place(show: Callable[[], object], every_s: float) -> None:
    from rich.live import Live
    from rich.text import Text

    stopping = _stopping()
    with Live(Text.from_ansi(_shown(show)), screen=True, auto_refresh=False, vertical_overflow="ellipsis") as live:
        while await _goes_on(stopping, every_s):
            try:
                seen = _shown(show)
            except TraderError as error:
                seen = f"trader: {error}"
            live.update(Text.from_ansi(seen), refresh=True)


class _Terminal(io.StringIO):
    """Keeps what a terminal would get."""

    def isatty(self) -> bool:
        return True


def _shown(show: Callable[[], object]) -> str:
    """What it says, warnings too. Raises TraderError."""
    out = _Terminal()
    with redirect_stdout(out), redirect_stderr(out):
        show()
    return out.getvalue()


def _stopping() -> asyncio.Event:
    """Set by Ctrl-C."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    return stopping


async def _goes_on(stopping: asyncio.Event, every_s: float) -> bool:
    """After a pause; at once no more when it was ended."""
    with suppress(TimeoutError):
        async with asyncio.timeout(every_s):
            await stopping.wait()
    return not stopping.is_set()
