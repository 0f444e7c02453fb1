"""Why TWS or IB Gateway cannot be reached, and what to do about it."""

from trader.adapters.ibkr.codes import Kind, kind_of
from trader.adapters.ibkr.installed_ports import ports_in_words
from trader.adapters.ibkr.session import Address


def why_not(address: Address, error: Exception, deadline_s: float) -> str:
    """Why a connection could not be made, in a sentence for the user."""
    if isinstance(error, TimeoutError):
        return (
            f"{address}: no answer in {deadline_s:g} s; look whether a window of TWS waits for a click (a log-in, a "
            f"new API client to be accepted), and whether the API is enabled there"
        )
    if _is_of(error, Kind.CLIENT_ID_TAKEN):
        return (
            f"{address}: {error}; another program, or an earlier run that TWS still remembers, is connected with "
            f"this client id: end it, or wait a minute; never start two daemons under one id"
        )
    if isinstance(error, ConnectionRefusedError):
        return (
            f"{address}: nobody listens there; start TWS or IB Gateway, enable the API (Configure, API, Settings: "
            f"'Enable ActiveX and Socket Clients') and compare the port: {ports_in_words()}"
        )
    said = str(error) or type(error).__name__
    return f"{address}: {said}; {ports_in_words()}; a trusted IP address may be missing there"


def _is_of(error: Exception, kind: Kind) -> bool:
    """Whether a connection ended with an error code of this kind."""
    number = str(error).removeprefix("IB error ").partition(":")[0]
    return number.isdigit() and kind_of(int(number)) is kind
