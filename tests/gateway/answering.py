"""Which request is answered by what."""

from collections.abc import Callable, Mapping

from gateway import about_account, about_market, about_orders
from gateway.request import Request
from gateway.session import Session
from gateway.venue import Venue

Handler = Callable[[Venue, Session, Request], None]

HANDLERS: Mapping[str, Handler] = {
    "reqManagedAccts": about_account.managed_accounts,
    "reqPositions": about_account.positions,
    "cancelPositions": about_account.cancel_positions,
    "reqAccountUpdates": about_account.account_updates,
    "reqAccountUpdatesMulti": about_account.account_updates_multi,
    "cancelAccountUpdatesMulti": about_account.nothing,
    "reqAccountSummary": about_account.account_summary,
    "cancelAccountSummary": about_account.cancel_account_summary,
    "reqPnL": about_account.profit,
    "cancelPnL": about_account.cancel_profit,
    "reqPnLSingle": about_account.profit_of_one,
    "cancelPnLSingle": about_account.cancel_profit_of_one,
    "setServerLogLevel": about_account.nothing,
    "reqContractDetails": about_market.contract_details,
    "reqCurrentTime": about_market.current_time,
    "reqMarketDataType": about_market.market_data_type,
    "reqMktData": about_market.ticks,
    "cancelMktData": about_market.cancel_ticks,
    "reqRealTimeBars": about_market.realtime_bars,
    "cancelRealTimeBars": about_market.cancel_realtime_bars,
    "reqHistoricalData": about_market.historical_data,
    "cancelHistoricalData": about_market.cancel_historical_data,
    "placeOrder": about_orders.place_order,
    "cancelOrder": about_orders.cancel_order,
    "reqGlobalCancel": about_orders.cancel_all,
    "reqIds": about_orders.next_id,
    "reqAutoOpenOrders": about_account.nothing,
    "reqOpenOrders": about_orders.own_open_orders,
    "reqAllOpenOrders": about_orders.all_open_orders,
    "reqCompletedOrders": about_orders.completed_orders,
    "reqExecutions": about_orders.executions,
}

AT_THE_SERVERS = frozenset({"placeOrder", "cancelOrder", "reqGlobalCancel", "reqContractDetails", "reqHistoricalData"})
"""What the gateway cannot do by itself: it waits while the gateway has lost IB's servers."""
