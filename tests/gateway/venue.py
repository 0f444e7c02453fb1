"""The venue: everything behind the socket, in one piece."""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal

from gateway.book import Book
from gateway.desk import Desk
from gateway.fault_script import Faults
from gateway.market import Market
from gateway.matching import Matching
from gateway.reports import Reports


class Venue:
    """Market, book, matching and desk, wired together."""

    def __init__(self, accounts: Sequence[str], seed: int, cash: Decimal, clock: Callable[[], datetime]) -> None:
        self.accounts = tuple(accounts)
        """Those that the login manages; the book may know others."""
        self.clock = clock
        self.faults = Faults()
        self.reports = Reports()
        self.market = Market()
        self.book = Book(accounts, seed, cash)
        self.matching = Matching(self.book, self.market, self.faults, self.reports, clock)
        self.desk = Desk(self.accounts, self.book, self.market, self.matching, self.faults, self.reports, clock)
        self.market_data_type = 1
        """What the login is entitled to: 1 live, 3 delayed, 0 nothing."""
