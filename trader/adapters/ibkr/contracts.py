"""Qualification: our symbols as IB's contracts, by id. US stocks and ETFs in dollars, and standard options on them;
anything else is refused by name.

What is found is kept for the life of the process: an order is sent only for what was qualified.
"""

import asyncio
from collections.abc import Collection, Mapping
from typing import NamedTuple

from trader.adapters.ibkr.client_library import Contract, ContractDetails
from trader.adapters.ibkr.connection import Connection, Session
from trader.adapters.ibkr.translate import amount_micros, contract_of, ib_symbol_of, symbol_named
from trader.domain.errors import BrokerUnreachable, ConfigurationError
from trader.domain.symbol import CONTRACT_SHARES, is_option, option_of

_EXCHANGES = frozenset({"NYSE", "NASDAQ", "ARCA", "AMEX", "BATS", "IEX", "ISLAND"})
_KINDS = frozenset({"", "COMMON", "ETF", "ETN", "ETC", "ADR", "REIT", "NY REG SHRS", "PREFERRED", "CLOSED-END FUND"})
_NO_SUCH_CONTRACT = 200


class Qualified(NamedTuple):
    """A stock or an option as IB knows it."""

    symbol: str
    con_id: int
    min_tick_micros: int
    primary_exchange: str
    contract: Contract
    """For orders and subscriptions: by id, routed by IB."""


class Contracts:
    """What was qualified."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[str, Qualified] = {}
        self._names: dict[int, str] = {}

    def get(self, symbol: str) -> Qualified | None:
        """The contract of a symbol, once it is qualified."""
        return self._known.get(symbol)

    def name(self, con_id: int, symbol: str) -> str:
        """Our name of what a message is about: that of the contract, or the one that was made of IB's.

        A contract of another id is another instrument, also under a symbol that is traded here: its name is none.
        """
        is_other = con_id and con_id not in self._names and symbol in self._known
        return f"{symbol} of contract {con_id}" if is_other else self._names.get(con_id, symbol)

    async def qualify(self, symbols: Collection[str]) -> None:
        """Look symbols up. Raises ConfigurationError naming all that are refused, and BrokerUnreachable."""
        refused = await self.look_up(symbols)
        if refused:
            raise ConfigurationError(
                "Interactive Brokers cannot trade this as configured: " + "; ".join(refused.values()) + ". Take it out "
                "of the families or feed.symbols, or correct its name"
            )

    async def look_up(self, symbols: Collection[str]) -> Mapping[str, str]:
        """Look symbols up; give those that are refused, and why. Raises BrokerUnreachable, with none of them taken."""
        session = self._connection.session
        if session is None:
            raise BrokerUnreachable("contracts cannot be looked up: there is no connection to Interactive Brokers")
        missing = [symbol for symbol in dict.fromkeys(symbols) if symbol not in self._known]
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(self._look_up(session, symbol)) for symbol in missing]
        found = [one.result() for one in asked]
        for one in found:
            if isinstance(one, BrokerUnreachable):
                raise one
        for one in found:
            if isinstance(one, Qualified):
                self._known[one.symbol], self._names[one.con_id] = one, one.symbol
        return {symbol: one for symbol, one in zip(missing, found, strict=True) if isinstance(one, str)}

    async def _look_up(self, session: Session, symbol: str) -> Qualified | str | BrokerUnreachable:
        patience_s = self._connection.timing.request_s
        answer = await session.ask(lambda id_: session.client.reqContractDetails(id_, contract_of(symbol)), patience_s)
        if answer is None:
            return BrokerUnreachable(f"Interactive Brokers does not tell the contract of {symbol} in {patience_s:g} s")
        if answer.failure is not None and answer.failure.code != _NO_SUCH_CONTRACT:
            return BrokerUnreachable(f"Interactive Brokers does not tell the contract of {symbol}: {answer.failure}")
        return the_one(symbol, answer.items)


def the_one(symbol: str, found: tuple[ContractDetails, ...]) -> Qualified | str:
    """The contract, or why there is none, in words."""
    if not found:
        return f"{symbol} is no {'option' if is_option(symbol) else 'stock or ETF'} in US dollars there"
    by_id = {details.contract.conId: (details, details.contract) for details in found if details.contract is not None}
    if len(by_id) > 1:
        where = ", ".join(f"{contract.primaryExchange or '?'} ({con_id})" for con_id, (_, contract) in by_id.items())
        return f"{symbol} is ambiguous: {where}"
    ((con_id, (details, contract)),) = by_id.items()
    tick = amount_micros(details.minTick)
    check = _not_the_option if is_option(symbol) else _not_a_stock
    if why_not := check(symbol, details, contract):
        return f"{symbol} is {why_not}"
    if not con_id or not tick:
        return f"{symbol} comes without an id or a tick"
    return Qualified(symbol, con_id, tick, contract.primaryExchange, contract_of(symbol, con_id))


def _not_a_stock(symbol: str, details: ContractDetails, contract: Contract) -> str:
    if (contract.secType, contract.currency, contract.symbol) != ("STK", "USD", ib_symbol_of(symbol)):
        return f"{contract.secType} {contract.symbol} in {contract.currency}, not a stock in US dollars"
    if contract.primaryExchange not in _EXCHANGES:
        return f"listed on {contract.primaryExchange or 'no exchange'}, not on a US exchange"
    if details.stockType not in _KINDS:
        return f"a {details.stockType}, not a share or ETF"
    return ""


def _not_the_option(symbol: str, details: ContractDetails, contract: Contract) -> str:
    """Every word of the symbol has to be IB's, too: another strike or right is another instrument."""
    named = symbol_named(contract.secType, contract.symbol, contract.localSymbol)
    if (named, contract.currency) != (symbol, "USD"):
        return f"{named} in {contract.currency}, not that option in US dollars"
    if contract.multiplier != str(CONTRACT_SHARES):
        return f"a contract on {contract.multiplier or '?'}, not on {CONTRACT_SHARES} shares"
    if details.underSecType not in ("", "STK"):
        return f"an option on {details.underSecType}, not on a share or ETF"
    meant = option_of(symbol)
    terms = (contract.lastTradeDateOrContractMonth[:8], contract.right[:1], amount_micros(contract.strike))
    if terms != (f"{meant.expiry:%Y%m%d}", meant.right, meant.strike_micros):
        return f"{terms[0]} {terms[1]} {contract.strike:g} there: name the option by its own symbol"
    return ""
