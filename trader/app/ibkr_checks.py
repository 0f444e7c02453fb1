"""What `trader ibkr probe` and `trader doctor` say of TWS or IB Gateway, each with what to do about it."""

import asyncio
from collections.abc import Iterator

from trader.adapters.ibkr.probe import Probe, probe
from trader.adapters.ibkr.session import Address
from trader.app.checks import Check, fail, ok, warn
from trader.app.interlocks import account_kind
from trader.app.settings import Settings
from trader.domain.errors import BrokerUnreachable
from trader.domain.rules import LARGEST_SKEW
from trader.services.ports import Clock

UNREACHABLE = "interactive brokers"
"""The check that everything else needs."""

_PROBE_S = 10.0
_OF_A_PROBE = 1_000
"""So far above the account's client id that it is no other account's: IB has one connection of each."""


def check_ibkr(settings: Settings, clock: Clock) -> Iterator[Check]:
    """Look, and judge."""
    ibkr = settings.ibkr
    address = Address(ibkr.host, ibkr.port, ibkr.client_id + _OF_A_PROBE)
    try:
        found = asyncio.run(probe(address, clock, _PROBE_S))
    except BrokerUnreachable as error:
        yield fail(
            UNREACHABLE,
            str(error),
            "start TWS or IB Gateway and log in; enable the API there and compare the port: see the README",
        )
        return
    yield ok(UNREACHABLE, f"{ibkr.host}:{ibkr.port} answers, server version {found.server_version}")
    yield _account(settings, found)
    yield _servers(found)
    yield _writable(found)
    yield _clock(found)
    yield _data(found)


def _account(settings: Settings, found: Probe) -> Check:
    wanted, there = settings.ibkr.account, ", ".join(found.accounts)
    if wanted in found.accounts:
        return ok("account", f"{wanted}, {account_kind(wanted)}, of {there}")
    return fail("account", f"logged in to {there}, not to {wanted}", "log in to that account, or correct ibkr.account")


def _servers(found: Probe) -> Check:
    if not found.servers:
        return fail("ib servers", "TWS has lost them (1100)", "wait, or look into TWS; nothing is traded meanwhile")
    if found.farms:
        return warn("ib servers", f"not connected: {', '.join(found.farms)}", "they come back by themselves as a rule")
    return ok("ib servers", "connected")


def _writable(found: Probe) -> Check:
    if found.writable:
        return ok("api", "orders are taken")
    if found.writable is None:
        return fail(
            "api", "no answer to an order that was only tried", "look whether a window in TWS waits for a click"
        )
    return fail("api", found.why_not_writable, "switch off 'Read-Only API' in TWS: Configure, API, Settings")


def _clock(found: Probe) -> Check:
    if found.skew_s is None:
        return fail("ib clock", "IB does not tell the time", "look into TWS")
    said = f"{found.skew_s:+.1f} s beside this host's, told in whole seconds"
    if abs(found.skew_s) > LARGEST_SKEW.total_seconds():
        return fail("ib clock", f"{said}; no entry leaves", "set the host's clock; timedatectl set-ntp true")
    return ok("ib clock", said)


def _data(found: Probe) -> Check:
    if found.data == "live":
        return ok("market data", "live")
    return fail("market data", found.data, "only live data are traded on: subscribe, or end the other session")
