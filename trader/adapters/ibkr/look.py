"""What an account at Interactive Brokers holds, looked at beside the daemon: by a client of its own that only asks."""

from trader.adapters.ibkr.asking import Asking
from trader.adapters.ibkr.connection import Address, Connection
from trader.adapters.ibkr.contracts import Contracts
from trader.adapters.ibkr.foreign import ForeignList
from trader.adapters.ibkr.timing import Timing
from trader.domain.errors import BrokerUnreachable
from trader.services.ports import Clock


class _Unsaid:
    """A log for somebody who gives a report of his own."""

    def info(self, *messages: str) -> None:
        """Not said."""

    warning = error = info


async def positions_at_ib(
    address: Address, account: str, clock: Clock, deadline_s: float, timing: Timing | None = None
) -> dict[str, int]:
    """Shares by symbol, told completely.

    Raises BrokerUnreachable where they are not, and ConfigurationError where TWS is logged in to another account.
    """
    connection = Connection(address, account, clock, _Unsaid(), timing)
    await connection.open(deadline_s)
    try:
        session = connection.session
        asking = Asking(account, Contracts(connection), connection.timing, ForeignList(_Unsaid()))
        told = await asking.positions(session) if session is not None else None
    finally:
        await connection.close()
    if told is None:
        raise BrokerUnreachable(f"{address}: it does not tell completely what {account} holds")
    return told
