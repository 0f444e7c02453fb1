"""`python -m gateway`: a gateway as a process of its own.

Its first line says where it listens: {"port": ..., "control": ...}. It ends by the command `quit`, or when the last
connection to its control channel ends; clients come and go as they like.
"""

import argparse
import asyncio
import json
import sys

from gateway.control import Control, SetClock
from gateway.layouts import OLDEST
from gateway.simulator import Gateway


async def _run(arguments: argparse.Namespace) -> None:
    clock = SetClock()
    gateway = Gateway(
        accounts=arguments.accounts.split(","),
        seed=arguments.seed,
        server_version=arguments.server_version,
        cash=arguments.cash,
        clock=clock,
        port=arguments.port,
    )
    control = Control(gateway, clock)
    await gateway.start()
    where = {"port": gateway.port, "control": await control.listen(arguments.control)}
    sys.stdout.write(json.dumps(where) + "\n")
    sys.stdout.flush()
    await control.has_quit.wait()
    control.close()
    await gateway.stop()


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="gateway", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="for clients; 0: a free one")
    parser.add_argument("--control", type=int, default=0, help="for commands; 0: a free one")
    parser.add_argument("--accounts", default="DU1000001", help="with commas between them")
    parser.add_argument("--cash", default="1000000", help="dollars in each account")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--server-version", type=int, default=OLDEST)
    asyncio.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
