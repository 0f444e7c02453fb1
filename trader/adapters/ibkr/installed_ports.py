"""The ports that TWS and IB Gateway listen on as they are installed, and whose money is behind each."""

from typing import NamedTuple


class InstalledPort(NamedTuple):
    """One of them."""

    number: int
    program: str
    money: str
    """`paper` or `live`."""


INSTALLED_PORTS = (
    InstalledPort(7496, "TWS", "live"),
    InstalledPort(7497, "TWS", "paper"),
    InstalledPort(4001, "IB Gateway", "live"),
    InstalledPort(4002, "IB Gateway", "paper"),
)

MONEY_BEHIND = {port.number: port.money for port in INSTALLED_PORTS}


def ports_in_words() -> str:
    """All of them, by program."""
    programs = dict.fromkeys(port.program for port in INSTALLED_PORTS)
    return ", ".join(
        f"{program} listens on "
        + " and ".join(f"{port.number} ({port.money})" for port in INSTALLED_PORTS if port.program == program)
        for program in programs
    )
