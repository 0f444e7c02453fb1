"""The run: a gateway process for each client, a price and a bar in it, and a table of what came of it."""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.remote import RemoteGateway

from cross_checks.environments import NotToBeHad, python_of
from cross_checks.our_adapter import adapter_passes
from cross_checks.steps import ACCOUNT, SHARES, STEPS, passed

_SCRIPTS = Path(__file__).resolve().parents[1]
_DEADLINE_S = 60.0
_BAR_EVERY_S = 0.05


@dataclass(frozen=True)
class Client:
    """One client at one server version."""

    package: str
    requirement: str
    variable: str
    """Names its Python."""
    program: tuple[str, ...]
    server_version: int

    @property
    def name(self) -> str:
        """What the table calls it."""
        return f"{self.package} {self.server_version}"


_INSYNC = ("cross_checks.insync_client", "ib_insync")
_ASYNC = ("cross_checks.insync_client", "ib_async")
_OFFICIAL = ("cross_checks.official_client",)
CLIENTS = (
    Client("ib_insync", "ib_insync==0.9.86", "IB_INSYNC_PYTHON", _INSYNC, 176),
    Client("ib_async", "ib_async==2.1.0", "IB_ASYNC_PYTHON", _ASYNC, 176),
    Client("ib_async", "ib_async==2.1.0", "IB_ASYNC_PYTHON", _ASYNC, 178),
    *(Client("ibapi", "ibapi-stable==10.50.2", "IBAPI_PYTHON", _OFFICIAL, version) for version in (176, 188, 200)),
)


async def main() -> int:
    """Run all clients, then our adapter; 1 when one of them did not get through, 2 when none could be had."""
    columns: dict[str, set[str] | None] = {}
    for client in CLIENTS:
        try:
            python = python_of(client.package, client.requirement, client.variable)
        except NotToBeHad as why:
            print(f"SKIPPED {client.name}: {why}", file=sys.stderr)
            columns[client.name] = None
        else:
            columns[client.name] = await _run(client, python)
    _print_table(columns)
    tried = [steps for steps in columns.values() if steps is not None]
    if not tried:
        return 2
    return int(any(len(steps) < len(STEPS) for steps in tried) or not _adapter_passes())


def _adapter_passes() -> bool:
    try:
        python = python_of("ib_async", "ib_async==2.1.0", "IB_ASYNC_PYTHON")
    except NotToBeHad as why:
        print(f"SKIPPED our adapter on ib_async: {why}", file=sys.stderr)
        return True
    passes = adapter_passes(python)
    print(f"our adapter on ib_async: {'ok' if passes else 'FAILED'}")
    return passes


async def _run(client: Client, python: str) -> set[str]:
    """The steps that a client has got done; none of them when the gateway's truth says otherwise."""
    async with RemoteGateway("--seed", "7", "--server-version", str(client.server_version)) as gateway:
        await gateway.do("trade", symbol="QQQ", price="500.10")
        command = (python, "-m", *client.program, str(gateway.port))
        env = {**os.environ, "PYTHONPATH": str(_SCRIPTS)}
        process = await asyncio.create_subprocess_exec(*command, env=env, stdout=asyncio.subprocess.PIPE)
        ticking = asyncio.create_task(_tick(gateway))
        try:
            output, _ = await asyncio.wait_for(process.communicate(), _DEADLINE_S)
        except TimeoutError:
            process.kill()
            output, _ = await process.communicate()
        finally:
            ticking.cancel()
        errors, truth = await gateway.do("errors"), await gateway.do("truth")
    return passed(output.decode().splitlines()) if _is_true(client, errors, truth) else set()


async def _tick(gateway: RemoteGateway) -> None:
    """A bar every now and then, at the same price."""
    price = {"open": "500.10", "high": "500.10", "low": "500.10", "close": "500.10"}
    while True:
        starts_at = await gateway.do("now")
        await gateway.do("bar", symbol="QQQ", starts_at=starts_at, volume=100, **price)
        await asyncio.sleep(_BAR_EVERY_S)


def _is_true(client: Client, errors: Sequence[str], truth: Any) -> bool:
    """Whether the broker holds what the client says it has bought, and nothing works any more."""
    working = [order for order in truth["orders"] if order["status"] not in ("Filled", "Cancelled")]
    for wrong in (*errors, *working):
        print(f"{client.name}: {wrong}", file=sys.stderr)
    return truth["positions"][ACCOUNT] == {"QQQ": SHARES} and not errors and not working


def _print_table(columns: Mapping[str, set[str] | None]) -> None:
    width = max(map(len, STEPS)) + 2
    print(" " * width + "  ".join(columns))
    for step in STEPS:
        cells = ("skipped" if steps is None else "ok" if step in steps else "FAILED" for steps in columns.values())
        print(step.ljust(width) + "  ".join(cell.ljust(len(name)) for name, cell in zip(columns, cells, strict=True)))
