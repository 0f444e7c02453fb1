"""Requests about accounts: what they hold, what they are worth, what they have earned."""

from collections.abc import Iterator
from decimal import Decimal

from gateway.faults import EmptyPositions
from gateway.layout import Values
from gateway.messages import Message
from gateway.request import Request
from gateway.session import Session
from gateway.venue import Venue

_MOST_SUMMARIES = 2
_CENT = Decimal("0.01")


def managed_accounts(venue: Venue, session: Session, _: Request) -> None:
    """The accounts of the login."""
    session.send(Message("managedAccounts", {"accounts": ",".join(venue.accounts)}))


def positions(venue: Venue, session: Session, _: Request) -> None:
    """All positions of all accounts, and from then on every change."""
    session.watching.positions = True
    if not venue.faults.take(EmptyPositions, "positions", "", session.client_id):
        for account, symbol, shares in _held(venue):
            if shares:
                session.send(position(venue, account, symbol))
    session.send(Message("positionEnd", {}))


def cancel_positions(_: Venue, session: Session, __: Request) -> None:
    """No more changes of positions."""
    session.watching.positions = False


def account_updates(venue: Venue, session: Session, request: Request) -> None:
    """Values and portfolio of one account, and from then on every change."""
    account = request.text("account") or venue.accounts[0]
    if account not in venue.book.accounts:
        session.refuse(request, 321, "Error validating request.-'b' : cause - Invalid account code.")
        return
    if not request.flag("subscribe"):
        session.watching.accounts.discard(account)
        return
    session.watching.accounts.add(account)
    session.send(*_values_of(venue, account))
    for holder, symbol, _ in _held(venue):
        if holder == account:
            session.send(portfolio(venue, account, symbol))
    session.send(Message("accountTime", {"time": f"{venue.clock():%H:%M}"}))
    session.send(Message("accountDownloadEnd", {"account": account}))


def account_updates_multi(venue: Venue, session: Session, request: Request) -> None:
    """Values of one account, by a request number."""
    account = request.text("account") or venue.accounts[0]
    for key, value in account_values(venue, account).items():
        session.send(
            Message(
                "accountUpdateMulti",
                {"reqId": request.id, "account": account, "key": key, "value": value, "currency": "USD"},
            )
        )
    session.send(Message("accountUpdateMultiEnd", {"reqId": request.id}))


def account_summary(venue: Venue, session: Session, request: Request) -> None:
    """Some values of all accounts."""
    if len(session.watching.summaries) >= _MOST_SUMMARIES and request.id not in session.watching.summaries:
        session.refuse(
            request, 322, "Error processing request.-'b' : cause - Maximum number of account summary requests"
        )
        return
    session.watching.summaries[request.id] = request.text("tags")
    wanted = request.text("tags").split(",")
    for account in venue.accounts:
        for tag, value in account_values(venue, account).items():
            if tag in wanted or wanted[0].startswith("All"):
                row: Values = {"reqId": request.id, "account": account, "tag": tag, "value": value, "currency": "USD"}
                session.send(Message("accountSummary", row))
    session.send(Message("accountSummaryEnd", {"reqId": request.id}))


def cancel_account_summary(_: Venue, session: Session, request: Request) -> None:
    """No more summaries."""
    session.watching.summaries.pop(request.id, None)


def profit(venue: Venue, session: Session, request: Request) -> None:
    """Profit of an account, now and at every change."""
    session.watching.profits[request.id] = request.text("account")
    session.send(_profit(venue, request.id, request.text("account")))


def cancel_profit(_: Venue, session: Session, request: Request) -> None:
    """No more of it."""
    session.watching.profits.pop(request.id, None)


def profit_of_one(venue: Venue, session: Session, request: Request) -> None:
    """Profit of one position, now and at every change."""
    listing = venue.market.listings.find(request.whole("conId"), "", "", "")
    if listing is None:
        session.refuse(request, 200, "No security definition has been found for the request")
        return
    session.watching.profits_of_one[request.id] = (request.text("account"), listing.symbol)
    session.send(_profit_of_one(venue, request.id, request.text("account"), listing.symbol))


def cancel_profit_of_one(_: Venue, session: Session, request: Request) -> None:
    """No more of it."""
    session.watching.profits_of_one.pop(request.id, None)


def nothing(_: Venue, __: Session, ___: Request) -> None:
    """A request that has no answer."""


def push_holdings(venue: Venue, session: Session, account: str, symbol: str) -> None:
    """Tell a client of a change, as far as it watches."""
    watching = session.watching
    if watching.positions:
        session.send(position(venue, account, symbol))
    if account in watching.accounts:
        session.send(portfolio(venue, account, symbol), *_values_of(venue, account))
    for request_id, watched in watching.profits.items():
        if watched == account:
            session.send(_profit(venue, request_id, account))
    for request_id, pair in watching.profits_of_one.items():
        if pair == (account, symbol):
            session.send(_profit_of_one(venue, request_id, *pair))


def position(venue: Venue, account: str, symbol: str) -> Message:
    """One position."""
    holding = venue.book.account(account).holding(symbol)
    named = venue.market.listings[symbol].named("")
    row = {**named, "account": account, "position": holding.shares, "avgCost": holding.average_cost}
    return Message("position", row, symbol)


def portfolio(venue: Venue, account: str, symbol: str) -> Message:
    """One position with its value."""
    holding = venue.book.account(account).holding(symbol)
    last, multiplier = venue.market.quote(symbol).last, venue.market.listings[symbol].multiplier
    price = holding.average_cost / multiplier if last is None else last
    return Message(
        "portfolioValue",
        {
            **venue.market.listings[symbol].named_at_home(),
            "position": holding.shares,
            "marketPrice": price,
            "marketValue": holding.shares * price * multiplier,
            "averageCost": holding.average_cost,
            "unrealizedPNL": (holding.shares * (price * multiplier - holding.average_cost)).quantize(_CENT),
            "realizedPNL": venue.book.account(account).realized_usd.quantize(_CENT),
            "account": account,
        },
        symbol,
    )


def account_values(venue: Venue, account: str) -> dict[str, Decimal | str]:
    """The values of an account, by their keys."""
    book, market = venue.book, venue.market
    equity, gross = book.equity(account, market), book.gross_value(account, market)
    funds = equity - gross / 2
    amounts = {
        "NetLiquidation": equity,
        "TotalCashValue": book.cash(account),
        "SettledCash": book.cash(account),
        "CashBalance": book.cash(account),
        "EquityWithLoanValue": equity,
        "GrossPositionValue": gross,
        "InitMarginReq": gross / 2,
        "MaintMarginReq": gross / 4,
        "AvailableFunds": funds,
        "ExcessLiquidity": equity - gross / 4,
        "BuyingPower": funds * 2,
        "RealizedPnL": book.account(account).realized_usd,
        "UnrealizedPnL": _unrealized(venue, account),
    }
    return {"AccountType": "INDIVIDUAL"} | {key: amount.quantize(_CENT) for key, amount in amounts.items()}


def _values_of(venue: Venue, account: str) -> list[Message]:
    values = account_values(venue, account).items()
    rows = [{"key": key, "value": value, "currency": "USD", "account": account} for key, value in values]
    return [Message("accountValue", row) for row in rows]


def _held(venue: Venue) -> Iterator[tuple[str, str, int]]:
    for name, account in venue.book.accounts.items():
        for symbol, holding in account.holdings.items():
            yield name, symbol, holding.shares


def _unrealized(venue: Venue, account: str) -> Decimal:
    holdings = venue.book.account(account).holdings
    cost = sum((holding.shares * holding.average_cost for holding in holdings.values()), Decimal(0))
    return venue.book.equity(account, venue.market) - venue.book.cash(account) - cost


def _profit(venue: Venue, request_id: int, account: str) -> Message:
    realized, unrealized = venue.book.account(account).realized_usd, _unrealized(venue, account)
    daily = realized + unrealized
    profits = {"dailyPnL": daily, "unrealizedPnL": unrealized, "realizedPnL": realized}
    return Message("pnl", {"reqId": request_id, **profits})


def _profit_of_one(venue: Venue, request_id: int, account: str, symbol: str) -> Message:
    values = portfolio(venue, account, symbol).values
    return Message(
        "pnlSingle",
        {
            "reqId": request_id,
            "position": values["position"],
            "dailyPnL": values["unrealizedPNL"],
            "unrealizedPnL": values["unrealizedPNL"],
            "realizedPnL": values["realizedPNL"],
            "value": values["marketValue"],
        },
        symbol,
    )
