"""Interlocks: paper or live by the mode, the port and the account's name has to agree, or nothing starts.

Rule 1: `mode` says whose money it is: simulated (embedded market), paper (IB's prices; paper broker, or IB's paper
account), live (IB's live account). The book is stamped with it and refuses another one.
Rule 2: IB's own port numbers say paper or live; any other port has to be told (`ibkr.port_is`).
Rule 3: IB's paper accounts begin with D (DU, DF); others are live.
Rule 4: live needs `--live --account U...` on the command line, each time. It is never asked for at a prompt.
"""

from typing import TYPE_CHECKING

from trader.adapters.ibkr.installed_ports import MONEY_BEHIND
from trader.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from trader.app.settings import Settings


def account_kind(ib_account: str) -> str:
    """`paper` or `live`, by the beginning of IB's account id."""
    return "paper" if ib_account.startswith("D") else "live"


def contradiction(settings: "Settings") -> str:
    """What in a configuration does not agree, with the way out; or nothing."""
    feed, broker, mode, ibkr = settings.feed.kind, settings.broker.kind, settings.mode, settings.ibkr
    if (mode == "simulated") != (feed == "simulated"):
        return f'mode "{mode}" and feed.kind "{feed}" do not agree: the embedded market is "simulated" in both'
    if broker == "ibkr" and feed != "ibkr":
        return 'broker.kind "ibkr" needs feed.kind "ibkr": no order goes to IB on prices that are not from there'
    if mode == "live" and broker != "ibkr":
        return 'mode "live" needs broker.kind "ibkr"'
    if feed != "ibkr":
        return ""
    if not ibkr.account:
        return "ibkr.account is missing: IB's id of the account, such as DU1234567 (TRADER_IBKR__ACCOUNT)"
    return _port_contradiction(settings) or _account_contradiction(settings)


def _port_contradiction(settings: "Settings") -> str:
    port, told = settings.ibkr.port, settings.ibkr.port_is
    by_number = MONEY_BEHIND.get(port, "")
    if not by_number and not told:
        return f'ibkr.port {port} is none of IB\'s own; say whether it is paper or live with ibkr.port_is = "paper"'
    if by_number and told and by_number != told:
        return f'ibkr.port {port} is IB\'s for {by_number}, and ibkr.port_is says "{told}"'
    kind = by_number or told
    if settings.broker.kind == "ibkr" and kind != settings.mode:
        return f'ibkr.port {port} is for {kind} trading, and mode is "{settings.mode}"'
    return ""


def _account_contradiction(settings: "Settings") -> str:
    account, kind = settings.ibkr.account, account_kind(settings.ibkr.account)
    if settings.broker.kind == "ibkr" and kind != settings.mode:
        return f'ibkr.account {account} is a {kind} account, and mode is "{settings.mode}"'
    return ""


def check_consent(settings: "Settings", *, live: bool, account: str | None) -> None:
    """Raise ConfigurationError unless live trading of this account is asked for by flags; or if they say too much."""
    if settings.mode == "live":
        if not live or account != settings.ibkr.account:
            raise ConfigurationError(
                f"this configuration trades real money of {settings.ibkr.account}: it starts only with the flags "
                f"--live --account {settings.ibkr.account}"
            )
    elif live:
        raise ConfigurationError(f'--live is given, and mode is "{settings.mode}": nothing was started')
    elif account is not None and account != settings.ibkr.account:
        raise ConfigurationError(f"--account {account} is given, and the configuration names {settings.ibkr.account!r}")
