"""The account's cash, as IB tells it."""

from trader.adapters.ibkr.connection import Connection
from trader.adapters.ibkr.messages import AccountValue
from trader.adapters.ibkr.translate import amount_micros

_KEYS = ("TotalCashBalance", "TotalCashValue")


async def cash_micros(connection: Connection) -> int | None:
    """Cash in US dollars; None when there is no connection, or when it was not told completely."""
    session = connection.session
    if session is None:
        return None
    asked: list[int] = []

    def send(id_: int) -> None:
        asked.append(id_)
        session.client.reqAccountUpdatesMulti(id_, connection.account, "", False)

    answer = await session.ask(send, connection.timing.request_s)
    if asked and session.is_open:
        session.outgoing.request(lambda: session.client.cancelAccountUpdatesMulti(asked[0]))
    if answer is None or answer.failure is not None:
        return None
    told = {
        item.key: amount_micros(item.value)
        for item in answer.items
        if isinstance(item, AccountValue) and item.account == connection.account and item.currency == "USD"
    }
    return next((told[key] for key in _KEYS if told.get(key) is not None), None)
