"""`python -m crash_rig.gateway_daemon`: the daemon before the gateway, with failpoints at which it dies.

By its arguments: the failpoint, at which passing of it, the number of the step of its start (0: none), the file for its
last word; then those of `proof.daemon_process`.
"""

import sys
from pathlib import Path

from proof import daemon_process

from crash_rig.failpoints import Failpoints, install
from crash_rig.points import PORTS, Port
from trader.adapters.ibkr.orders import IbkrBroker
from trader.app.daemon import Daemon
from trader.services.ports import Broker

GATEWAY_PORTS = tuple(Port("broker", Broker, IbkrBroker) if port.protocol is Broker else port for port in PORTS)


def main(point: str, nth: str, start_step: str, last_word: str, *of_the_daemon: str) -> int:
    """Live one life; give the exit code, if it comes to that."""
    failpoints = Failpoints(point, int(nth), int(start_step), lambda names: _say(Path(last_word), names))
    install(failpoints, None, GATEWAY_PORTS)
    recover = Daemon.recover

    async def recovered(self: Daemon) -> None:
        await recover(self)
        failpoints.is_recovering = False

    setattr(Daemon, "recover", recovered)  # noqa: B010  (mypy: a method cannot be assigned to)
    return daemon_process.main(*of_the_daemon)


def _say(last_word: Path, names: tuple[str, ...]) -> None:
    last_word.write_text("\n".join(names))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
