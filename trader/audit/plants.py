"""What several violations are planted with."""

import json


def told(account: str, type_: str, symbol: str = "", *, later_us: int = 1, **data: object) -> str:
    """A statement that adds an event to the end of an account's journal, so much later than the newest one."""
    return (
        "INSERT INTO book_events (account, seq, type, symbol, at_us, data, hash) "  # noqa: S608  (our own words)
        f"SELECT account, max(seq) + 1, '{type_}', '{symbol}', max(at_us) + {later_us}, '{json.dumps(data)}', '' "
        f"FROM book_events WHERE account = '{account}';"
    )


def drifting(book: int, broker: int) -> str:
    """A row that says of PSQ what book and broker have, since event 9 of the second account."""
    return (
        "INSERT INTO book_drift (account, symbol, book, broker, since_us) "  # noqa: S608  (our own words)
        f"SELECT account, 'PSQ', {book}, {broker}, at_us FROM book_events WHERE account = 'two' AND seq = 9;"
    )


def sold(
    account: str, symbol: str, quantity: int, *, later_us: int = 1, left: int = 0, direction: int = 1, family: str = ""
) -> str:
    """A statement that adds the sale of some of what is held to an account's journal."""
    return told(
        account,
        "fill",
        symbol,
        later_us=later_us,
        side="SELL",
        quantity=quantity,
        price_micros=1_000_000,
        commission_micros=0,
        direction=direction,
        family=family or symbol,
        held=left,
        position_created=False,
    )


def wanted(account: str, symbol: str, *, later_us: int = 1, direction: int = 1, family: str = "") -> str:
    """A statement that adds an entry of ten shares to an account's journal."""
    return told(
        account,
        "order_created",
        symbol,
        later_us=later_us,
        order_ref=f"{account}-1-0099",
        side="BUY",
        purpose="entry",
        quantity=10,
        direction=direction,
        family=family or symbol,
    )


def state_told(account: str, order_ref: str, state: str) -> str:
    """A statement that adds what became of an order to an account's journal."""
    return told(account, "order_state", order_ref=order_ref, state=state, reason="a test")


def tripped(account: str, scope: str, target: str = "", *, breaker: str = "trades") -> str:
    """A statement that adds a tripped breaker to an account's journal."""
    return told(
        account,
        "breaker_tripped",
        breaker=breaker,
        scope=scope,
        target=target,
        cause="a test",
        measured=2.0,
        limit_value=1.0,
        inputs={},
        formula="trades >= 1",
        flattens=False,
    )


def cleared(account: str, target: str = "", *, breaker: str = "trades") -> str:
    """A statement that adds the end of a latch to an account's journal."""
    return told(account, "breaker_cleared", breaker=breaker, target=target, cleared_by="me", reason="seen")
