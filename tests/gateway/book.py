"""The gateway's own truth: every order, execution and account there has been, whoever was connected."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal

from gateway.market import Market
from gateway.orders import Account, Execution, Holding, Order

OPENING_CASH_USD = Decimal(1_000_000)


class Book:
    """Orders in the order they came, executions in the order they happened."""

    def __init__(self, accounts: Iterable[str], seed: int, cash: Decimal) -> None:
        self.orders: list[Order] = []
        self.on_record: Callable[[Execution], None] = lambda _: None
        """Told of every execution, and of every revision of one."""
        self._executions: dict[str, Execution] = {}
        self._cash = cash
        self._transfers: list[tuple[str, str, int, Decimal]] = []
        self._accounts = {name: Account(name, cash) for name in accounts}
        self._seed = seed
        self._execution_count = 0
        self._highest_ids: dict[int, int] = {}
        self._forgotten: set[int] = set()

    @property
    def executions(self) -> tuple[Execution, ...]:
        """Every execution, each in its latest version."""
        return tuple(self._executions.values())

    @property
    def accounts(self) -> Mapping[str, Account]:
        """Accounts by name; those that are not the client's own as well."""
        return self._accounts

    def account(self, name: str) -> Account:
        """An account; opened when it is new."""
        return self._accounts.setdefault(name, Account(name, self._cash))

    def positions(self, account: str) -> dict[str, int]:
        """Shares by symbol; what is flat is left out."""
        holdings = self.account(account).holdings
        return {symbol: holding.shares for symbol, holding in holdings.items() if holding.shares}

    def cash(self, account: str) -> Decimal:
        """Dollars."""
        return self.account(account).cash

    def gross_value(self, account: str, market: Market) -> Decimal:
        """What its positions are worth, dollars; at cost where there has been no price."""
        holdings = self.account(account).holdings.items()
        return sum((abs(held.shares) * _price(symbol, held, market) for symbol, held in holdings), Decimal(0))

    def equity(self, account: str, market: Market) -> Decimal:
        """Cash and positions together, dollars."""
        holdings = self.account(account).holdings.items()
        return self.cash(account) + sum((h.shares * _price(symbol, h, market) for symbol, h in holdings), Decimal(0))

    def endow(self, account: str, symbol: str, shares: int, average_cost: Decimal) -> None:
        """Shares that were there before the first execution of today."""
        self._transfers.append((account, symbol, shares, average_cost))
        self._endow(account, symbol, shares, average_cost)

    def live(self) -> Iterator[Order]:
        """Orders that may still fill."""
        return (order for order in list(self.orders) if not order.is_done)

    def find(self, client_id: int, order_id: int) -> Order | None:
        """The newest order of these ids, since they were last rolled back."""
        ids = (client_id, order_id)
        found = (order for order in reversed(self.orders) if (order.client_id, order.order_id) == ids)
        order = next(found, None)
        return None if order is None or order.perm_id in self._forgotten else order

    def find_anywhere(self, order_id: int) -> Order | None:
        """The newest live order of this id, of whichever client."""
        return next(
            (order for order in reversed(self.orders) if order.order_id == order_id and not order.is_done), None
        )

    def parent(self, order: Order) -> Order | None:
        """The order that it waits for."""
        return self.find(order.client_id, order.parent_id) if order.parent_id else None

    def children(self, parent: Order) -> list[Order]:
        """The orders that wait for it."""
        ids = (parent.client_id, parent.order_id)
        return [order for order in self.orders if parent.order_id and (order.client_id, order.parent_id) == ids]

    def group(self, order: Order) -> list[Order]:
        """The other live orders of its group."""
        return [other for other in self.members(order) if not other.is_done]

    def members(self, order: Order) -> list[Order]:
        """The other orders of its group, also those that are done."""
        if not order.oca_group:
            return []
        key = (order.account, order.oca_group)
        return [other for other in self.orders if (other.account, other.oca_group) == key and other is not order]

    def new_perm_id(self) -> int:
        """The next of the broker's own numbers."""
        return 1_000_000_000 + self._seed % 1_000 * 100_000 + len(self.orders) + 1

    def highest_id(self, client_id: int) -> int:
        """The highest order id that this client has used."""
        return self._highest_ids.get(client_id, 0)

    def roll_back_ids(self) -> None:
        """Order ids begin at 1 again; those of orders that are done may come once more."""
        self._forgotten |= {order.perm_id for order in self.orders if order.is_done}
        self._highest_ids.clear()

    def add(self, order: Order) -> None:
        """Take an order in."""
        self.orders.append(order)
        self._highest_ids[order.client_id] = max(self.highest_id(order.client_id), order.order_id)

    def new_execution_id(self) -> str:
        """The id of the next execution, in its first version."""
        self._execution_count += 1
        return f"{self._seed:08x}.{self._execution_count:08x}.01.01"

    def record(self, execution: Execution) -> None:
        """Keep an execution, or its correction."""
        self._executions[execution.root] = execution
        self.on_record(execution)

    def execution(self, exec_id: str) -> Execution:
        """The latest version of an execution; KeyError when there is none."""
        return self._executions[exec_id.rpartition(".")[0]]

    def executions_of(self, order: Order) -> list[Execution]:
        """The executions of one order."""
        return [execution for execution in self.executions if execution.order is order]

    def recount(self, name: str) -> None:
        """Count an account anew, from its executions as they now stand."""
        self._accounts[name] = Account(name, self._cash)
        for account, symbol, shares, average_cost in self._transfers:
            if account == name:
                self._endow(account, symbol, shares, average_cost)
        for execution in self.executions:
            if execution.order.account == name:
                listing = execution.order.listing
                price = execution.price * listing.multiplier
                self._accounts[name].book(listing.symbol, execution.signed_shares, price, execution.commission_usd)

    def _endow(self, account: str, symbol: str, shares: int, average_cost: Decimal) -> None:
        holding = self.account(account).holding(symbol)
        holding.shares += shares
        holding.average_cost = average_cost


def _price(symbol: str, holding: Holding, market: Market) -> Decimal:
    """Of one share, or one contract, in dollars."""
    last = market.quote(symbol).last
    return holding.average_cost if last is None else last * market.listings[symbol].multiplier
