"""The command line. Each file holds commands that belong together; libraries are imported where they are used.

Every command takes `--config` and `--db`; reads need no daemon; commands that change something go by its socket.
"""

import sys
from collections.abc import Callable, Sequence

from trader.app.cli.output import Exit, complain
from trader.domain.errors import (
    AlreadyRunning,
    BookError,
    BrokerUnreachable,
    ConfigurationError,
    DataError,
    TraderError,
)

_EXITS: dict[type[TraderError], Exit] = {
    ConfigurationError: Exit.USAGE,
    DataError: Exit.USAGE,
    BookError: Exit.USAGE,
    AlreadyRunning: Exit.ALREADY_RUNNING,
    BrokerUnreachable: Exit.BROKER_UNREACHABLE,
}


def main() -> None:
    """Run the command line; every expected error becomes one clear line and its exit code."""
    try:
        _check_arguments(sys.argv[1:])
        from trader.adapters.control import DaemonDown, NoAnswer
        from trader.app.cli.application import application

        exits = {**_EXITS, DaemonDown: Exit.DAEMON_DOWN, NoAnswer: Exit.NO_ANSWER}
        sys.exit(_guarded(application, exits))
    except KeyboardInterrupt:
        complain("trader: interrupted")
        sys.exit(130)


def _check_arguments(arguments: Sequence[str]) -> None:
    """What is not text in the terminal's encoding can be neither looked up, sent nor stored."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            complain(f"trader: {argument!a} is not text in UTF-8")
            sys.exit(Exit.USAGE)


def _guarded(command: Callable[[], object], exits: dict[type[TraderError], Exit]) -> int:
    try:
        command()
    except TraderError as error:
        complain(f"trader: {error}")
        return next((code for kind, code in exits.items() if isinstance(error, kind)), Exit.BUG)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of the pipe has gone; nothing more can be said
        return Exit.OK
    return Exit.OK
